# SPDX-License-Identifier: MIT OR Apache-2.0
# A module set: how many memory devices and fwctl devices it has ($1, $2).
. ./checks.sh

check volatile-device serial 0x1001
check persistent-device serial 0x1002
equal memdevs "$1" "$(memdevs)"
equal fwctl-devices "$2" "$(fwctls)"
check nothing-failed-to-probe sh -c '! dmesg | grep "probe with driver .* failed"'
for device in /sys/class/fwctl/fwctl*; do
    [ -e "$device" ] || continue
    check "$(basename "$device")-has-a-node" test -c "/dev/fwctl/$(basename "$device")"
done

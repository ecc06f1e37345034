# SPDX-License-Identifier: MIT OR Apache-2.0
# The full lab's guest: systemd is up, and Debian's own tools see the devices.
. ./checks.sh

state=$(systemctl is-system-running)
case $state in
running) echo "ok system-is-up" ;;
*) echo "FAIL system-is-up: $state; failed units: $(systemctl list-units --failed --no-legend --plain | cut -d ' ' -f 1 | tr '\n' ' ')" ;;
esac
check first-process-is-systemd grep -qx systemd /proc/1/comm
check udev-runs systemctl is-active --quiet systemd-udevd
check dbus-runs busctl --no-pager list
check nvme-list sh -c 'nvme list | grep -q LAB0001'
check nvme-smart-log nvme smart-log /dev/nvme0
check smartctl sh -c 'smartctl -i /dev/nvme0 | grep -q LAB0001'
check namespace test -b /dev/nvme0n1
check by-id sh -c 'ls /dev/disk/by-id | grep -q LAB0001'
check volatile-device serial 0x1001
check persistent-device serial 0x1002
equal memdevs 2 "$(memdevs)"
equal no-fwctl-device 0 "$(fwctls)"
check modules-by-udev test -d /sys/module/cxl_pci -a -d /sys/module/nvme
check fwgate-runs fwgate --version

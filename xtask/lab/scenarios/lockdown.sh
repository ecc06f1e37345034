# SPDX-License-Identifier: MIT OR Apache-2.0
# A kernel locked down to $1 from its start.
. ./checks.sh

check level grep -q "\[$1\]" /sys/kernel/security/lockdown
check volatile-device serial 0x1001
check persistent-device serial 0x1002
check modules-loaded test -d /sys/module/cxl_pci
check no-module-refused sh -c '! dmesg | grep -i "unsigned module"'
check nvme test -b /dev/nvme0n2

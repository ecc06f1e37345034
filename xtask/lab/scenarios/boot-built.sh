# SPDX-License-Identifier: MIT OR Apache-2.0
# The built kernel: its devices, and what it was configured for.
. ./checks.sh

check release sh -c 'uname -r | grep -q fwgate-lab'
check volatile-device serial 0x1001
check persistent-device serial 0x1002
equal memdevs 2 "$(memdevs)"
check nvme-serial grep -q LAB0001 /sys/class/nvme/nvme0/serial
check namespaces test -b /dev/nvme0n1 -a -b /dev/nvme0n2
check cuse test -c /dev/cuse
check fwctl-loaded test -d /sys/module/fwctl
check configuration-in-proc test -r /proc/config.gz
equal config-fwctl m "$(config CONFIG_FWCTL)"
equal config-features y "$(config CONFIG_CXL_FEATURES)"
equal config-raw y "$(config CONFIG_CXL_MEM_RAW_COMMANDS)"
equal config-edac y "$(config CONFIG_CXL_EDAC_MEM_FEATURES)"
# All Features of QEMU's device are the kernel's own, and without another there is no fwctl device.
equal no-fwctl-device 0 "$(fwctls)"
check lockdown-off grep -q '\[none\]' /sys/kernel/security/lockdown
equal not-tainted 0 "$(cat /proc/sys/kernel/tainted)"
# Hot plug and events of CXL devices are the kernel's, as on a machine with hardware.
check native-hot-plug sh -c 'dmesg | grep -q "ACPI0016.*OS now controls.*PCIeHotplug"'
check native-cxl-events sh -c 'dmesg | grep -q "OS now controls .CXLMemErrorReporting"'
check fwgate-runs fwgate --version
check fwgate-raw-runs fwgate-raw --version

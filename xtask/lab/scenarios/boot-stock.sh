# SPDX-License-Identifier: MIT OR Apache-2.0
# Debian's own kernel: the devices, and what it is known to lack.
. ./checks.sh

check release sh -c 'uname -v | grep -q Debian'
check volatile-device serial 0x1001
check persistent-device serial 0x1002
equal memdevs 2 "$(memdevs)"
check nvme-serial grep -q LAB0001 /sys/class/nvme/nvme0/serial
check namespaces test -b /dev/nvme0n1 -a -b /dev/nvme0n2
check cuse test -c /dev/cuse
equal config-fwctl n "$(config CONFIG_FWCTL)"
equal config-features n "$(config CONFIG_CXL_FEATURES)"
equal config-raw n "$(config CONFIG_CXL_MEM_RAW_COMMANDS)"
check no-fwctl-module test ! -d /sys/module/fwctl
equal no-fwctl-device 0 "$(fwctls)"
check lockdown-off grep -q '\[none\]' /sys/kernel/security/lockdown
check fwgate-runs fwgate --version

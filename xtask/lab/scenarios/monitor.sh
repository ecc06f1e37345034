# SPDX-License-Identifier: MIT OR Apache-2.0
# What QEMU does at the guest's wish: unplug, plug, inject.
. ./checks.sh

# memdev SERIAL: the name of the memory device that has it.
memdev() {
    file=$(grep -lx "$1" /sys/bus/cxl/devices/mem*/serial)
    basename "${file%/serial}"
}

if lab-qmp '{"execute":"human-monitor-command","arguments":{"command-line":"quit"}}'; then
    echo "FAIL list: QEMU was sent a command that is not on the list"
else
    echo "ok list"
fi

# Kernels without CXL's native events report nothing.
trace=/sys/kernel/tracing
echo 1 >$trace/events/cxl/cxl_general_media/enable
check inject-media-event lab-qmp '{"execute":"cxl-inject-general-media-event","arguments":{"path":"/machine/peripheral/cxl-vmem0","log":"informational","flags":1,"dpa":4096,"descriptor":3,"type":1,"transaction-type":1}}'
check media-event-traced wait_for 5 grep -q cxl_general_media $trace/trace

check inject-poison lab-qmp '{"execute":"cxl-inject-poison","arguments":{"path":"/machine/peripheral/cxl-vmem0","start":8192,"length":64}}'

check unplug-nvme lab-qmp '{"execute":"device_del","arguments":{"id":"nvme0"}}'
check nvme-gone wait_for 20 test ! -e /dev/nvme0
check plug-nvme lab-qmp '{"execute":"device_add","arguments":{"driver":"nvme","id":"nvme9","bus":"rpn","serial":"LAB0002","drive":"ns3"}}'
check nvme-back wait_for 20 test -b /dev/nvme0n1
check another-serial grep -q LAB0002 /sys/class/nvme/nvme0/serial

gone=$(memdev 0x1002)
check unplug-cxl lab-qmp '{"execute":"device_del","arguments":{"id":"cxl-pmem0"}}'
check cxl-gone wait_for 20 test ! -e "/dev/cxl/$gone"
check the-other-stays serial 0x1001

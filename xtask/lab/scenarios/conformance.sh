# SPDX-License-Identifier: MIT OR Apache-2.0
# The same ioctls to this kernel and to fwgate's reading of it: $1 random ones as root, on the first
# device, and $2 as nobody, on the next. The rest are options.
root=$1 nobody=$2
shift 2
export FWGATE_UNDER_TEST=both
# QEMU without KVM is slow at `rep movsb`, which the C library takes for the arena's pages.
export GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=0x7fffffff:glibc.cpu.x86_rep_stosb_threshold=0x7fffffff

# device N: options for the Nth fwctl node and its memory device; without fwctl, for the Nth memory
# device.
device() {
    fwctl=$(ls /dev/fwctl 2>/dev/null | sed -n "$1p")
    if [ -n "$fwctl" ]; then
        memdev=$(basename "$(readlink -f "/sys/class/fwctl/$fwctl/device")")
        echo "--fwctl $fwctl --memdev $memdev"
    else
        echo "--memdev $(ls /dev/cxl | sed -n "$1p")"
    fi
}

status=0
# shellcheck disable=SC2046
fwgate-conformance $(device 1) --count "$root" "$@" || status=1
# shellcheck disable=SC2046
fwgate-conformance $(device 2) --count "$nobody" --as-nobody "$@" || status=1
exit $status

# SPDX-License-Identifier: MIT OR Apache-2.0
# For scenarios: one line for each check, as `xtask/src/lab/outcome.rs` reads them.

# check NAME COMMAND...: the command's status decides.
check() {
    name=$1
    shift
    if said=$("$@" 2>&1); then
        echo "ok $name"
    else
        echo "FAIL $name: \`$*\` ended with $?: $(echo "$said" | tail -n 3 | tr '\n' ' ')"
    fi
}

# equal NAME EXPECTED FOUND
equal() {
    if [ "$2" = "$3" ]; then
        echo "ok $1"
    else
        echo "FAIL $1: expected \`$2\`, found \`$3\`"
    fi
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
    tries=$(($1 * 20))
    shift
    while [ "$tries" -gt 0 ]; do
        "$@" >/dev/null 2>&1 && return 0
        tries=$((tries - 1))
        usleep 50000
    done
    return 1
}

# config OPTION: its value, or n.
config() {
    value=$(sed -n "s/^$1=//p" "/lib/modules/$(uname -r)/config")
    echo "${value:-n}"
}

# memdevs, fwctls: how many there are.
memdevs() {
    ls /dev/cxl 2>/dev/null | grep -c '^mem'
}
fwctls() {
    ls /dev/fwctl 2>/dev/null | grep -c '^fwctl'
}

# serial NUMBER: whether a memory device has it.
serial() {
    grep -qx "$1" /sys/bus/cxl/devices/mem*/serial
}

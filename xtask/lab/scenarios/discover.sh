# SPDX-License-Identifier: MIT OR Apache-2.0
# The tests of discovery that are about the machine they run on: at least $1 devices. With `churn`
# controllers are reset, and devices taken away and put back.
export FWGATE_LAB_DEVICES="$1"
[ "$2" != churn ] || export FWGATE_LAB_CHURN=1
# A test that would say nothing is not run.
only=
[ "$2" = churn ] || only="--skip a_reset_is_a_change"
# shellcheck disable=SC2086
test-discover here:: --test-threads=1 $only >discover.txt 2>&1
status=$?
cat discover.txt
sed -n -e 's/^test \(.*\) \.\.\. ok$/ok \1/p' \
    -e 's/^test \(.*\) \.\.\. FAILED$/FAIL \1: its reason stands above/p' discover.txt
exit $status

#!/bin/sh
# run_units.sh PROGRAM... - runs every test program, prints what each says, and ends
# with one line that sums them up. Fails when a program failed or ran no test.
set -u

log=$(mktemp)
trap 'rm -f "$log"' EXIT
checks=0
bad=0
broken=
for program in "$@"; do
    "$program" >"$log" 2>&1 || broken="$broken $program"
    cat "$log"
    # shellcheck disable=SC2046 # three numbers
    set -- $(sed -nE 's/^[0-9]+%: Checks: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+)$/\1 \2 \3/p' "$log")
    if [ $# -ne 3 ] || [ "$1" -eq 0 ]; then
        broken="$broken $program"
        set -- 0 0 1
    fi
    checks=$((checks + $1))
    bad=$((bad + $2 + $3))
done

echo "unit tests: $((checks - bad)) passed, $bad failed"
[ -z "$broken" ] || echo "failed:$broken"
[ -z "$broken" ]

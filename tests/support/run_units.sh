#!/bin/sh
# run_units.sh PROGRAM... - runs every test program, JOBS=1 at a time, prints what each
# says, and ends with one line that sums them up. Fails when a program failed or ran no
# test.
set -u

# As the service has it: the threads that OpenBLAS starts by itself are in nobody's way then.
export OPENBLAS_NUM_THREADS=1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One that is killed says nothing: so its name is kept with its output.
# shellcheck disable=SC2016 # for the inner shell
printf '%s\n' "$@" | awk '{ printf "%04d %s\n", NR, $0 }' |
    xargs -P "${JOBS:-1}" -L 1 sh -c '
        "$2" >"$0/$1.log" 2>&1
        echo "$? $2" >"$0/$1.end"' "$work"

checks=0
bad=0
broken=
for end in "$work"/*.end; do
    read -r status program <"$end"
    log=${end%.end}.log
    cat "$log"
    # shellcheck disable=SC2046 # three numbers
    set -- $(sed -nE 's/^[0-9]+%: Checks: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+)$/\1 \2 \3/p' "$log")
    [ $# -eq 3 ] || set -- 0 0 1
    if [ "$status" -ne 0 ] || [ "$1" -eq 0 ]; then
        broken="$broken $program"
    fi
    checks=$((checks + $1))
    bad=$((bad + $2 + $3))
done

echo "unit tests: $((checks - bad)) passed, $bad failed"
[ -z "$broken" ] || echo "failed:$broken"
[ -z "$broken" ]

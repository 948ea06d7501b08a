#!/bin/sh
# run.sh SECONDS PROGRAM... - runs each fuzzer for so long, JOBS=2 at a time, from its corpus
# in tests/fuzz/corpus. What it finds new stays in build/fuzz/corpus; an input that fails
# is left there as crash-*, to be fixed and added to the corpus. To take over what was
# found: PROGRAM -merge=1 tests/fuzz/corpus/NAME build/fuzz/corpus/NAME
set -eu
cd "$(dirname "$0")/../.."
seconds=$1
shift

# What libFuzzer may put into an input: the names of members and settings, in the sources.
mkdir -p build/fuzz
{
    grep -hoE '"[a-zA-Z_0-9:-]{2,24}"' src/codec/*.c | sed 's/"/\\"/g'
    grep -hoE '^SETTING\([a-z_]+' include/service/settings.def | sed 's/.*(//'
    grep -hoE 'NAMED\("[A-Za-z-]+"' src/http/*.c | sed 's/.*("//; s/"$/:/'
} | sort -u | sed 's/.*/"&"/' >build/fuzz/words

# The log is printed by xargs' children, so that two do not mix.
# shellcheck disable=SC2016 # for the inner shell
run='
name=$(basename "$2" | sed "s/^fuzz_//")
found=build/fuzz/corpus/$name
log=build/fuzz/$name.log
mkdir -p "$found" "tests/fuzz/corpus/$name"
if ! "$2" -max_total_time="$1" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
    -dict=build/fuzz/words \
    -artifact_prefix="$found/" -print_final_stats=1 \
    "$found" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
    echo "fuzz $name: failed"
    tail -n 40 "$log"
    exit 255
fi
awk -v name="$name" "
    /number_of_executed_units/ { units = \$2 }
    /peak_rss_mb/ { rss = \$2 }
    END { print \"fuzz \" name \": \" units \" inputs, \" rss \" MiB at most, nothing found\" }" "$log"
'
printf '%s\n' "$@" | xargs -P "${JOBS:-2}" -I PROGRAM sh -c "$run" run "$seconds" PROGRAM

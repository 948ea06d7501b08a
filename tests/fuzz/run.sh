#!/bin/sh
# run.sh SECONDS PROGRAM... - runs each fuzzer for so long, from its corpus in
# tests/fuzz/corpus. What it finds new stays in build/fuzz/corpus; an input that fails
# is left there as crash-*, to be fixed and added to the corpus.
set -eu
cd "$(dirname "$0")/../.."
seconds=$1
shift
for program; do
    name=$(basename "$program" | sed 's/^fuzz_//')
    found=build/fuzz/corpus/$name
    mkdir -p "$found" "tests/fuzz/corpus/$name"
    echo "fuzz $name, $seconds s"
    if ! "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -max_len=4096 -artifact_prefix="$found/" -print_final_stats=1 \
        "$found" "tests/fuzz/corpus/$name" >"build/fuzz/$name.log" 2>&1; then
        tail -n 40 "build/fuzz/$name.log"
        exit 1
    fi
    grep -E 'number_of_executed_units|peak_rss_mb' "build/fuzz/$name.log"
done

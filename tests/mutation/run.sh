#!/bin/sh
# run.sh [PATTERN] - are the tests able to fail? Makes each mistake of mistakes.txt whose
# name matches in a copy of the sources, builds what it touches and runs test programs
# until one fails. A mistake that none notices is a missing test, and fails this.
#
# Call it from the top, with everything built (make mutation does). JOBS=2 at once.
set -u

unset WERROR # a mistake may leave something unused
list=tests/mutation/mistakes.txt
programs="http/test_guard conformance/test_vectors property/test_invariants property/test_operator
    property/test_operator_json core/test_attention core/test_attention_blocks core/test_attention_extremes core/test_ranking core/test_projection core/test_multi_head
    core/test_key_patterns core/test_linear_attention core/test_multi_head_method
    codec/test_json_reader codec/test_json_option codec/test_whole_json core/test_attention_options
    service/test_attention_cost service/test_body_costs service/test_scheduler service/test_scheduler_admission
    service/test_scheduler_turns service/test_workers base/test_arena
    codec/test_tensor_json codec/test_tensor_rows codec/test_attention_request
    codec/test_attention_response codec/test_number_write codec/test_number_read
    codec/test_number_kernels codec/test_number_list
    conformance/test_onnx codec/test_key_list service/test_keys http/test_auth http/test_cors
    codec/test_json_document base/test_buffer service/test_settings
    core/test_blas service/test_self_test service/test_syscall_filter service/test_precautions
    http/test_server http/test_request_body http/test_stream http/test_connection http/test_drain
    http/test_tls http/test_tls_identity http/test_wire
    http/test_watch http/test_pace http/test_farewell http/test_target faults/test_site_faults"
export ATTENTIOND_PROPERTY_CASES="${ATTENTIOND_PROPERTY_CASES:-1500}"
ATTENTIOND_SHARED=$(cd "${ATTENTIOND_SHARED:-../shared}" 2>/dev/null && pwd) &&
    export ATTENTIOND_SHARED

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
top=$PWD
pattern=${1:-.}
jobs=${JOBS:-2}

# A mistake is a block of lines, ended by an empty one: its name, the file, what stands
# there, each line behind "-", and what is put in its place, behind "+". Behind the file may
# stand the program that notices: it is run before all others, which saves their time.
# Writes what mistake $1 makes of its file to stdout, behind a line
# "name|file|count|program": how often the text to replace stands there, which must be
# once. Nothing when there is no such mistake.
make_mistake() {
    awk -v number="$1" '
        BEGIN { RS = ""; FS = "\n" }
        NR != number { next }
        {
            name = $1; split($2, where, " "); file = where[1]
            old = ""; new = ""
            for (n = 3; n <= NF; n++) {
                line = substr($n, 2) "\n"
                if (substr($n, 1, 1) == "-") old = old line
                else new = new line
            }
            RS = "\001"
            if ((getline text < file) <= 0) text = ""
            at = index(text, old); count = 0
            for (rest = text; (i = index(rest, old)) > 0; rest = substr(rest, i + 1)) count++
            print name "|" file "|" count "|" where[2]
            if (count != 1) exit
            printf "%s", substr(text, 1, at - 1) new substr(text, at + length(old))
            exit
        }' "$list"
}

# Puts back what was built since the stamp, so that the next mistake starts from what
# is right.
restore() {
    cp -p "$top/$1" "$1"
    find build -type f -newer stamp | while read -r built; do
        cp -p "$top/$built" "$built" 2>/dev/null || rm -f "$built"
    done
}

# The programs, likely witnesses of a mistake in file $1 first: the one that is named, $2,
# the module's own tests, then those of its folder.
order_programs() {
    # shellcheck disable=SC2086 # one word a program
    printf '%s\n' $programs | awk -v file="$1" -v named="$2" '
        BEGIN { sub(/^src\//, "", file); sub(/\.[ch]$/, "", file); split(file, part, "/") }
        {
            name = $0
            sub(/\/test_/, "/", name)
            rank = index(file, name) == 1 ? 1 : index($0, part[1] "/") == 1 ? 2 : 3
            if ($0 ~ /^(conformance|property)/) rank = part[1] == "core" ? 2 : 4
            if ($0 == named) rank = 0
            print rank, NR, $0
        }' | sort -k1,1n -k2,2n | cut -d" " -f3
}

# Builds and runs one program after another; prints the one that failed.
find_witness() {
    for program in $(order_programs "$1" "$2"); do
        timeout 120 make -s "build/release/tests/$program" >log 2>&1 || {
            echo "does not compile"
            return
        }
        timeout 30 "build/release/tests/$program" >log 2>&1 || {
            echo "$program"
            return
        }
    done
}

# Every $2-th mistake from $1 on, in a copy of the tree of its own.
run_share() {
    mkdir -p "$work/$1/build"
    cp -a Makefile include src tests openapi config "$work/$1"
    cp -a build/attentiond build/release "$work/$1/build"
    cd "$work/$1" || exit 1
    number=$1
    while make_mistake "$number" >mistake && [ -s mistake ]; do
        IFS='|' read -r name file count named <mistake
        if ! expr "$name" : ".*$pattern" >/dev/null; then
            :
        elif [ "$count" != 1 ]; then
            echo "stale|$name|stands $count times in $file"
        else
            touch stamp
            sleep 0.01
            tail -n +2 mistake >"$file"
            witness=$(find_witness "$file" "$named")
            # Some show by the order in which threads happen to run.
            [ -n "$witness" ] || witness=$(find_witness "$file" "$named")
            case $witness in
            "") echo "survived|$name|$file" ;;
            "does not compile") echo "stale|$name|$witness" ;;
            *) echo "caught|$name|$witness" ;;
            esac
            restore "$file"
        fi
        number=$((number + $2))
    done
}

for job in $(seq "$jobs"); do
    (run_share "$job" "$jobs") >"$work/result.$job" &
done
wait

cat "$work"/result.* | awk -F '|' '
    { count[$1]++; printf "%-9s %s (%s)\n", $1, $2, $3 }
    END {
        printf "mutation: %d caught, %d survived", count["caught"], count["survived"]
        if (count["stale"]) printf ", %d out of date", count["stale"]
        print ""
        exit count["survived"] + count["stale"] > 0 || count["caught"] == 0
    }'

#!/bin/sh
# coverage.sh REPLAY... - runs the kept corpora in a coverage build and prints how many
# lines of each parser they reach. Fails below 90 % of any. What only broken memory or a
# broken disk can reach is no parsing: it is marked GCOVR_EXCL_LINE, or within the tenth.
set -eu
cd "$(dirname "$0")/../.."
least=90

parsers="codec/attention_inputs codec/attention_members codec/attention_options
    codec/attention_request codec/base64 codec/base64_avx2 codec/base64_avx512
    codec/json_members codec/key_list codec/json_option codec/json_reader codec/json_refusal
    codec/json_scalars codec/json_string
    codec/method_json codec/number_list codec/number_read codec/number_template
    codec/number_tokens codec/rope_json codec/tensor_elements codec/tensor_json
    codec/tensor_nested codec/tensor_packed codec/tensor_pool codec/tensor_rows codec/terminal_text codec/utf8
    codec/whole_json http/accept http/guard http/guard_body http/guard_fields
    http/guard_line http/request_head http/target service/cgroup
    service/settings service/settings_file service/settings_table"

# Only what the corpora reach counts.
find build/coverage -name '*.gcda' -delete
for replay; do
    "$replay" | sed -n 's/^Running suite(s): //p'
done

set --
for parser in $parsers; do
    set -- "$@" --filter "src/$parser\\.[ch]\$"
done
gcovr --root . "$@" --csv build/coverage/fuzz.csv build/coverage
awk -F, -v least="$least" -v wanted="$parsers" '
    NR == 1 { next }
    {
        percent = $2 ? 100 * $3 / $2 : 100
        printf "%-34s %4d of %4d lines, %5.1f %%%s\n", $1, $3, $2, percent,
            percent < least ? "  too few" : ""
        bad = bad || percent < least
        lines += $2; reached += $3; seen++
    }
    END {
        printf "the corpora reach %.1f %% of the lines of %d parsers\n", 100 * reached / lines, seen
        if (seen != split(wanted, all, " ")) { print "a parser is missing"; bad = 1 }
        exit bad
    }' build/coverage/fuzz.csv

#!/bin/sh
# check_threats.sh - does every bad input of the threat list have a test? The list is
# THREATS.md of ../shared/design, whose lines are numbered; a test says which it covers by
# the words `threat 42`, or `threats 1-3, 8 and 11`, in its name or in the comment above it.
#
# Prints the lines without a test and fails if there are any, or if a tag has a number
# that is not in the list. 101 to 110 are exempt: they come with stored models.
set -u

cd "$(dirname "$0")/.." || exit 1
page=${ATTENTIOND_SHARED:-../shared}/design/THREATS.md
[ -r "$page" ] || {
    echo "skipped: what the threats are, without $page; their numbers are looked at"
    page=/dev/null
}

# shellcheck disable=SC2016 # the words of awk
find tests -name node_modules -prune -o -type f \
    \( -name '*.c' -o -name '*.h' -o -name '*.js' -o -name '*.sh' -o -name '*.yml' -o -name '*.txt' \) \
    ! -name check_threats.sh -print | sort |
    xargs awk -v page="$page" '
    BEGIN {
        last = 122
        for (n = 1; n <= last; n++) wanted[n] = n < 101 || n > 110
        while ((getline line < page) > 0)
            if (match(line, /^- \*\*[0-9]+\*\*/))
                words[substr(line, 5, RLENGTH - 6) + 0] = substr(line, RLENGTH + 2)
    }
    function cover(number) {
        if (number in wanted) covered[number] = 1
        else { print file ": there is no threat " number; unknown = 1 }
    }
    # The numbers of a list such as "1-3, 8 and 11".
    function cover_list(list,   parts, count, i, ends, n) {
        gsub(/[^0-9-]+/, " ", list)
        count = split(list, parts, " ")
        for (i = 1; i <= count; i++) {
            split(parts[i], ends, "-")
            if (parts[i] !~ /-/) ends[2] = ends[1]
            for (n = ends[1] + 0; n <= ends[2] + 0; n++) cover(n)
        }
    }
    function read_tags(text) {
        while (match(text, /[^a-z]threats? [0-9]+(-[0-9]+)?((,| and|, and) ?[0-9]+(-[0-9]+)?)*/)) {
            cover_list(substr(text, RSTART, RLENGTH))
            text = substr(text, RSTART + RLENGTH)
        }
    }
    # A list may go on in the next line of a comment: so a file is read as one line.
    FNR == 1 { if (file != "") read_tags(text); file = FILENAME; text = " " }
    { line = $0; sub(/^[ \t]*(\*|\/\/|#)?[ \t]*/, "", line); text = text tolower(line) " " }
    END {
        read_tags(text)
        for (n = 1; n <= last; n++) {
            if (!wanted[n]) continue
            total++
            if (n in covered) { found++; continue }
            missing = missing (missing == "" ? "" : ", ") n
            if (n in words) print "threat " n " has no test: " words[n]
        }
        printf "%d of %d threats have a test", found, total
        print missing == "" ? "" : "; missing: " missing
        exit missing != "" || unknown
    }'

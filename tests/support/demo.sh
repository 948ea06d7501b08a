#!/bin/sh
# demo.sh ATTENTIOND - starts the service on a free port, posts two requests to it
# as anyone would with curl, shows what comes back, and stops it.
set -eu

binary=$1
cd "$(dirname "$0")/../.."
log=$(mktemp)
service=

finish() {
    [ -z "$service" ] || kill "$service" 2>/dev/null || true
    rm -f "$log"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

give_up() {
    echo "demo: $1; the service's log:" >&2
    cat "$log" >&2
    exit 1
}

say() { printf '\n%s\n' "$*"; }
show() { printf '\n$ %s\n' "$*"; }

# JSON for people: a line for each member and each row of numbers.
pretty() {
    awk '
    function line() { printf "\n%*s", 2 * depth, "" }
    {
        for (i = 1; i <= length($0); i++) {
            c = substr($0, i, 1)
            if (c == "\"") quoted = !quoted
            if (quoted) { printf "%s", c; continue }
            if (c == "{" || c == "[") {
                rest = substr($0, i + 1)
                if (depth && match(rest, /^[^][{}]*[]}]/)) { # nothing nested: one line
                    inner = substr(rest, 1, RLENGTH)
                    gsub(/,/, ", ", inner)
                    gsub(/":/, "\": ", inner)
                    printf "%s%s", c, inner
                    i += RLENGTH
                    continue
                }
                depth++
                printf "%s", c
                line()
            } else if (c == "}" || c == "]") {
                depth--
                line()
                printf "%s", c
            } else if (c == ",") {
                printf "%s", c
                line()
            } else
                printf "%s%s", c, c == ":" ? " " : ""
        }
    }
    END { print "" }'
}

# At its defaults, whatever the environment sets; port 0 takes a free one.
for variable in $(env | sed -n 's/^\(ATTENTIOND_[A-Z_]*\)=.*/\1/p'); do unset "$variable"; done
"$binary" --port 0 --log-format text --log-level info 2>"$log" &
service=$!
url=
for _ in $(seq 100); do
    address=$(sed -n 's/.* event=ready .* address=\([^ ]*\) .*/\1/p' "$log")
    if [ -n "$address" ] && curl -sf -o /dev/null --max-time 2 "http://$address/readyz"; then
        url=http://$address
        break
    fi
    kill -0 "$service" 2>/dev/null || give_up "it ended before it was ready"
    sleep 0.05
done
[ -n "$url" ] || give_up "it was not ready within 5 seconds"
url=$url/v1/attention
say "attentiond is ready (process $service)."
show "url=$url"

say "1. Three tokens, projected to queries, keys and values by small weights:"
show "curl --json @config/demo/worked_example.json \$url"
answer=$(curl -sS --fail-with-body --json @config/demo/worked_example.json "$url") || give_up "$answer"
printf '%s\n' "$answer" | pretty

say "   The same, drawn: a row a query, a column a key, darker = more weight."
show "curl --json @config/demo/worked_example.json -H 'Accept: text/plain' \$url"
curl -sS --fail-with-body --json @config/demo/worked_example.json -H 'Accept: text/plain' \
    "$url"

say "2. A layer of a trained network reading a picture of the line \"attention is all you need\""
echo "   (PP-OCRv4 text recogniser: 51 slices of the picture, 8 heads; head 6 is shown):"
show "curl --json @config/demo/recogniser_layer0.json -H 'Accept: text/plain' \$url"
curl -sS --fail-with-body --json @config/demo/recogniser_layer0.json -H 'Accept: text/plain' \
    -w 'Server-Timing (ms): %header{server-timing}\n' "$url"

kill -TERM "$service"
status=0
wait "$service" || status=$?
service=
[ "$status" = 0 ] || give_up "it stopped with exit code $status"
say "Stopped by SIGTERM: what was accepted is answered, exit code 0."

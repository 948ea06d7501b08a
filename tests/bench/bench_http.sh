#!/bin/bash
# bench_http.sh ATTENTIOND EMPTY_SERVER - requests a second of the worked example (T = 3)
# beside those of an empty libmicrohttpd answer to the same POST, in turn, with wrk.
set -euo pipefail

attentiond=$1
empty=$2
seconds=${BENCH_SECONDS:-4}
rounds=${BENCH_ROUNDS:-3}
connections=${BENCH_CONNECTIONS:-8}
work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT

cat >"$work/post.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open(os.getenv("BODY"), "rb")
wrk.body = file:read("*a")
file:close()
LUA
export BODY=config/demo/worked_example.json

env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE "$attentiond" --port 18431 --log-level warn &
pids+=($!)
mkfifo "$work/hold"
"$empty" 18432 2 <"$work/hold" &
pids+=($!)
exec 9>"$work/hold"
for _ in $(seq 50); do
    curl -sf -o /dev/null http://127.0.0.1:18431/readyz && break
    sleep 0.1
done

rate() { # port
    wrk -t1 -c"$connections" -d"${seconds}s" -s "$work/post.lua" "http://127.0.0.1:$1/v1/attention" |
        awk '/Requests\/sec/ {print $2} /Non-2xx/ {print "errors:", $0 > "/dev/stderr"}'
}

echo "wrk -t1 -c$connections -d${seconds}s, POST of the worked example; $(nproc) CPUs, $(uname -m)"
printf '%12s %12s %8s\n' attentiond empty ratio
for _ in $(seq "$rounds"); do
    ours=$(rate 18431)
    theirs=$(rate 18432)
    awk -v a="$ours" -v b="$theirs" 'BEGIN {printf "%12.0f %12.0f %8.2f\n", a, b, a / b}'
done

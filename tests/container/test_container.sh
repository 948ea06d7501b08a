#!/bin/bash
# Builds the image and runs it the way an operator would: read-only, without
# capabilities or new privileges, as a numeric user, with limits on memory, CPU and
# processes. Posts the worked example to it, reads its health, stops it gracefully.
# Uses podman; where the base image cannot be pulled, it is made by mmdebstrap.
set -euo pipefail
cd "$(dirname "$0")/../.."

base=docker.io/library/debian:bookworm-slim
image=localhost/attentiond:test
name=attentiond-test-$$
port=$((20000 + $$ % 20000))
limit_mib=60
work=$(mktemp -d)
passed=0

finish() {
    podman rm -f "$name" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT

ok() {
    passed=$((passed + 1))
    echo "ok $passed - $1"
}
fail() {
    echo "not ok - $1"
    podman logs "$name" 2>/dev/null | tail -n 20 || true
    echo "container: $passed passed, 1 failed"
    exit 1
}

# Without the right to raise limits podman must be told ones that exist; runc and
# cgroupfs work where there is no systemd.
if [ -z "${CONTAINERS_CONF:-}" ]; then
    cat >"$work/containers.conf" <<'CONF'
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF
    export CONTAINERS_CONF=$work/containers.conf
fi

if ! podman image exists "$base" && ! timeout 60 podman pull -q "$base" 2>/dev/null; then
    echo "# no registry can be reached: making the base image from Debian's packages"
    mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm "$work/slim.tar"
    podman import -q --change 'CMD ["bash"]' "$work/slim.tar" "$base" >/dev/null
fi

docker-compose -f docker/compose.yaml config -q || fail "compose.yaml is valid"
ok "compose.yaml is valid"

podman build --pull=never --format docker -q -t "$image" -f docker/Dockerfile . >/dev/null ||
    fail "the image builds"
ok "the image builds"

size() { podman image inspect --format '{{.Size}}' "$1"; }
added=$((($(size "$image") - $(size "$base")) / 1048576))
[ "$added" -lt "$limit_mib" ] || fail "the image adds $added MiB to its base, over $limit_mib"
ok "the image adds $added MiB to its base"

podman run -d --name "$name" --network host --read-only --tmpfs /tmp:size=16m \
    --cap-drop ALL --security-opt no-new-privileges --memory 256m --cpus 1 \
    --pids-limit 64 --env ATTENTIOND_BIND=127.0.0.1 --env ATTENTIOND_PORT=$port \
    --env ATTENTIOND_DRAIN_DELAY=1s --env ATTENTIOND_SECCOMP=on "$image" >/dev/null
url=http://127.0.0.1:$port
await_ready() {
    for _ in $(seq 100); do
        curl -sf -o /dev/null --max-time 1 "$url/readyz" && return
        sleep 0.1
    done
    return 1
}
await_ready || fail "the service becomes ready"
ok "the service becomes ready on a read-only root without capabilities"

pid=$(podman inspect --format '{{.State.Pid}}' "$name")
is() { grep -qE "^$1:\s+$2\$" "/proc/$pid/status" || fail "its $1 is $2"; }
is NSpid '.*\s1'
ok "it is process 1 of its container"
is Uid '65534\s+65534\s+65534\s+65534'
is Gid '65534\s+65534\s+65534\s+65534'
is NoNewPrivs 1
for set in CapInh CapPrm CapEff CapBnd CapAmb; do is "$set" 0+; done
ok "it runs as user 65534 without capabilities, and can gain none"
grep -qE '^\S+ / \S+ ro[, ]' "/proc/$pid/mounts" || fail "its root is read-only"
ok "its root is read-only"

# The container's own filter, if any, and ours behind it.
filters() { sed -nE 's/^Seccomp_filters:\s+([0-9]+)$/\1/p' "$@"; }
theirs=$(podman exec "$name" cat /proc/self/status | filters)
for thread in "/proc/$pid/task/"*; do
    [ "$(filters "$thread/status")" -eq $((theirs + 1)) ] || fail "its system calls are filtered"
done
ok "its system calls are filtered, in every thread"
grep -qE '^Max core file size\s+0\s+0\s' "/proc/$pid/limits" || fail "it leaves no core dump"
ok "it leaves no core dump"

podman healthcheck run "$name" || fail "its own health check passes"
ok "its own health check passes"

answer=$(curl -sS --fail --max-time 10 --json @config/demo/worked_example.json "$url/v1/attention") ||
    fail "the worked example is answered"
case $answer in
*'"outputs":[['*'"attention_maps":[[['*) ok "the worked example is answered" ;;
*) fail "the answer has outputs and maps: $answer" ;;
esac

info=$(curl -sS --fail --max-time 5 "$url/v1/info")
case $info in
*'"workers":1,'*) ok "the CPU quota decides the number of workers" ;;
*) fail "one worker for one CPU: $info" ;;
esac

curl -sS --fail --max-time 5 -o /dev/null "$url/metrics" || fail "metrics are served"
ok "metrics are served"

# Killed, it leaves nothing behind that keeps it from starting again.
podman kill -s KILL "$name" >/dev/null
podman wait "$name" >/dev/null
podman start "$name" >/dev/null
await_ready || fail "it starts again after it was killed"
ok "it starts again after it was killed"

# Stopping is graceful: while it drains, /readyz says so and requests are answered.
podman stop -t 20 "$name" >/dev/null &
stopping=$!
sleep 0.4
code=$(curl -s -o /dev/null -w '%{http_code}' --max-time 2 "$url/readyz" || true)
[ "$code" = 503 ] || fail "/readyz says 503 while draining, not $code"
curl -sS --fail -o /dev/null --max-time 5 --json @config/demo/worked_example.json \
    "$url/v1/attention" || fail "requests are answered during the drain delay"
ok "the drain delay: not ready, and still serving"
wait "$stopping"
code=$(podman inspect --format '{{.State.ExitCode}}' "$name")
[ "$code" = 0 ] || fail "it stops with exit code 0, not $code"
ok "it stops with exit code 0"

echo "container: $passed passed, 0 failed"

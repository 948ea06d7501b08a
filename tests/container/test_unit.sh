#!/bin/sh
# The unit of systemd: read by systemd without a word, and rated as well confined.
set -eu
cd "$(dirname "$0")/../.."
if ! command -v systemd-analyze >/dev/null 2>&1; then
    echo "docker/attentiond.service: skipped, there is no systemd-analyze"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The program need not be installed to be checked.
sed 's|^ExecStart=.*|ExecStart=/bin/true|' docker/attentiond.service >"$work/attentiond.service"
said=$(systemd-analyze verify --man=no "$work/attentiond.service" 2>&1) || true
[ -z "$said" ] || {
    echo "docker/attentiond.service: $said"
    exit 1
}
systemd-analyze security --offline=true --threshold=15 --no-pager "$work/attentiond.service" \
    >"$work/rating" 2>&1 || {
    cat "$work/rating"
    exit 1
}
tail -n 1 "$work/rating"

#!/bin/sh
# Lints openapi/openapi.yaml with redocly, the newest version this node can run.
# Fails on warnings, too.
set -eu
cd "$(dirname "$0")/../.."
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true

if node -e 'const [a, b] = process.versions.node.split(".").map(Number);
            process.exit(a >= 22 || (a === 20 && b >= 19) ? 0 : 1)'; then
    version=2.77
else
    version=1.34.20 # 1.34.21 asks for a package that is not there
fi
report=$(npx --yes "@redocly/cli@$version" lint openapi/openapi.yaml 2>&1) || {
    echo "$report"
    exit 1
}
if echo "$report" | grep -q 'You have [0-9]* warning'; then
    echo "$report"
    exit 1
fi
echo "openapi/openapi.yaml: clean (redocly $version)"

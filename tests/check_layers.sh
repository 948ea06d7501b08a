#!/bin/sh
# Fails when a file includes a layer to its right, or a library it may not know.
#   base < core < codec < service < http < main.c
set -eu
cd "$(dirname "$0")/.."
bad=0
complain() { echo "layers: $1"; bad=1; }

rank() {
    case $1 in
    base) echo 1 ;; core) echo 2 ;; codec) echo 3 ;; service) echo 4 ;; http) echo 5 ;; *) echo 6 ;;
    esac
}

for layer in base core codec service http; do
    # shellcheck disable=SC2013 # one word a line
    for use in $(grep -rhoE "^#include \"[a-z]+/" "src/$layer" "include/$layer" | sort -u | cut -d\" -f2); do
        [ "$(rank "${use%/}")" -le "$(rank "$layer")" ] || complain "$layer includes ${use%/}"
    done
done

only() { # library header, the one layer that may include it
    grep -rlE "^#include <$1>" src include | grep -v "/$2/" | while read -r file; do
        echo "$file includes <$1>, which belongs to $2"
    done
}
for found in "$(only cblas.h core)" "$(only jansson.h codec)" "$(only pthread.h service)" \
    "$(only microhttpd.h http)" "$(only 'gnutls/[a-z]+.h' http)" "$(only seccomp.h service)"; do
    [ -z "$found" ] || complain "$found"
done

# What is pure knows no files, sockets, threads, clocks or processes.
impure='^#include <(fcntl|unistd|pthread|time|signal|poll|sys/[a-z]+|netinet/[a-z]+)\.h>'
for file in $(grep -rlE "$impure" src/base src/core src/codec include/base include/core include/codec || true); do
    complain "$file is not pure: $(grep -hoE "$impure" "$file" | head -n 1)"
done
exit $bad

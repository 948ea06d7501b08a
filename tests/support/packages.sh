#!/bin/sh
# packages.sh GROUP... - installs what building, the demo or the tests lack.
#
# Looks for each thing by what it does, not by its package, so that a machine that
# has it another way is left alone. What is missing is named, and installed through
# apt (with sudo where not root); where there is no apt, it is only named.
set -eu

missing=
need() { # package, then a command that succeeds when it is not needed
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
tool() { need "$2" command -v "$1"; }
python() { need "python3-$1" /usr/bin/python3 -c "import $1"; }
library() { need "$2" pkg-config --exists "$1"; }

group() {
    case $1 in
    build)
        tool cc gcc
        need libc6-dev test -e /usr/include/stdio.h
        tool pkg-config pkg-config
        library libmicrohttpd libmicrohttpd-dev
        library gnutls libgnutls28-dev
        library jansson libjansson-dev
        library openblas libopenblas-pthread-dev
        library libseccomp libseccomp-dev
        ;;
    demo)
        tool curl curl
        ;;
    test)
        library check check
        tool curl curl
        tool node nodejs
        tool npm npm
        ;;
    proxies) # what tests/api/framing.test.js puts in front of the service
        tool haproxy haproxy
        need nginx-light test -x /usr/sbin/nginx
        ;;
    lint)
        tool clang clang
        tool clang-tidy clang-tidy
        tool clang-format clang-format
        tool cppcheck cppcheck
        tool shellcheck shellcheck
        tool node nodejs
        tool npm npm
        tool gcovr gcovr
        tool promtool prometheus
        tool haproxy haproxy
        ;;
    bench-check)
        tool wrk wrk
        tool node nodejs
        ;;
    bench)
        group bench-check
        tool npm npm
        tool c++ g++
        library simdjson libsimdjson-dev
        ;;
    chaos) # without them a part is skipped; see tests/chaos
        tool slowhttptest slowhttptest
        tool prlimit util-linux
        tool taskset util-linux
        ;;
    peers) # what attentiond is put beside; large
        python torch
        python fastapi
        python uvicorn
        ;;
    aarch64)
        tool aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
        need libc6-dev-arm64-cross test -e /usr/aarch64-linux-gnu/include/stdio.h
        tool qemu-aarch64-static qemu-user-static
        ;;
    container)
        tool podman podman
        tool buildah buildah
        tool runc runc
        tool conmon conmon
        tool catatonit catatonit
        tool mmdebstrap mmdebstrap
        tool docker-compose docker-compose
        need containernetworking-plugins test -d /usr/lib/cni
        ;;
    *)
        echo "packages.sh: no group $1 (build demo test proxies lint aarch64 bench-check bench chaos peers container)" >&2
        exit 2
        ;;
    esac
}

for name in "$@"; do
    group "$name"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "This needs, by their Debian names:$missing"
    echo "There is no apt-get here: please install them, then run the command again."
    exit 1
fi

as_root=
if [ "$(id -u)" != 0 ]; then
    as_root=sudo
    if ! command -v sudo >/dev/null 2>&1; then
        echo "Please install, as root: apt-get install --no-install-recommends$missing"
        exit 1
    fi
fi

echo "Installing through apt:$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086 # one word a package
$as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends $missing >/dev/null

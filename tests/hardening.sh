#!/bin/sh
# hardening.sh BINARY [OBJECT...] - what the compiler and the linker were asked to do for
# the case that something is wrong after all, looked up in what they made. The objects are
# those of the program itself: whether control-flow marks (CET) reach the program's own note
# depends on the C library's start files, which Debian builds without.
#
# Without arguments: can each check fail? Builds a small program once for each, without just
# that.
set -eu

failed=
verdict() { # name, then a command that succeeds where all is well
    name=$1
    shift
    if "$@" >/dev/null 2>&1; then
        echo "ok - $name"
    else
        echo "not ok - $name"
        failed="$failed $name"
    fi
}
has() { printf '%s\n' "$1" | grep -qE "$2"; }
lacks() { ! has "$1" "$2"; }

has_marks() { # all objects
    for object in "$@"; do
        notes=$(readelf -nW "$object")
        has "$notes" 'x86 feature:.*IBT' && has "$notes" 'x86 feature:.*SHSTK' || return 1
    done
}

check() {
    binary=$1
    shift
    header=$(readelf -hW "$binary")
    segments=$(readelf -lW "$binary")
    dynamic=$(readelf -dW "$binary")
    symbols=$(readelf -W --dyn-syms "$binary")

    verdict pie has "$header" 'Type: +DYN'
    verdict relro has "$segments" '^ +GNU_RELRO '
    verdict bind-now has "$dynamic" '\((BIND_NOW|FLAGS)\).*(BIND_NOW|NOW)|FLAGS_1.*NOW'
    verdict no-executable-stack has "$segments" '^ +GNU_STACK .* RW +0x'
    verdict no-writable-code lacks "$segments" '^ +LOAD .* RWE '
    verdict stack-protector has "$symbols" ' __stack_chk_fail'
    verdict fortified has "$symbols" ' __(memcpy|snprintf|vsnprintf|read)_chk'
    verdict no-rpath lacks "$dynamic" '\((RPATH|RUNPATH)\)'
    if has "$header" 'Machine: +.*X86-64'; then
        verdict control-flow has_marks "$@"
    fi
}

self_check() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cat >"$work/program.c" <<'C'
#include <stdio.h>
#include <string.h>
#ifdef WRITABLE_CODE
__attribute__((section(".both,\"awx\",@progbits#"))) char both[16] = "code";
#endif
int main(int argc, char *argv[])
{
    char text[16], copy[16];
    snprintf(text, sizeof text, "%s", argv[argc - 1]);
    memcpy(copy, text, (size_t)argc);
    return puts(copy) < 0;
}
C
    all="-O2 -fPIE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong"
    link="-pie -Wl,-z,relro,-z,now,-z,noexecstack"
    [ "$(uname -m)" != x86_64 ] || all="$all -fcf-protection"
    try() { # what must be found wrong, and the flags that make it so
        expected=$1
        shift
        # shellcheck disable=SC2086 # one word a flag
        ${CC:-cc} $all "$@" -c -o "$work/program.o" "$work/program.c"
        # shellcheck disable=SC2086
        ${CC:-cc} $all $link "$@" -o "$work/program" "$work/program.o" 2>/dev/null
        failed=
        check "$work/program" "$work/program.o" >/dev/null
        [ "$failed" = "${expected:+ $expected}" ] || {
            echo "not ok - without '$expected' ($*) found wrong:$failed"
            exit 1
        }
    }
    try ''
    try pie -no-pie -fno-pie
    try relro -Wl,-z,norelro
    try bind-now -Wl,-z,lazy
    try no-executable-stack -Wl,-z,execstack
    try stack-protector -fno-stack-protector
    try fortified -U_FORTIFY_SOURCE
    try no-writable-code -DWRITABLE_CODE
    try no-rpath -Wl,-rpath,/nowhere
    [ "$(uname -m)" != x86_64 ] || try control-flow -fcf-protection=none
    failed=
    echo "ok - each check can fail"
}

if [ $# -eq 0 ]; then
    self_check
else
    check "$@"
    [ -z "$failed" ] || exit 1
fi

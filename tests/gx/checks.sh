#!/bin/busybox sh
# shellcheck shell=dash disable=SC2034,SC2317 # for those that source it
# Checks for the scripts that run on the emulated GX, where this file is /checks.sh. A script ends with `exit "$failed"`.
failed=0

# check WHAT COMMAND…: prints whether it succeeded.
check() {
    what=$1
    shift
    if "$@"; then echo "GUEST: ok $what"; else
        echo "GUEST: BAD $what"
        failed=1
    fi
}

# says PART TEXT: TEXT contains PART. lacks PART TEXT: it does not.
says() { case $2 in *"$1"*) ;; *) return 1 ;; esac }
lacks() { ! says "$1" "$2"; }

# Whole seconds since the start.
seconds() { cut -d. -f1 /proc/uptime; }

# wait_for SECONDS COMMAND…: until it succeeds.
wait_for() {
    limit=$(($(seconds) + $1))
    shift
    until "$@"; do
        [ "$(seconds)" -lt "$limit" ] || return 1
        sleep 0.1
    done
}

# attempts NUMBER COMMAND…: one of so many succeeds.
attempts() {
    left=$1
    shift
    while [ "$left" -gt 0 ]; do
        "$@" && return
        left=$((left - 1))
    done
    return 1
}

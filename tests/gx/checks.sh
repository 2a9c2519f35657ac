#!/bin/busybox sh
# shellcheck shell=dash disable=SC2034,SC2317 # for those that source it
# What the scripts that run on the emulated GX check with; it is /checks.sh there. A script ends with `exit "$failed"`.
failed=0

# check WHAT COMMAND…: says whether it worked.
check() {
    what=$1
    shift
    if "$@"; then echo "GUEST: ok $what"; else
        echo "GUEST: BAD $what"
        failed=1
    fi
}

# says PART TEXT: PART stands in TEXT. lacks PART TEXT: it does not.
says() { case $2 in *"$1"*) ;; *) return 1 ;; esac }
lacks() { ! says "$1" "$2"; }

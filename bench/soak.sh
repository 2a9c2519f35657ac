#!/usr/bin/env bash
# Hours of operation on a faulty line: fails if memory, descriptors, threads, D-Bus connections or CPU grow.
#
#   bench/soak.sh [HOURS] [--board jk] [--interval 0.2] [--samples FILE] …     8 hours; 0.5 is enough to see a leak per poll
#
# Two days in two hours, with jumps of the clock; compared are the beginning and the end of the second day:
#
#   bench/soak.sh 48 --speed 24 --interval 1
#
# Builds the release profile as shipped unless DBUS_BMS names a program. For --speed the waits of the program go through libc, where
# accelerated_time.c sees them: a build of its own.
set -eu

case " $* " in
*" --speed "*)
	"$(dirname "$0")/../tests/need.sh" cc=gcc
	export RUSTFLAGS="${RUSTFLAGS:-} --cfg rustix_use_libc" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$(dirname "$0")/../target}/soak"
	;;
esac
exec "$(dirname "$0")/start.sh" soak "$@"

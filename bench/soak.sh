#!/usr/bin/env bash
# Hours of operation on a faulty line: fails if memory, descriptors, threads, D-Bus connections or CPU grow.
#
#   bench/soak.sh [HOURS] [--board jk] [--interval 0.2] [--samples FILE] …     8 hours; 0.5 is enough to see a leak per poll
#
# Builds the release profile as shipped unless DBUS_BMS names a program.
set -eu

exec "$(dirname "$0")/start.sh" soak "$@"

#!/usr/bin/env bash
# Measures the program against its budgets and prints a table; exit code 1 when one that must hold is broken.
#
#   bench/budgets.sh [--families jbd,jk,daly] [--only start,silent,steady,sinks,damaged,many,chain,scale,size] [--runs 3]
#                    [--damaged SECONDS] …
#
# Builds the release profile as it is shipped unless DBUS_BMS names a program.
set -eu

exec "$(dirname "$0")/start.sh" budgets "$@"

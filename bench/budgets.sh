#!/usr/bin/env bash
# Measures the program against its budgets and prints a table; exit code 1 if a required one is exceeded.
#
#   bench/budgets.sh [--families jbd,jk,daly] [--only start,silent,steady,outputs,damaged,many,chain,scale,size] [--runs 3]
#                    [--damaged SECONDS] …
#
# Builds the release profile as shipped unless DBUS_BMS names a program.
set -eu

exec "$(dirname "$0")/start.sh" budgets "$@"

#!/usr/bin/env bash
# This driver and the Python driver at the same time, as ratios; exit code 1 if one is below the required one.
#
#   bench/beside.sh --python-driver DIR --localsettings DIR [--families jk,jbd,daly] [--runs 3] [--python PROGRAM]
#
# The two folders are checkouts of other projects, see beside.py. Builds the release profile as shipped unless DBUS_BMS names a program.
set -eu

exec "$(dirname "$0")/start.sh" beside "$@"

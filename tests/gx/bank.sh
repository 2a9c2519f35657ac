#!/bin/bash
# Runs as root on the emulated GX: two adapters with two packs each, and the bank that a file on the USB stick asks for. Everything
# starts together again, a device that is switched off, a firmware update to one that takes plugins, another project, the end.
# shellcheck disable=SC2317 # many functions are called by check and wait_for only
set -u
# shellcheck source=tests/gx/checks.sh
. /checks.sh
# shellcheck source=tests/gx/venus/venus.sh
. /extra/venus/venus.sh
SERVICE=com.victronenergy.battery.bank
PACKS="ttyUSB0__1 ttyUSB0__2 ttyUSB1__1 ttyUSB1__2"
PROGRAM=/data/apps/dbus-bms/bin/dbus-bms
PAGES=/data/apps/enabled/dbus-bms/gui-v2/dbus-bms.json

tell_all() { cat /data/log/serial-starter/current /run/dbus-bms/boot.log; tail -n 30 /data/log/dbus-bms.*/current; } 2>/dev/null
# number PATH: without its type.
number() { value "$1" | sed -n 's/.*\(double\|int32\) //p'; }
of_pack() { SERVICE=com.victronenergy.battery.$1 "${@:2}"; }
# adds_up LIMIT LEAST: the bank's limit is what its packs allow together, and at least LEAST.
adds_up() {
    local sum=0 pack
    for pack in $PACKS; do sum="$sum + $(of_pack "$pack" number "/Bank/$1")"; done
    awk "BEGIN { exit !($(number "/Info/$1") <= $sum + 0.3 && $(number "/Info/$1") >= $2) }"
}
without_limits() {
    local pack
    for pack in $PACKS; do of_pack "$pack" is_number /Info/MaxChargeVoltage && return 1; done
    return 0
}
has_all() { [ "$(number /System/NrOfModulesOnline)" = 4 ] && [ "$(number /System/NrOfModulesOffline)" = 0 ]; }
banks() { dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames | grep -c 'battery\.[a-z]*"'; }

# needs_bank WHEN
needs_bank() {
    local start
    start=$(now)
    check "$1: a bank of four" wait_for 120 has_all
    has_all || { tell_all; exit 1; }
    echo "GUEST: … after $(since "$start") s"
    check "$1: it is the only one" test "$(banks)" = 1
    check "$1: its charge current" wait_for 60 adds_up MaxChargeCurrent 120
    check "$1: its discharge current" wait_for 60 adds_up MaxDischargeCurrent 120
    check "$1: $(number /Info/MaxChargeVoltage) V, $(number /Info/MaxChargeCurrent) A, $(number /Info/MaxDischargeCurrent) A" is_number /Info/MaxChargeVoltage
    check "$1: its packs have no limits of their own" without_limits
}

start_platform
lay_firmware v3.79
mkdir -p /data/conf/serial-starter.d
files >/tmp/files.before

section "installed from a USB stick, at start"
mkdir /media/sda1
cp /extra/release/venus-data.tar.gz /media/sda1/
printf 'max_charge_current_a = 40\nmax_discharge_current_a = 50\nmember_of_bank = true\n' >/media/sda1/dbus-bms.toml
boot
needs_bank "at first"
starts_it() { "$PROGRAM" status --json --bus system | grep -q '"started_by":"the service /service/dbus-bms.bank"'; }
check "status says what starts it" starts_it
check "no pages for a screen without plugins" test ! -e /data/apps/enabled

section "everything starts again"
# The discharge currents that the bank gives meanwhile.
dbus-monitor --system "type='signal',sender='$SERVICE',member='ItemsChanged'" >/tmp/heard 2>/dev/null &
monitor=$!
given() { awk '/"\/Info\/MaxDischargeCurrent"/ { found = 1 } found && /double/ { print $NF; found = 0 }' /tmp/heard; }
pid=$(processes "$PROGRAM bank*")
is_new() { local new; new=$(processes "$PROGRAM bank*") && [ -n "$new" ] && [ "$new" != "$pid" ] && has_all; }
start=$(now)
svc -t /service/dbus-bms.*
check "the bank is back" wait_for 90 is_new
echo "GUEST: … after $(since "$start") s"
check "with all it allowed before" wait_for 60 adds_up MaxDischargeCurrent 120
sleep 5
kill "$monitor"
check "the inverter was never told 0 A: $(given | tr '\n' ' ')" not grep -qx 0 <(given)

section "beside another project, after a start"
install_another
templates >/tmp/templates
halt
boot
needs_bank "after a start"
check "the other project's template is there" diff /tmp/templates <(templates)
check "nothing lies over it" test "$(mounts)" = 0

section "a firmware update"
halt
lay_firmware v3.80
boot
needs_bank "after a firmware update"
check "the screen has our pages" wait_for 10 test -s "$PAGES"
pages_are_there() { "$PROGRAM" doctor 2>&1 | grep -q "screen shows our pages"; }
check "doctor says so" pages_are_there

section "uninstalled"
install_another
templates >/tmp/templates
/data/apps/dbus-bms/install.sh uninstall --purge 2>&1 | sed 's/^/  | /'
left() { dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames | grep 'victronenergy\.battery'; }
check "nothing is on the bus" not left
processes_left=$(for process in $(processes '*dbus-bms*'); do tr '\0' ' ' <"/proc/$process/cmdline"; done)
check "no process is left: $processes_left" test -z "$processes_left"
check "no service is left" test -z "$(ls -d /service/dbus-bms.* /var/volatile/services/dbus-bms.* /run/dbus-bms /data/log/dbus-bms* 2>/dev/null)"
check "all files are as before" diff /tmp/files.before <(files)
check "the other project's template is there" diff /tmp/templates <(templates)

[ "$failed" -eq 0 ] || tell_all
echo "GUEST: done after $(now) s"
exit "$failed"

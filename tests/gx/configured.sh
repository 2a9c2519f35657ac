#!/bin/bash
# Runs as root on the emulated GX: a battery on a virtual CAN bus that only the configuration names. serial-starter knows no CAN, so the
# service of the configured ports starts it after the installation, again after every failure and every start of the device, and ends
# with the uninstallation.
# shellcheck disable=SC2317 # many functions are called by check and wait_for only
set -u
# shellcheck source=tests/gx/checks.sh
. /checks.sh
# shellcheck source=tests/gx/venus/venus.sh
. /extra/venus/venus.sh
SERVICE=com.victronenergy.battery.can_vcan0

log() { cat /data/log/dbus-bms.configured/current 2>/dev/null; }
tell_all() { log | tail -n 40; cat /run/dbus-bms/boot.log; } 2>/dev/null
driver() { processes '*/bin/dbus-bms run --if-configured --outputs-elsewhere'; }
served() { is_number /Soc && is_number /Info/MaxChargeVoltage && is_number /Info/MaxChargeCurrent && is_number /Info/MaxDischargeCurrent; }
has_left() { [[ $(value /Soc) == *Error* ]]; }
# The battery, as Venus has set up the interface.
battery() {
    dbus-bms simulate pylontech-can --link can://vcan0 2>/dev/null &
    simulator=$!
}

ip link add dev vcan0 type vcan
ip link set vcan0 up
battery
start_platform
lay_firmware v3.55
files >/tmp/files.before

section "installed from a USB stick, with a port in its configuration"
mkdir /media/sda1
cp /extra/release/venus-data.tar.gz /media/sda1/
echo 'ports = ["can://vcan0"]' >/media/sda1/dbus-bms.toml
boot
booted=$(now)
check "the battery appears" wait_for 90 served
echo "GUEST: … $(since "$booted") s after the start"
served || { tell_all; exit 1; }
check "under the name of its port: $(value /Mgmt/Connection)" says 'CAN vcan0' "$(value /Mgmt/Connection)"

section "killed, and the interface taken away"
pid=$(driver)
kill -9 "$pid"
is_new() { local new; new=$(driver) && [ -n "$new" ] && [ "$new" != "$pid" ] && served; }
check "is back after it was killed" wait_for 60 is_new
no_charge() { [[ $(value /Info/MaxChargeCurrent) == *'double 0' ]]; }
start=$(now)
ip link set vcan0 down
check "charges nothing without its battery" wait_for 60 no_charge
echo "GUEST: … after $(since "$start") s"
check "and stays on the bus" not has_left
ip link set vcan0 up
# The simulated battery has ended with its interface.
battery
charges() { [[ $(value /Info/MaxChargeCurrent) == *double\ [1-9]* ]]; }
check "goes on when the interface is back" wait_for 120 charges

section "another start of the device"
halt
boot
booted=$(now)
check "the battery is back" wait_for 90 served
echo "GUEST: … $(since "$booted") s after the start"

section "another port in the configuration"
kill "$simulator"
ip link add dev vcan1 type vcan
ip link set vcan1 up
dbus-bms simulate daly-can --link can://vcan1 2>/dev/null &
echo 'ports = ["can://vcan1"]' >/data/conf/dbus-bms/config.toml
svc -t /service/dbus-bms.configured
check "the old one has left" wait_for 30 has_left
SERVICE=com.victronenergy.battery.can_vcan1
check "the new one is served" wait_for 90 served

section "uninstalled"
/data/apps/dbus-bms/install.sh uninstall 2>&1 | sed 's/^/  | /'
check "has left the bus" has_left
left=$(for process in $(processes '*dbus-bms run*'); do tr '\0' ' ' <"/proc/$process/cmdline"; done)
check "no process is left: $left" test -z "$left"
check "no service is left" test -z "$(ls -d /service/dbus-bms.* 2>/dev/null)"
check "the configuration is kept" grep -q vcan1 /data/conf/dbus-bms/config.toml
rm -r /data/conf/dbus-bms
files >/tmp/files.after
check "all other files are as before" diff /tmp/files.before /tmp/files.after

[ "$failed" -eq 0 ] || tell_all
echo "GUEST: done after $(now) s"
exit "$failed"

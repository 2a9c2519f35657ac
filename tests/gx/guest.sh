#!/bin/busybox sh
# shellcheck shell=dash
# Runs as root on the emulated GX: does the static binary start, decode and serve a battery there, and which resources does it need?
set -u
# shellcheck source=tests/gx/checks.sh
. /checks.sh

# Basic information of a 4 cell battery, recorded from a JBD board.
FRAME=dd03001d060b000001ed01f400002c7c00000000100080630204030ba00b9d0b98fa5577

version=$(dbus-bms --version)
check "starts: $version" test -n "$version"

reading=$(echo "$FRAME" | dbus-bms decode --bms jbd)
check "decodes: $reading" says '"voltage_v":15.47' "$reading"

echo "$FRAME" | sed s/060b/060c/ | dbus-bms decode --bms jbd 2>/tmp/said
status=$?
check "refuses a damaged frame: $(cat /tmp/said)" test "$status" -eq 3

dbus-bms config default >/tmp/config.toml
said=$(dbus-bms config check /tmp/config.toml)
check "takes its own default configuration: $said" test "$said" = "/tmp/config.toml: ok"

tries=0
while [ ! -c /dev/ttyUSB1 ] && [ "$tries" -lt 40 ]; do
    sleep 0.5
    tries=$((tries + 1))
done
check "has the port ttyUSB0" test -c /dev/ttyUSB0
check "has the port ttyUSB1" test -c /dev/ttyUSB1

# Memory while it waits for input: the minimum of the program.
mkfifo /tmp/wait
dbus-bms decode --bms jbd </tmp/wait 2>/dev/null &
pid=$!
exec 3>/tmp/wait
sleep 1
rss=$(sed -n 's/^VmRSS:[^0-9]*//p' "/proc/$pid/status")
exec 3>&-
wait "$pid"
check "resident memory: $rss" test -n "$rss"

# The main task: the battery on ttyUSB0 appears on D-Bus, and leaves after SIGTERM.
dbus-daemon --config-file=/etc/bus.conf --nofork --nopidfile &
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket
while [ ! -S /run/dbus/system_bus_socket ]; do sleep 0.2; done
SERVICE=com.victronenergy.battery.ttyUSB0

# value PATH: the service's value, as printed by dbus-send.
value() {
    dbus-send --bus="$DBUS_SYSTEM_BUS_ADDRESS" --print-reply=literal --dest="$SERVICE" "$1" com.victronenergy.BusItem.GetValue 2>&1
}

dbus-bms run /dev/ttyUSB0 2>/tmp/run.log &
pid=$!
tries=0
until soc=$(value /Soc) && says double "$soc" || [ "$tries" -gt 40 ]; do
    sleep 0.5
    tries=$((tries + 1))
done
check "serves SoC: $soc" says double "$soc"
check "serves CVL: $(value /Info/MaxChargeVoltage)" says 55.2 "$(value /Info/MaxChargeVoltage)"
before=$(cut -d' ' -f14,15 "/proc/$pid/stat")
sleep 20
rss=$(sed -n 's/^VmRSS:[^0-9]*//p' "/proc/$pid/status")
check "memory while it serves a battery: $rss, CPU ticks before and after 20 s: $before, $(cut -d' ' -f14,15 "/proc/$pid/stat")" test -n "$rss"
kill -TERM "$pid"
wait "$pid"
check "ends on SIGTERM with exit status $?" test "$?" -eq 0
check "has left the bus" says "Error" "$(value /Soc)"
cat /tmp/run.log

# The port used by another program.
start=$(cut -d. -f1 /proc/uptime)
dbus-bms run /dev/ttyUSB1 2>/tmp/silent.log
status=$?
check "leaves a silent port after $(($(cut -d. -f1 /proc/uptime) - start)) s: $(cat /tmp/silent.log)" test "$status" -eq 3

echo "GUEST: done after $(cut -d' ' -f1 /proc/uptime) s"
exit "$failed"

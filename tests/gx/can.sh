#!/bin/busybox sh
# shellcheck shell=dash disable=SC2317 # many functions are called by check and wait_for only
# Runs as root on the emulated GX: a battery on a virtual CAN bus, as seen by an inverter there. Timing of every profile, a link
# that goes down and returns, an interface that disappears, a BMS that becomes silent, the end, and a bank.
set -u
# shellcheck source=tests/gx/checks.sh
. /checks.sh

# heard SECONDS: decodes everything sent meanwhile, as an inverter would, to JSON.
heard() { dbus-bms can monitor vcan0 --json --seconds "$1" | tail -n 1; }

# rhythm JSON: "351 20 498 503", id, number of frames, minimum and maximum interval in ms, one line each.
rhythm() {
    echo "$1" | sed 's/.*"ids":{//; s/},"/}\n"/g' |
        sed -n 's/"*\([0-9A-F]*\)":{"count":\([0-9]*\),"shortest_ms":\([0-9]*\),"longest_ms":\([0-9]*\).*/\1 \2 \3 \4/p'
}

# hears PART [SECONDS]: what is sent in the next 3 s, or so many, contains PART.
hears() { says "$1" "$(heard "${2:-3}")"; }

# keeps PERIOD: in the next 20 s limits and charge are told, and every interval is near the period in ms. The emulated processor is
# slow, so the bounds are wide; they are not SMA's inhibit time of 200 ms.
keeps() {
    json=$(heard 20)
    rhythm "$json" >/tmp/times
    while read -r line; do echo "GUEST: $line"; done </tmp/times
    says '"charge_voltage_v":' "$json" && [ -s /tmp/times ] &&
        awk -v period="$1" '$3 < 0.6 * period || $4 > 1.4 * period { bad = 1 } END { exit bad }' /tmp/times
}

# start WORD…: starts the driver on these ports.
start() {
    dbus-bms run "$@" --no-dbus --config /tmp/can.toml 2>/tmp/run.log &
    driver=$!
}

# stop: stops the driver; prints its exit code.
stop() {
    kill -TERM "$driver"
    wait "$driver"
}

# count PART: number of its occurrences in the log. counted NUMBER PART: there are so many.
count() { grep -c "$1" /tmp/run.log; }
counted() { [ "$(count "$2")" -eq "$1" ]; }

ip link add dev vcan0 type vcan
check "has a virtual CAN bus" ip link set vcan0 up
dbus-bms simulate jbd --link /tmp/bms &
simulator=$!
sleep 2

for row in pylontech:1000 pylontech-1.3:1000 pylontech-2:1000 sma:500 victron:1000 luxpower:1000 growatt:500 sol-ark:1000; do
    profile=${row%:*} period=${row#*:}
    printf '[can]\ninterface = "vcan0"\nprofile = "%s"\n' "$profile" >/tmp/can.toml
    start /tmp/bms
    check "$profile starts" wait_for 30 hears '"charge_voltage_v":'
    # The best of three: the host of the emulator may be busy.
    check "$profile keeps its period of $period ms" attempts 3 keeps "$period"
    stop
done

printf '[can]\ninterface = "vcan0"\n' >/tmp/can.toml
start /tmp/bms
check "lets charge and discharge" wait_for 30 hears '"charge_enable":true,"discharge_enable":true'

# The link.
ip link set vcan0 down
sleep 4
ip link set vcan0 up
check "sends again after the link was down" wait_for 30 hears '"charge_enable":true'
check "said once that the link was down" counted 1 'the interface is down'
check "said once that it works again" wait_for 10 counted 1 'works again'
ip link del vcan0
sleep 4
ip link add dev vcan0 type vcan
ip link set vcan0 up
check "sends again after the interface was gone" wait_for 30 hears '"charge_enable":true'
check "said once that there was none" counted 1 'no such CAN interface'
check "missed the inverter once" wait_for 60 counted 1 'no frame from an inverter'

# Silence.
kill -STOP "$simulator"
silent=$(seconds)
sleep 3
check "goes on for some seconds" hears '"charge_enable":true' 1
until [ "$(seconds)" -ge $((silent + 12)) ]; do sleep 0.5; done
json=$(heard 3)
check "no current after 10 s" says '"charge_current_limit_a":0.0,"discharge_current_limit_a":0.0' "$json"
check "no enable bits after 10 s" says '"charge_enable":false,"discharge_enable":false' "$json"
check "the state of charge stays" says '"soc_pct":' "$json"
check "what is not measured is not sent" lacks '"voltage_v":' "$json"
until [ "$(seconds)" -ge $((silent + 32)) ]; do sleep 0.5; done
check "nothing at all after 30 s" says '"ids":{}' "$(heard 4)"
kill -CONT "$simulator"
check "tells all again" wait_for 30 hears '"voltage_v":'

# The end: limits of 0 are sent last.
(heard 6 >/tmp/last) &
listener=$!
sleep 3
stop
status=$?
check "ends with exit status $status" test "$status" -eq 0
wait "$listener"
check "the last word is 0" says '"charge_current_limit_a":0.0,"discharge_current_limit_a":0.0' "$(cat /tmp/last)"
cat /tmp/run.log

# A link that the driver brings up itself.
ip link set vcan0 down
printf '[can]\ninterface = "vcan0"\nbring_up = true\n' >/tmp/can.toml
start /tmp/bms
check "brings the link up" wait_for 30 hears '"charge_enable":true'
stop
check "said so" counted 1 'brought up'

# Two batteries of one driver as a bank, no D-Bus.
dbus-bms simulate jbd --link /tmp/bms2 --seed 7 &
other=$!
printf 'member_of_bank = true\nbank.in_run = true\n[can]\ninterface = "vcan0"\n' >/tmp/can.toml
# allows LEAST MOST MODULES: the bank has so many modules, and its charge current is within these bounds.
allows() {
    json=$(heard 4)
    says "\"module_count\":$3" "$json" && awk -v json="$json" -v least="$1" -v most="$2" '
        BEGIN { sub(/.*"charge_current_limit_a":/, "", json); exit json + 0 < least || json + 0 > most }'
}
sleep 2
start /tmp/bms /tmp/bms2
check "tells of two batteries as one, with the current of both" wait_for 60 allows 61 1000 2
kill -KILL "$other"
check "goes on with one, with the current of one at most" wait_for 60 allows 0 50 1
stop
check "members said nothing themselves" counted 2 "this battery's bank does"

# Two Daly boards and the output to an inverter on one interface; the second reader is another process.
dbus-bms simulate daly-can --link can://vcan0 --addresses 1,2 2>/tmp/daly.log &
boards=$!
printf '[battery."daly_can_vcan0_1"]\ncan.interface = "vcan0"\n' >/tmp/can.toml
sleep 2
start can://vcan0
check "finds both boards" wait_for 60 counted 2 'connected: Daly'
check "tells the inverter of one of them" wait_for 30 hears '"charge_enable":true'
reads_both() {
    dbus-bms read can://vcan0 >/tmp/read.json 2>/tmp/read.log
    [ "$(grep -c '"cell_count":16' /tmp/read.json)" -eq 2 ]
}
check "another process reads both meanwhile" attempts 3 reads_both
check "nothing else is taken for a battery" test "$(grep -c '"bms":"daly"' /tmp/read.json)" -eq 2
ip link set vcan0 down
sleep 4
check "names the link that is down" test "$(count 'vcan0 is down')" -ge 1
ip link set vcan0 up
check "reads and sends again" wait_for 60 hears '"charge_enable":true'
stop
kill "$boards"

# What the configuration names is started by a service, and nothing else.
printf 'ports = ["/dev/ttyUSB9"]\n' >/tmp/can.toml
check "starts no serial port" dbus-bms run --if-configured --no-dbus --config /tmp/can.toml
ip link del vcan0
dbus-bms read can://vcan0 2>/tmp/read.log
check "names the interface that does not exist" grep -q 'no CAN interface vcan0' /tmp/read.log

kill "$simulator"
echo "GUEST: done after $(cut -d' ' -f1 /proc/uptime) s"
exit "$failed"

#!/bin/busybox sh
# shellcheck shell=dash
# Runs as root on the emulated GX: a battery on a virtual CAN bus, as seen by an inverter there. Timing of every profile, a link
# that goes down and returns, an interface that disappears, a BMS that becomes silent, the end, and a bank.
set -u
# shellcheck source=tests/gx/checks.sh
. /checks.sh
RUN='dbus-bms run /tmp/bms --no-dbus --config /tmp/can.toml'

# heard SECONDS: decodes everything sent meanwhile, as an inverter would, to JSON.
heard() { dbus-bms can monitor vcan0 --json --seconds "$1" | tail -n 1; }

# rhythm JSON: "351 20 498 503", id, number of frames, minimum and maximum interval in ms, one line each.
rhythm() {
    echo "$1" | sed 's/.*"ids":{//; s/},"/}\n"/g' |
        sed -n 's/"*\([0-9A-F]*\)":{"count":\([0-9]*\),"shortest_ms":\([0-9]*\),"longest_ms":\([0-9]*\).*/\1 \2 \3 \4/p'
}

# within LEAST MOST: every interval of `rhythm` is in this range.
# shellcheck disable=SC2317
within() { [ -s /tmp/times ] && awk -v least="$1" -v most="$2" '$3 < least || $4 > most { bad = 1 } END { exit bad }' /tmp/times; }

# start PROFILE: starts the driver with this profile.
start() {
    printf '[can]\ninterface = "vcan0"\nprofile = "%s"\n' "$1" >/tmp/can.toml
    $RUN 2>/tmp/run.log &
    driver=$!
    sleep 5
}

# stop: stops the driver; prints its exit code.
stop() {
    kill -TERM "$driver"
    wait "$driver"
}

# count PART: number of its occurrences in the log.
count() { grep -c "$1" /tmp/run.log; }

ip link add dev vcan0 type vcan
check "has a virtual CAN bus" ip link set vcan0 up
dbus-bms simulate jbd --link /tmp/bms &
simulator=$!
sleep 2

# Timing. The emulated processor is slow, so the bounds are wide; they are not SMA's inhibit time of 200 ms.
for row in pylontech:1000 pylontech-1.3:1000 sma:500 victron:1000; do
    profile=${row%:*} period=${row#*:}
    start "$profile"
    json=$(heard 20)
    rhythm "$json" >/tmp/times
    while read -r line; do echo "GUEST: $profile $line"; done </tmp/times
    check "$profile keeps its period of $period ms" within $((period * 6 / 10)) $((period * 14 / 10))
    check "$profile tells limits and charge" says '"charge_voltage_v":' "$json"
    stop
done

start pylontech
json=$(heard 3)
check "lets charge and discharge" says '"charge_enable":true,"discharge_enable":true' "$json"

# The link.
ip link set vcan0 down
sleep 4
ip link set vcan0 up
sleep 7
check "sends again after the link was down" says '"charge_enable":true' "$(heard 3)"
check "said once that the link was down" test "$(count 'the interface is down')" -eq 1
check "said once that it works again" test "$(count 'works again')" -eq 1
ip link del vcan0
sleep 4
ip link add dev vcan0 type vcan
ip link set vcan0 up
sleep 7
check "sends again after the interface was gone" says '"charge_enable":true' "$(heard 3)"
check "said once that there was none" test "$(count 'no such CAN interface')" -eq 1
check "missed the inverter once" test "$(count 'no frame from an inverter')" -eq 1

# Silence.
kill -STOP "$simulator"
sleep 6
check "goes on for some seconds" says '"charge_enable":true' "$(heard 1)"
sleep 5
json=$(heard 3)
check "no current after 10 s" says '"charge_current_limit_a":0.0,"discharge_current_limit_a":0.0' "$json"
check "no enable bits after 10 s" says '"charge_enable":false,"discharge_enable":false' "$json"
check "the state of charge stays" says '"soc_pct":' "$json"
check "what is not measured is not sent" lacks '"voltage_v":' "$json"
sleep 17
check "nothing at all after 30 s" says '"ids":{}' "$(heard 4)"
kill -CONT "$simulator"
sleep 5
check "tells all again" says '"voltage_v":' "$(heard 3)"

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
$RUN 2>/tmp/run.log &
driver=$!
sleep 5
check "brings the link up" says '"charge_enable":true' "$(heard 3)"
stop
check "said so" test "$(count 'brought up')" -eq 1

# Two batteries of one driver as a bank, no D-Bus.
dbus-bms simulate jbd --link /tmp/bms2 --seed 7 &
other=$!
printf 'member_of_bank = true\nbank.in_run = true\n[can]\ninterface = "vcan0"\n' >/tmp/can.toml
sleep 2
dbus-bms run /tmp/bms /tmp/bms2 --no-dbus --config /tmp/can.toml 2>/tmp/run.log &
driver=$!
sleep 15
json=$(heard 4)
echo "GUEST: bank $json"
check "tells of two batteries as one" says '"module_count":2' "$json"
check "with the current of both" awk -v json="$json" 'BEGIN { sub(/.*"charge_current_limit_a":/, "", json); exit json + 0 <= 60 }'
kill -KILL "$other"
sleep 13
json=$(heard 4)
check "goes on with one" says '"module_count":1' "$json"
check "with the current of one at most" awk -v json="$json" 'BEGIN { sub(/.*"charge_current_limit_a":/, "", json); exit json + 0 > 50 }'
stop
check "members said nothing themselves" test "$(count "this battery's bank does")" -eq 2

# Two Daly boards and the output to an inverter on one interface; the second reader is another process.
dbus-bms simulate daly-can --link can://vcan0 --addresses 1,2 2>/tmp/daly.log &
boards=$!
printf '[battery."daly_can_vcan0_1"]\ncan.interface = "vcan0"\n' >/tmp/can.toml
sleep 2
dbus-bms run can://vcan0 --no-dbus --config /tmp/can.toml 2>/tmp/run.log &
driver=$!
sleep 15
check "finds both boards" test "$(count 'connected: Daly')" -eq 2
check "tells the inverter of one of them" says '"charge_enable":true' "$(heard 3)"
dbus-bms read can://vcan0 >/tmp/read.json 2>/tmp/read.log
check "another process reads both meanwhile" test "$(grep -c '"cell_count":16' /tmp/read.json)" -eq 2
check "nothing else is taken for a battery" test "$(grep -c '"bms":"daly"' /tmp/read.json)" -eq 2
ip link set vcan0 down
sleep 4
check "names the link that is down" test "$(count 'vcan0 is down')" -ge 1
ip link set vcan0 up
sleep 12
check "reads and sends again" says '"charge_enable":true' "$(heard 3)"
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

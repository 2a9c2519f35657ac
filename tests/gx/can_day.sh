#!/bin/busybox sh
# shellcheck shell=dash disable=SC2016
# Runs as root on the emulated GX, for tests/can/day.sh: a simulated charging day in a few minutes, sent to an inverter over a
# virtual CAN bus and recorded by candump; then the BMS becomes silent. Results go to the console.
set -u
# shellcheck source=tests/gx/checks.sh
. /checks.sh
DAY=$(sed -n 's/^# lasts \([0-9]*\) s$/\1/p' /extra/day.toml)
PERIOD=1000

# rhythm FILE: frames, minimum and maximum interval in ms of each id from the kernel's time stamps, and how many intervals are far
# from the period.
rhythm() {
    awk -v period=$PERIOD '{ gsub(/[()]/, "", $1); split($3, frame, "#"); id = frame[1]; n[id]++
        if (id in last) { gap = ($1 - last[id]) * 1000
            if (!(id in least) || gap < least[id]) least[id] = gap
            if (gap > most[id]) most[id] = gap
            if (gap < 0.6 * period || gap > 1.4 * period) far[id]++ }
        last[id] = $1 }
        END { for (id in n) printf "%s %d %.0f %.0f %d\n", id, n[id], least[id], most[id], far[id] }' "$1" | sort
}

# limits FILE: "second SoC CVL CCL DCL 35C" of each set of frames.
limits() {
    awk 'function word(hex, at) { return ("0x" substr(hex, at + 2, 2) substr(hex, at, 2)) + 0 }
        { gsub(/[()]/, "", $1); split($3, frame, "#"); if (!start) start = $1 }
        frame[1] == "351" { at = $1 - start; cvl = word(frame[2], 1) / 10; ccl = word(frame[2], 5) / 10; dcl = word(frame[2], 9) / 10 }
        frame[1] == "355" { soc = word(frame[2], 1) }
        frame[1] == "35C" { printf "%.1f %d %.1f %.1f %.1f %s\n", at, soc, cvl, ccl, dcl, frame[2] }' "$1"
}

ip link add dev vcan0 type vcan
ip link set vcan0 up
printf '[can]\ninterface = "vcan0"\n' >/tmp/can.toml
dbus-bms simulate jbd --link /tmp/bms --scenario /extra/day.toml &
simulator=$!
# The inverter's own transmissions.
while :; do
    cansend vcan0 '305#0000000000000000'
    sleep 1
done &
inverter=$!
candump -L vcan0,300:7F0,350:7F0,370:7F0 >/tmp/all &
dump=$!
sleep 1
dbus-bms run /tmp/bms --no-dbus --config /tmp/can.toml 2>/tmp/run.log &
driver=$!

sleep $((DAY / 2))
echo "GUEST-SCREEN-BEGIN"
dbus-bms can monitor vcan0 --seconds 12 >/dev/ttyAMA0
echo "GUEST-SCREEN-END"
sleep $((DAY - DAY / 2 - 12))

grep -v ' 305#' /tmp/all >/tmp/day
echo "GUEST: one set, as candump wrote it:"
sed -n '61,66p' /tmp/day
echo "GUEST: id, frames, shortest and longest period in ms, periods that are not near $PERIOD ms:"
rhythm /tmp/day | tee /tmp/times
# The host of the emulator may be busy for a moment.
check "every id comes every $PERIOD ms, but for one period in fifty" awk '$5 * 50 > $2 { bad = 1 } END { exit bad || NR < 6 }' /tmp/times
echo "GUEST: second, SoC, CVL, CCL, DCL, 35C:"
limits /tmp/day | awk 'NR % 12 == 1'
check "it was charged" awk '$2 > soc { soc = $2 } END { exit soc < 90 }' <<EOF
$(limits /tmp/day)
EOF

# The seconds after the BMS becomes silent.
kill -STOP "$simulator"
: >/tmp/silence
candump -L vcan0,351:7FF,355:7FF,35C:7FF >/tmp/silence &
second=$!
sleep 45
kill "$second"
echo "GUEST: seconds after the BMS went silent, SoC, CVL, CCL, DCL, 35C:"
limits /tmp/silence
check "nothing flows from some 10 s on, nothing is sent from 30 s on" awk '
    $1 > 14 && ($4 > 0 || $5 > 0 || $6 != "0000") { bad = 1 } $1 > 34 { bad = 1 } $4 > 0 { some = 1 } $6 == "0000" { off = 1 }
    END { exit bad || !some || !off }' <<EOF
$(limits /tmp/silence)
EOF
kill -CONT "$simulator"
kill -TERM "$driver"
wait "$driver"
check "the driver ends well" test $? -eq 0
grep -v "limits" /tmp/run.log
kill "$simulator" "$inverter" "$dump"
exit "$failed"

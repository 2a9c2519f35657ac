#!/bin/busybox sh
# shellcheck shell=dash disable=SC2317 # many functions are called by check and wait_for only
# Runs as root on the emulated GX: batteries that send by themselves, Daly boards that are asked, and Schneider's Xanbus, read from
# virtual CAN buses by one driver, beside the output to an inverter. The recorded messages of Xanbus are in /extra/vectors.
set -u
# shellcheck source=tests/gx/checks.sh
. /checks.sh

# shows PATH PART: the answer of the driver's API contains PART.
shows() { says "$2" "$(wget -q -O - "http://127.0.0.1:8099/api/v1/$1")"; }
# hears INTERFACE PART: what is sent there contains PART.
hears() { says "$2" "$(dbus-bms can monitor "$1" --json --seconds 3 | tail -n 1)"; }
# counted NUMBER PART: PART is in so many lines of the log.
counted() { [ "$(grep -c "$2" /tmp/run.log)" -eq "$1" ]; }
# filter INTERFACE ID MASK: a reader has this filter.
filter() { grep -q " $1  *$2  *$3 " /proc/net/can/rcvlist_fil; }

for number in 0 1 2 3 4; do
    ip link add dev "vcan$number" type vcan
    ip link set "vcan$number" up
done
dbus-bms simulate jk-can --link can://vcan0 --addresses 0,1 2>/dev/null &
jk=$!
dbus-bms simulate rv-c --link can://vcan1 2>/dev/null &
rv_c=$!
dbus-bms simulate pylontech-can --link can://vcan2 2>/dev/null &
pylontech=$!
dbus-bms simulate daly-can --link can://vcan4 --addresses 1,2 2>/dev/null &
daly=$!
cat >/tmp/can.toml <<'EOF'
bms = ["jk-can", "rv-c", "pylontech-can", "daly"]
[web]
enabled = true
listen = "127.0.0.1:8099"
[conext]
can = "vcan3"
[battery."jk-can_can_vcan0_1"]
can.interface = "vcan0"
[battery."daly_can_vcan4_2"]
can.interface = "vcan4"
EOF
dbus-bms run can://vcan0 can://vcan1 can://vcan2 can://vcan4 --no-dbus --config /tmp/can.toml 2>/tmp/run.log &
driver=$!
check "finds two JK boards on one bus" wait_for 60 counted 2 'connected: JK'
check "finds the RV-C battery" wait_for 60 counted 1 'connected: RV-C'
check "finds the Pylontech battery" wait_for 60 counted 1 'connected: Pylontech'
check "shows what the JK boards send" wait_for 20 shows batteries '"bms":"jk-can"'
check "obeys the voltage that the RV-C battery asks for" wait_for 20 shows batteries '"bms":"rv-c"'
check "shows what the Pylontech battery sends" wait_for 20 shows batteries '"bms":"pylontech-can"'
check "tells the inverter of one JK board" wait_for 30 hears vcan0 '"charge_current_limit_a":'
check "finds two Daly boards on one bus" wait_for 60 counted 2 'connected: Daly'
check "tells the inverter of one Daly board, on the bus of both" wait_for 30 hears vcan4 '"charge_current_limit_a":'

# The direction of the current of JK and RV-C is unknown until the charge has decided it.
currents() { [ "$(wget -q -O - http://127.0.0.1:8099/api/v1/batteries | grep -o '"current_a":' | grep -c .)" -eq "$1" ]; }
check "tells the current of the Pylontech battery and the Daly boards only" wait_for 20 currents 3

# The kernel passes on the frames of a family only, of either length.
check "filters JK's frames of 11 bits" filter vcan0 2f0 c00007f0
check "filters JK's frames of 29 bits" filter vcan0 18e028f0 5ff8fff0
check "filters RV-C" filter vcan1 1fffd00 41ffff00
check "filters Pylontech" filter vcan2 350 c00007f0

# Every message as it was recorded, but for the one that was mixed from two.
rm /extra/vectors/*corrupt*
grep -ho '[0-9A-F]\{8\}#[0-9A-F]*' /extra/vectors/*.json >/tmp/frames
check "has recorded frames: $(grep -c . /tmp/frames)" test -s /tmp/frames
# Again and again, as devices do: on a busy host a message may take too long.
while :; do
    while read -r frame; do cansend vcan3 "$frame"; done </tmp/frames
done &
devices=$!
for value in \
    '"voltage_v":{"name":"Battery voltage","unit":"V","value":54.23}' \
    '"current_a":{"name":"Battery current","unit":"A","value":91.38}' \
    '"soc_pct":{"name":"State of charge","unit":"%","value":88.0}' \
    '"pv_power_w":{"name":"Solar power","unit":"W","value":1356.0}' \
    '"dc_power_w":{"name":"Battery-side power","unit":"W","value":1574.0}'; do
    check "hears on Xanbus: $value" wait_for 90 shows devices "$value"
done

kill -TERM "$driver"
wait "$driver"
status=$?
check "ends with exit status $status" test "$status" -eq 0
kill "$jk" "$rv_c" "$pylontech" "$daly" "$devices"
[ "$failed" -eq 0 ] || cat /tmp/run.log
echo "GUEST: done after $(cut -d' ' -f1 /proc/uptime) s"
exit "$failed"

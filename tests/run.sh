#!/usr/bin/env bash
# tests/run.sh [--quick]   all tests
#
# Unit, property, replay and whole-program tests with cargo, a short run of the fuzz targets, the skeleton of a new BMS family,
# installations in scratch roots, the pages as a site, then the static binaries for GX devices, their release, and its tests on an
# emulated one; --quick omits that last part.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

case ${1:-} in
'') quick= ;;
--quick) quick=1 ;;
*) echo "usage: tests/run.sh [--quick]" >&2; exit 2 ;;
esac

# step NAME COMMAND…: runs it and prints its duration.
step() {
    local name=$1 start=$SECONDS
    shift
    echo "== $name"
    "$@" || { echo "== $name FAILED after $((SECONDS - start)) s" >&2; exit 1; }
    echo "== $name: $((SECONDS - start)) s"
}

step "tools" tests/need.sh cc=gcc c++=g++ dbus-daemon=dbus-daemon dbus-send=dbus-bin busctl=systemd python3:dbus=python3-dbus python3:gi=python3-gi \
    mosquitto_sub=mosquitto-clients openssl=openssl python3:jinja2=python3-jinja2
step "MQTT broker" env PATH="$PATH:/usr/sbin" tests/need.sh mosquitto=mosquitto
# Each test is a process of its own.
PATH=$PATH:$PWD/target/tools/bin
step "cargo-nextest" tests/cargo-tool.sh cargo-nextest

# start LANE…: functions of steps, in the background; each output line names its lane. finish waits for all that were started.
running=()
start() {
    local lane
    for lane; do
        ("$lane" 2>&1 | sed -u "s/^/$lane: /") &
        running+=($!)
    done
}
finish() {
    local lane failed=0
    for lane in "${running[@]}"; do wait "$lane" || failed=1; done
    running=()
    [ "$failed" -eq 0 ] || { echo "== FAILED after $SECONDS s" >&2; exit 1; }
}

host() {
    # Most tests wait: for time that must pass, or for a program that starts and stops.
    step "tests" cargo nextest run --locked --all-features --test-threads $((4 * $(nproc)))
    step "examples in the documentation" cargo test --locked --all-features --doc
    step "fuzz targets" fuzz/run.sh --short
    step "skeleton of a new BMS family" xtask/check.sh
    step "installations" tests/install.sh
    step "Debian package" tests/packages.sh
    step "CAN frames read by cantools" tests/can/cantools.sh
    step "RS485 replies read by python-pylontech" tests/rs485/readers.sh
    step "site of the pages" tests/site/run.sh
    step "dashboard in a browser" tests/page/run.sh
    step "pages for the GX's screen in Qt" tests/gui/run.sh
}

# Each build ends in a single thread that takes minutes. At the lowest priority they take only what the tests leave, for these wait
# much of the time.
ARMV7=armv7-unknown-linux-musleabihf
AARCH64=aarch64-unknown-linux-musl
armv7() { step "static armv7 binary" nice -n 19 cross/build.sh "$ARMV7"; }
aarch64() { step "static aarch64 binary" nice -n 19 cross/build.sh "$AARCH64"; }

# An emulated GX waits most of the time, as the real one does: two of them need half a processor. A third one would affect the measured
# periods of frames. The two lanes take about the same time.
life() {
    step "emulated GX" env GX_HOST=tests/gx/host.sh tests/gx/run.sh
    step "emulated GX: an installation's life" env GX_BMS=jk GX_HOST=tests/gx/host.sh GX_LINES=250 \
        tests/gx/run.sh "cross/out/$ARMV7/dbus-bms" tests/gx/installation.sh 900 tests/gx/venus cross/out/release
    step "batteries on CAN on the emulated GX" tests/gx/run.sh "cross/out/$ARMV7/dbus-bms" tests/gx/can_read.sh 240 tests/xanbus/vectors
    step "a port in the configuration on the emulated GX" tests/gx/run.sh "cross/out/$ARMV7/dbus-bms" tests/gx/configured.sh 480 \
        tests/gx/venus cross/out/release
}

can() {
    step "inverter over CAN on the emulated GX" tests/gx/run.sh "cross/out/$ARMV7/dbus-bms" tests/gx/can.sh 480
    step "a charging day over CAN on the emulated GX" tests/can/day.sh
    step "emulated GX: two adapters, four packs, one bank" env GX_BMS="jk-pb --addresses 1,2" GX_SECOND="jk-pb --addresses 1,2 --seed 9" \
        GX_HOST=tests/gx/host.sh tests/gx/run.sh "cross/out/$ARMV7/dbus-bms" tests/gx/bank.sh 480 tests/gx/venus cross/out/release
}

if [ -n "$quick" ]; then
    host
else
    start armv7 aarch64
    (host) || { finish; exit 1; }
    finish
    step "release" cross/package.sh
    step "packages of the emulated GX" cross/prepare.sh vm
    start life can
    finish
fi
echo "all tests passed in $SECONDS s"

#!/usr/bin/env bash
# tests/run.sh [--quick]   all tests
#
# Unit, property, replay and whole-program tests with cargo, a short run of the fuzz targets, installations in scratch roots, then
# the static binaries for GX devices, their release, and what it does on an emulated one; --quick leaves out that last part.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

case ${1:-} in
'') quick= ;;
--quick) quick=1 ;;
*) echo "usage: tests/run.sh [--quick]" >&2; exit 2 ;;
esac

# step NAME COMMAND…: runs it and says how long it took.
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
step "tests" tests/targets.sh --locked --all-features

# together LANE…: functions of steps, side by side; each line says whose it is. One that fails lets the others come to their end.
together() {
    local lane failed=0 running=()
    for lane; do
        ("$lane" 2>&1 | sed -u "s/^/$lane: /") &
        running+=($!)
    done
    for lane in "${running[@]}"; do wait "$lane" || failed=1; done
    [ "$failed" -eq 0 ] || { echo "== FAILED after $SECONDS s" >&2; exit 1; }
}

host() {
    step "fuzz targets" fuzz/run.sh --short
    step "installations" tests/install.sh
    step "CAN frames read by cantools" tests/can/cantools.sh
    step "dashboard in a browser" tests/page/run.sh
}

# Its builds end in one thread each that takes more than a minute; they give way to what may be waiting for its turn.
ARMV7=armv7-unknown-linux-musleabihf
gx() {
    step "static armv7 binary" nice cross/build.sh "$ARMV7"
    step "static aarch64 binary" nice cross/build.sh aarch64-unknown-linux-musl
    step "release" cross/package.sh
}

# An emulated GX waits most of the time, as the real one does: two of them need half a processor. A third one beside them shows in
# the periods of frames.
life() {
    step "emulated GX" env GX_HOST=tests/gx/host.sh tests/gx/run.sh
    step "emulated GX: an installation's life" env GX_BMS=jk GX_HOST=tests/gx/host.sh GX_LINES=250 \
        tests/gx/run.sh "cross/out/$ARMV7/dbus-bms" tests/gx/installation.sh 600 tests/gx/venus cross/out/release
}

can() {
    step "inverter over CAN on the emulated GX" tests/gx/run.sh "cross/out/$ARMV7/dbus-bms" tests/gx/can.sh 480
}

if [ -n "$quick" ]; then
    host
else
    together host gx
    step "packages of the emulated GX" cross/prepare.sh vm
    together life can
    step "a charging day over CAN on the emulated GX" tests/can/day.sh
fi
echo "all tests passed in $SECONDS s"

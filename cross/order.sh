#!/usr/bin/env bash
# cross/order.sh   which functions a running driver uses, out of a run of each family: writes cross/order.ld for build.rs
#
# To be run before a release, or when bench/budgets.sh finds that memory has grown: names that are no longer there do no harm,
# new ones that are missing cost memory.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd)
SECONDS_EACH=${1:-25}
TARGET=$ROOT/target/order
"$ROOT/tests/need.sh" valgrind=valgrind dbus-daemon=dbus python3=python3 nm=binutils

DBUS_BMS_ORDER=off CARGO_PROFILE_RELEASE_STRIP=none CARGO_PROFILE_RELEASE_DEBUG=none \
    cargo build --locked --release --bin dbus-bms --manifest-path "$ROOT/Cargo.toml" --target-dir "$TARGET"
PROGRAM=$TARGET/release/dbus-bms
DIR=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$DIR"' EXIT

cat >"$DIR/bus.conf" <<END
<busconfig><type>session</type><listen>unix:path=$DIR/bus</listen><policy context="default">
<allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
END
cat >"$DIR/config.toml" <<END
max_charge_current_a = 100
[state]
folder = "$DIR/state"
[port.ttyjk]
cells = 16
END
dbus-daemon --config-file="$DIR/bus.conf" --nofork 2>/dev/null &
for family in jk jk-pb jbd daly daly-modbus topbms ant; do
    "$PROGRAM" simulate "$family" --link "$DIR/tty$family" --pace >/dev/null &
    simulator=$!
    until [ -e "$DIR/tty$family" ]; do sleep 0.1; done
    HOME=$DIR valgrind --tool=callgrind --demangle=no --callgrind-out-file="$DIR/$family.out" "$PROGRAM" run "$DIR/tty$family" \
        --config "$DIR/config.toml" --bus "unix:path=$DIR/bus" >"$DIR/log" 2>&1 &
    driver=$!
    sleep "$SECONDS_EACH"
    kill "$driver" || { cat "$DIR/log" >&2; exit 1; }
    wait "$driver" || true
    grep -q 'is on D-Bus' "$DIR/log" || { echo "cross/order.sh: $family never came on D-Bus" >&2; cat "$DIR/log" >&2; exit 1; }
    kill "$simulator"
done
python3 "$ROOT/cross/order.py" "$PROGRAM" "$DIR"/*.out >"$DIR/order.ld"
mv "$DIR/order.ld" "$ROOT/cross/order.ld"
echo "$(wc -l <"$ROOT/cross/order.ld") lines in cross/order.ld"

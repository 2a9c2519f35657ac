#!/usr/bin/env bash
# tests/targets.sh [CARGO_OPTION…]   what `cargo test` runs, several targets at a time (TEST_JOBS, by default twice the processors)
#
# Most targets wait: for time that must pass, or for a program that comes and goes. Those that reckon without a pause give way to
# them, so that nobody who measures time is late because of them. Each target's output comes in one piece, when it has ended.
set -euo pipefail
cd "$(dirname "$0")/.."

RECKON="plant_goals faults plant phases"
# The longest come first, so that none of them is left for the end. What is not named here comes after.
LONG="plant_goals bank_dbus web mqtt commands_dbus secrets run_faults faults run run_trouble hub oscillation_dbus several"

# --one EXECUTABLE: what is run for each of them.
if [ "${1:-}" = --one ]; then
    target=$(basename "$2")
    target=${target%-*}
    nice=0 status=0 start=$SECONDS
    case " $RECKON " in *" $target "*) nice=10 ;; esac
    nice -n "$nice" "$2" >"$OUTPUT/$target.$$" 2>&1 || status=$?
    (
        flock 9
        echo "-- $target: $((SECONDS - start)) s"
        cat "$OUTPUT/$target.$$"
    ) 9<"$OUTPUT"
    [ "$status" -eq 0 ] || echo "$target" >>"$OUTPUT/failed"
    exit 0
fi

OUTPUT=$(mktemp -d)
export OUTPUT
trap 'rm -rf "$OUTPUT"' EXIT

cargo test "$@" --no-run --message-format=json-render-diagnostics |
    sed -n 's/.*"overflow_checks":[a-z]*,"test":true}.*"executable":"\([^"]*\)".*/\1/p' >"$OUTPUT/built"
# Every file and every folder with a main.rs in tests is a target, and so are the library and the program.
expected=$(($(find tests -mindepth 1 -maxdepth 1 -name '*.rs' | wc -l) + $(find tests -mindepth 2 -maxdepth 2 -name main.rs | wc -l) + 2))
[ "$(wc -l <"$OUTPUT/built")" -eq "$expected" ] || { echo "tests/targets.sh: $(wc -l <"$OUTPUT/built") targets instead of $expected" >&2; exit 1; }

for target in $LONG; do
    grep "/$target-[0-9a-f]*\$" "$OUTPUT/built" || { echo "tests/targets.sh: there is no target $target" >&2; exit 1; }
done >"$OUTPUT/named"
grep -vxFf "$OUTPUT/named" "$OUTPUT/built" | cat "$OUTPUT/named" - |
    xargs -n 1 -P "${TEST_JOBS:-$((2 * $(nproc)))}" "$0" --one
echo "-- documentation"
cargo test "$@" --doc
if [ -e "$OUTPUT/failed" ]; then
    echo "tests/targets.sh: failed: $(sort "$OUTPUT/failed" | paste -sd ' ')" >&2
    exit 1
fi

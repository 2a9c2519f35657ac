#!/usr/bin/env bash
# xtask/check.sh   the skeleton of a new BMS family still fits: in a copy of the tree it is written, built, tested and replaced
#
# One family of each kind. The copy is in target/xtask/tree and shares its dependencies, thus their features, with the tree.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

root=$PWD tree=$PWD/target/xtask/tree
export CARGO_TARGET_DIR=$root/target
say() { echo "xtask/check.sh: $*" >&2; exit 1; }
xtask() { cargo run --quiet --locked --manifest-path "$root/xtask/Cargo.toml" --target-dir "$root/target/xtask" -- "$@"; }

cargo fmt --check --manifest-path xtask/Cargo.toml
cargo clippy --quiet --locked --all-targets --manifest-path xtask/Cargo.toml --target-dir target/xtask -- -D warnings
cargo test --quiet --locked --manifest-path xtask/Cargo.toml --target-dir target/xtask

rm -rf "$tree"
mkdir -p "$tree"
git ls-files -co --exclude-standard -z | while IFS= read -r -d '' file; do [ ! -f "$file" ] || printf '%s\0' "$file"; done |
    tar -c --null -T - | tar -x -C "$tree"
for kind in modbus ascii binary; do
    xtask new-bms "made-up-$kind" --like "$kind" --root "$tree" >/dev/null
done
! xtask new-bms made-up-ascii --root "$tree" >/dev/null 2>&1 || say "a family is written over another one"

cd "$tree"
cargo fmt --check
cargo clippy --quiet --locked --all-features --test protocol -- -D warnings

# Whatever the author has to replace is listed, the first step first.
if left=$(cargo test --quiet --locked --all-features --test docs -- skeletons 2>&1); then say "no test tells what is left to do"; fi
steps=$(grep -oE '^  [1-6]\. ' <<<"$left" | tr -dc '1-6\n')
[ "$(sort -u <<<"$steps" | tr -d '\n')" = 12346 ] || say "steps are missing in what is left to do: $left"
sort -C <<<"$steps" || say "what is left to do is not in order: $left"
for kind in modbus ascii binary; do
    grep -q "1. src/bms/made_up_$kind/mod.rs:" <<<"$left" || say "nothing is left to do for $kind: $left"
done

# The pages follow from the registry, and no other test of the pages fails.
WRITE_PAGES=1 cargo test --quiet --locked --all-features --test docs -- readme pages >/dev/null
cargo test --quiet --locked --all-features --test docs -- --skip skeletons >"$root/target/xtask/docs.txt" 2>&1 ||
    say "the pages of a new family fail: $(tail -n 40 "$root/target/xtask/docs.txt")"

# The example of each is decoded, and so is another frame in its place: 16 cells, discharging.
said=$root/target/xtask/protocol.txt
protocol() { cargo test --quiet --locked --all-features --test protocol -- "$@" >"$said" 2>&1; }
protocol replay:: unknown_values:: conformance::an_ conformance::no_ conformance::nothing conformance::the_documentation ||
    say "a new family fails: $(tail -n 40 "$said")"
sed -i "s/b71d011f[0-9a-f]*/$(cat "$root/xtask/16-cells.hex")/" tests/vectors/made-up-binary/example.json
if protocol replay::; then say "another frame in the example is not noticed"; fi
{ grep -q 'made-up-binary/example.json: current_a: expected 12.5, came -20.5' "$said" &&
    [ "$(grep -c '^    [a-z_]*::[a-z_:]*$' "$said")" = 1 ]; } || say "the frame of 16 cells is not decoded: $(tail -n 40 "$said")"

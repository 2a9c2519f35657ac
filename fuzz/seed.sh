#!/bin/sh
# Writes the recordings in tests/vectors as seeds for the target `decode`: each one for every driver.
set -eu
cd "$(dirname "$0")"
drivers=$(find ../tests/vectors -mindepth 1 -maxdepth 1 -type d | wc -l)
mkdir -p corpus/decode
for file in ../tests/vectors/*/*.json; do
    bytes=$(sed -n 's/.*"received": "\([0-9a-f]*\)".*/\1/p' "$file" | tr -d '\n')
    driver=0
    while [ "$driver" -lt "$drivers" ]; do
        name=$(basename "$(dirname "$file")")-$(basename "$file" .json)-$driver
        # The target's first two bytes: which driver (everything counts), and pieces of 64 bytes.
        printf '%02x40%s' $((driver * 2)) "$bytes" | xxd -r -p > "corpus/decode/$name"
        driver=$((driver + 1))
    done
done
echo "$(find corpus/decode -type f | wc -l) seeds in fuzz/corpus/decode"

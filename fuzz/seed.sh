#!/bin/sh
# Writes the initial inputs of the targets to fuzz/corpus: the recordings of tests/vectors and an example of every file format.
set -eu
cd "$(dirname "$0")"
cargo run --quiet --release --example seed
echo "$(find corpus -type f | wc -l) seeds in fuzz/corpus"

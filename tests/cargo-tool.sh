#!/usr/bin/env bash
# tests/cargo-tool.sh NAME   installs a tool from crates.io (cargo-deny) to target/tools/bin, unless it is in the PATH
set -euo pipefail
# Unoptimised: builds in half the time, and the tools need seconds either way.
command -v "$1" >/dev/null || cargo install --locked --quiet --debug --root "$(dirname "$0")/../target/tools" "$1"

#!/usr/bin/env bash
# cross/notes.sh VERSION   prints the release notes of VERSION, out of docs/release-notes.md
#
# Fails if there are none, or if changes/ still has texts that belong to a release.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "cross/notes.sh: $*" >&2; exit 1; }

[ $# -eq 1 ] || { echo "usage: cross/notes.sh VERSION" >&2; exit 2; }
waiting=$(find changes -type f ! -name README.md ! -name template.md)
[ -z "$waiting" ] || die "these are in no release yet: towncrier build --version $1, then commit:"$'\n'"$waiting"
notes=$(awk -v title="## $1" '/^## / { inside = $0 == title; next } inside' docs/release-notes.md)
[ -n "${notes//[$'\n ']/}" ] || die "docs/release-notes.md has no section \"## $1\": write it first"
echo "$notes"

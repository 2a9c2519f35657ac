#!/usr/bin/env bash
# cross/pack.sh TIME ARCHIVE FOLDER MEMBER…   packs members of a folder under these names, because Venus OS expects rc/ and not ./rc/
#
# The same files and the same TIME (seconds since 1970) give the same bytes.
set -euo pipefail

time=$1 archive=$2 folder=$3
shift 3
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$time" --format=ustar --mode='u=rwX,go=rX' \
    -C "$folder" -cf - "$@" | gzip -9n >"$archive"

#!/bin/bash
# Venus OS' handling of archives on a USB stick at start: hooks in rc/, everything else to /data.
for stick in /media/*; do
    for archive in "$stick"/venus-data-*.tar.gz "$stick"/venus-data.tar.gz; do
        [ -f "$archive" ] || continue
        hooks=$(mktemp -d)
        tar xzf "$archive" -C "$hooks" rc
        if [ ! -f "$hooks/rc/pre-hook.sh" ] || sh "$hooks/rc/pre-hook.sh"; then
            result=success
            # This busybox' tar cannot exclude members, but it can extract all others.
            mapfile -t members < <(tar tzf "$archive" | grep -v '^rc\(/\|$\)')
            tar xzf "$archive" -C /data "${members[@]}" || result=extraction-failed
            [ ! -f "$hooks/rc/post-hook.sh" ] || sh "$hooks/rc/post-hook.sh" "$result"
        fi
        rm -rf "$hooks"
    done
done

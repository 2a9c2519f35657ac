#!/usr/bin/env bash
# tests/site/run.sh [--pictures FOLDER]   builds the site for owners and developers into target/site/html, and checks it
#
# Strict: a link to a page or heading that does not exist, a page that is in no menu, and a page that loads something from elsewhere
# fail. --pictures also photographs some of its pages in a headless Chromium.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
VENV=${SITE_VENV:-$ROOT/target/site-venv}
TOOLS=(mkdocs==1.6.1 mkdocs-material==9.8.2)
PAGES=$ROOT/target/site/pages OUT=$ROOT/target/site/html

"$ROOT/tests/venv.sh" "$VENV" "${TOOLS[@]}"

rm -rf "$ROOT/target/site"
"$VENV/bin/python" "$ROOT/site/build.py" "$PAGES"
# Without advertising for the successor of the theme.
export NO_MKDOCS_2_WARNING=1
for config in mkdocs.yml mkdocs.de.yml; do
    # Not --quiet: strict counts the warnings that are shown.
    said=$("$VENV/bin/mkdocs" build --strict --config-file "$ROOT/site/$config" 2>&1 </dev/null) || { echo "$said" >&2; exit 1; }
done
"$VENV/bin/python" "$HERE/check.py" "$OUT"
if [ "${1:-}" = --pictures ]; then
    "$ROOT/tests/need.sh" chromium=chromium
    mkdir -p "$2"
    # Served, because the search does not work in files.
    "$VENV/bin/python" -m http.server --bind 127.0.0.1 --directory "$OUT" 8421 >/dev/null 2>&1 &
    trap 'kill $!' EXIT
    sleep 1
    for page in "" trouble/ bms/jk/ de/install/; do
        chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,1000 \
            --screenshot="$2/site-$(tr -d / <<<"${page:-start}").png" "http://127.0.0.1:8421/$page" 2>/dev/null
    done
fi

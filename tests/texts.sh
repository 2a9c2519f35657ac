#!/usr/bin/env bash
# tests/texts.sh   spelling of all files; workflows and forms for GitHub; the texts for the next release
#
# The tools are in a virtual environment of their own, in exactly these versions.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

VENV=${TEXTS_VENV:-$PWD/target/texts-venv}
TOOLS=(typos==1.52.0 check-jsonschema==0.39.0 zizmor==1.32.0 towncrier==26.9.0)

tests/need.sh git=git
tests/venv.sh "$VENV" "${TOOLS[@]}"
PATH=$VENV/bin:$PATH

typos
check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[0-9]-*.yml
check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
# Rights that are wider than needed, actions that are not pinned, texts of strangers in a shell.
zizmor --offline --quiet --no-progress .github
# Also refuses fragments with a wrong name.
said=$(towncrier build --draft --version next 2>&1) || { echo "$said" >&2; exit 1; }

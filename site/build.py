#!/usr/bin/env python3
"""site/build.py FOLDER   copies the pages to FOLDER/en and FOLDER/de as MkDocs needs them

The pages in docs/ are written to be read on a code host. For the site README.md and a few pages from other folders join them, and links
to files that are no pages lead to the code host. The German pages (docs/de) are a site of their own, below the English one.
"""

import os
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "https://github.com/dbus-bms/dbus-bms/blob/main/"
# Pages outside of docs/, and their names on the site.
JOINED = {
    "README.md": "readme.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "cross/linux/INSTALL.md": "raspberry-pi.md",
    "fuzz/README.md": "fuzzing.md",
    "changes/README.md": "changes.md",
}
# Links of Markdown and of HTML: what is before the target, the target, what ends it.
LINK = re.compile(r"""(\]\(|(?:src|srcset|href)=")([^)"\s]+)([)"\s])""")


def place(path):
    """The language of a page and its place on the site of that language; None if it is on neither."""
    name = path.as_posix()
    if name in JOINED:
        return "en", JOINED[name]
    if name.startswith("docs/de/"):
        return "de", name.removeprefix("docs/de/")
    return ("en", name.removeprefix("docs/")) if name.startswith("docs/") else None


def address(name):
    """The folder of a built page: those of `wiring.md` and `bms/index.md` are `wiring/` and `bms/`."""
    return re.sub(r"(^|(?<=/))index$", "", name.removesuffix(".md")).rstrip("/")


def target(page, link):
    """A link of a page (a path from the root of the repository), as the site needs it."""
    file, hash_, anchor = link.partition("#")
    if not file or re.match(r"[a-z]+:", link):
        return link
    path = Path(os.path.normpath(page.parent / file))
    if path.parts[0] == "..":
        raise SystemExit(f"{page}: {link} leads out of the repository")
    there = place(path)
    if there is None:
        return HOST + path.as_posix() + hash_ + anchor
    own, here = place(page)
    language, name = there
    if language == own or path.suffix != ".md":
        return os.path.relpath(name, Path(here).parent) + hash_ + anchor
    # From one built site to the other.
    folders = {"en": "", "de": "de/"}
    start = folders[own] + address(here)
    return os.path.relpath("/" + folders[language] + address(name), "/" + start) + "/" + hash_ + anchor


def convert(page, text):
    """The text of a page with the links that the site needs; code is left alone."""
    pieces = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    linked = [LINK.sub(lambda found: found[1] + target(page, found[2]) + found[3], piece) for piece in pieces[::2]]
    pieces[::2] = linked
    return "".join(pieces)


def main(folder):
    shutil.rmtree(folder, ignore_errors=True)
    pages = [path.relative_to(ROOT) for path in sorted(ROOT.glob("docs/**/*.md"))] + [Path(name) for name in JOINED]
    for page in pages:
        language, name = place(page)
        there = folder / language / name
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(convert(page, (ROOT / page).read_text()))
    for language in ["en", "de"]:
        shutil.copytree(ROOT / "docs/pictures", folder / language / "pictures")
        shutil.copy(ROOT / "src/output/web/page/icon.svg", folder / language / "pictures")
    shutil.copytree(ROOT / "docs/examples", folder / "en/examples")
    print(f"{len(pages)} pages in {folder}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: site/build.py FOLDER")
    main(Path(sys.argv[1]))

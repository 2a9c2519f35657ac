"""check.py FOLDER   follows every link of the built site, and refuses a page that loads anything from elsewhere"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent
HOST = "/dbus-bms/dbus-bms/blob/main/"


class Page(HTMLParser):
    """Anchors, links, and what the browser loads by itself."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.loaded = set(), [], []
        self.language = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors.update(value for name, value in attributes if name in ("id", "name") and value)
        if tag == "html":
            self.language = values.get("lang")
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.loaded.append(values.get("href", ""))
        elif values.get("src"):
            self.loaded.append(values["src"])


def problem(pages, folder, page, link):
    """What is wrong with a link of a page; None if nothing is."""
    parts = urlsplit(link)
    if parts.netloc == "github.com" and parts.path.startswith(HOST):
        file = unquote(parts.path.removeprefix(HOST))
        return None if (ROOT / file).exists() else f"there is no {file} in the repository"
    if parts.scheme or parts.netloc:
        return None
    there = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if there.is_dir():
        there = there / "index.html"
    if not there.is_relative_to(folder) or not there.exists():
        return f"there is no {there}"
    anchor = unquote(parts.fragment)
    if anchor and there in pages and anchor not in pages[there].anchors:
        return f"{there.relative_to(folder)} has no #{anchor}"
    return None


def main(folder):
    pages = {path: Page(path.read_text()) for path in folder.rglob("*.html") if path.name != "404.html"}
    wrong, followed = [], 0
    for path, page in pages.items():
        name = path.relative_to(folder)
        if page.language != ("de" if name.parts[0] == "de" else "en"):
            wrong.append(f"{name}: its language is {page.language}")
        wrong += [f"{name}: loads {source} from elsewhere" for source in page.loaded if urlsplit(source).netloc]
        for link in page.links + page.loaded:
            followed += 1
            if text := problem(pages, folder, path, link):
                wrong.append(f"{name}: {link}: {text}")
    if len(pages) < 50 or followed < 1000:
        wrong.append(f"only {len(pages)} pages with {followed} links")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(pages)} pages, {followed} links")


main(Path(sys.argv[1]).resolve())

"""tests/page/first_paint.py [FILE.html…]: when the page shows something, and when it shows the cells; also on a CPU that is six times slower.

With `demo` (BINARY, by default the debug build) and with a stand-in of 16 batteries; FILE.html is a page to compare with, such as a mock.
Run it with the Python of tests/page/run.sh. The first visit with an empty cache; median of RUNS, ms from the start of the navigation.
"""

import os
import pathlib
import statistics
import sys

os.environ.setdefault("BINARY", str(pathlib.Path(__file__).resolve().parents[2] / "target/debug/dbus-bms"))

from browser import Browser, wait  # noqa: E402
from stand_in import StandIn, house_bank  # noqa: E402
from test_page import end, get, start_demo  # noqa: E402

RUNS = 7
CELLS = "[role=gridcell], .cells li .v"
WATCH = f"""new MutationObserver((_, own) => {{
    if (!document.querySelector({CELLS!r})) return;
    own.disconnect();
    requestAnimationFrame(() => setTimeout(() => {{ window.cellsAt = performance.now(); }}));
}}).observe(document, {{ childList: true, subtree: true }})"""


def measure(browser, address, slower):
    browser.cdp("Network.enable")
    rows = []
    for _ in range(RUNS):
        browser.driver.get("about:blank")
        browser.cdp("Network.clearBrowserCache")
        browser.cdp("Emulation.setCPUThrottlingRate", rate=slower)
        browser.driver.get(address)
        paints = wait("a paint", lambda: browser.js("const p = performance.getEntriesByType('paint').map((e) => e.startTime); return p.length > 1 && p"), 60)
        rows.append([*paints, wait("cells", lambda: browser.js("return window.cellsAt ?? 0"), 60)])
        browser.cdp("Emulation.setCPUThrottlingRate", rate=1)
    return [round(statistics.median(column)) for column in zip(*rows)]


def batteries(base):
    try:
        return get(f"{base}api/v1/batteries")["batteries"]
    except OSError:
        return []


def main():
    browser = Browser()
    process, demo = start_demo()
    many = StandIn(house_bank(16))
    try:
        wait("the demo's bank", lambda: len(batteries(demo)) == 5, 90)
        browser.cdp("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        print(f"{'page':<40} {'CPU':>4} {'first paint':>12} {'with content':>13} {'with cells':>11}")
        pages = [("demo, bank of 4", f"{demo}#bank_demo"), ("stand-in, bank of 16", many.address), *((pathlib.Path(file).name, pathlib.Path(file).resolve().as_uri()) for file in sys.argv[1:])]
        for slower in (1, 6):
            for name, address in pages:
                first, content, cells = measure(browser, address, slower)
                print(f"{name:<40} 1/{slower:<2} {first:>9} ms {content:>10} ms {cells:>8} ms")
    finally:
        browser.quit()
        many.stop()
        end(process)


if __name__ == "__main__":
    main()

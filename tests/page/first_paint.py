"""tests/page/first_paint.py [FILE.html…]: when the page shows something, and when it shows the cells; also on a CPU that is six times slower.

With `demo` (BINARY, by default the debug build; several with `:` between them) and with a stand-in of 16 batteries; FILE.html is a page to
compare with, such as a mock. Run it with the Python of tests/page/run.sh. The first visit with an empty cache, the pages in turn, so that other
load meets all alike; median of RUNS, ms from the start of the navigation; beside it the ratio to the last FILE.html.
"""

import os
import pathlib
import statistics
import sys

os.environ.setdefault("BINARY", str(pathlib.Path(__file__).resolve().parents[2] / "target/debug/dbus-bms"))

from browser import Browser, wait  # noqa: E402
from stand_in import StandIn, house_bank  # noqa: E402
from test_page import end, get, start_demo  # noqa: E402

RUNS = int(os.environ.get("RUNS", 7))
CELLS = "[role=gridcell], .cells li .v"
WATCH = f"""new MutationObserver((_, own) => {{
    if (!document.querySelector({CELLS!r})) return;
    own.disconnect();
    requestAnimationFrame(() => setTimeout(() => {{ window.cellsAt = performance.now(); }}));
}}).observe(document, {{ childList: true, subtree: true }})"""


def measure(browser, address, slower):
    """First paint, paint with content, and the cells, ms."""
    browser.driver.get("about:blank")
    browser.cdp("Network.clearBrowserCache")
    browser.cdp("Emulation.setCPUThrottlingRate", rate=slower)
    browser.driver.get(address)
    paints = wait("a paint", lambda: browser.js("const p = performance.getEntriesByType('paint').map((e) => e.startTime); return p.length > 1 && p"), 60)
    cells = wait("cells", lambda: browser.js("return window.cellsAt ?? 0"), 60)
    browser.cdp("Emulation.setCPUThrottlingRate", rate=1)
    return [*paints, cells]


def batteries(base):
    try:
        return get(f"{base}api/v1/batteries")["batteries"]
    except OSError:
        return []


def main():
    browser = Browser()
    many = StandIn(house_bank(16))
    demos = []
    try:
        pages = []
        for binary in os.environ["BINARY"].split(":"):
            os.environ["BINARY"] = binary
            process, demo = start_demo()
            demos.append(process)
            wait("the demo's bank", lambda: len(batteries(demo)) == 5, 90)
            pages.append((f"demo {len(demos)}, bank of 4", f"{demo}#bank_demo"))
        pages += [("stand-in, bank of 16", many.address), *((pathlib.Path(file).name, pathlib.Path(file).resolve().as_uri()) for file in sys.argv[1:])]
        browser.cdp("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        browser.cdp("Network.enable")
        print(f"{'page':<30} {'CPU':>4} {'first paint':>12} {'with content':>13} {'with cells':>11} {'ratios':>17}")
        for slower in (1, 6):
            rows = {name: [] for name, _ in pages}
            for _ in range(RUNS):
                for name, address in pages:
                    rows[name].append(measure(browser, address, slower))
            medians = {name: [statistics.median(column) for column in zip(*of)] for name, of in rows.items()}
            beside = medians[pages[-1][0]]
            for name, (first, content, cells) in medians.items():
                ratios = " ".join(f"{own / other:5.2f}" for own, other in zip(medians[name], beside))
                print(f"{name:<30} 1/{slower:<2} {first:>9.0f} ms {content:>10.0f} ms {cells:>8.0f} ms {ratios}", flush=True)
    finally:
        browser.quit()
        many.stop()
        for process in demos:
            end(process)


if __name__ == "__main__":
    main()

"""A headless Chromium that records its requests and errors."""

import base64
import json
import pathlib
import shutil
import tempfile
import time

import axe_core_python
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

AXE = pathlib.Path(axe_core_python.__file__).with_name("axe.min.js").read_text()
PATIENCE = 20
PHONE, DESKTOP = (360, 740), (1280, 900)
# All test pages are local; the browser must not use the network for anything else.
SWITCHES = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --disable-default-apps --disable-dev-shm-usage --hide-scrollbars
    --force-color-profile=srgb""".split()


def wait(what, condition, patience=PATIENCE):
    """The first true result of `condition`; fails with `what` if there is none in time."""
    end = time.monotonic() + patience
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {patience} s: {what}")
        time.sleep(0.05)


class Browser:
    def __init__(self, languages="en-GB"):
        self.folder = tempfile.mkdtemp(prefix="page-test-")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for switch in [*SWITCHES, f"--user-data-dir={self.folder}"]:
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.asked = []
        self.cdp("Emulation.setUserAgentOverride", userAgent="test", acceptLanguage=languages)
        self.window(DESKTOP)

    def quit(self):
        self.driver.quit()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cdp(self, command, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def window(self, size):
        self.cdp("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False)

    def prefer(self, **features):
        """Preferences of the system: `prefers_color_scheme="dark"`, `prefers_reduced_motion="reduce"`."""
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": k.replace("_", "-"), "value": v} for k, v in features.items()])

    def open(self, address):
        self.driver.get("about:blank")
        self.driver.get(address)

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css):
        """The first visible one; retries while the page is being rebuilt."""
        def first():
            try:
                return next((node for node in self.all(css) if node.is_displayed()), None)
            except StaleElementReferenceException:
                return None

        return wait(f"{css} on the page", first)

    def text(self, css):
        """The text in the page, visible or not."""
        return self.js("return document.querySelector(arguments[0])?.textContent ?? ''", css)

    def shows(self, css, text, patience=PATIENCE):
        wait(f"“{text}” in {css}; there is “{self.text(css)}”", lambda: text in self.text(css), patience)

    def requests(self):
        """Addresses of all requests since the start."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                parameters = message["params"]
                self.asked.append(parameters.get("request", parameters)["url"])
        return self.asked

    def complaints(self):
        """Console output since the last call: errors, and requests refused by the security policy."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def violations(self):
        """Violations of WCAG 2.2 AA and good practice found by axe, as sentences."""
        self.js(AXE)
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then((r) => done(r.violations), (e) => done([{id: String(e), nodes: []}]))"
        )
        return [f"{rule['id']}: {node['failureSummary']} {node['html'][:200]}" for rule in found for node in rule["nodes"] or [{"failureSummary": "", "html": ""}]]

    def picture(self, path, height=None):
        size = self.js("return [innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], height or size[1]), "scale": 1}
        shot = self.cdp("Page.captureScreenshot", format="webp", quality=70, captureBeyondViewport=True, clip=clip)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))

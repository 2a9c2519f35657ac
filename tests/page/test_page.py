"""The page in a real browser, with the real program and with a stand-in for faults."""

import gzip
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from browser import DESKTOP, PHONE, Browser, wait
from stand_in import SOURCE, StandIn, battery, felt_limits, health, house_bank, limited_days, log_entries, silent

PICTURES = os.environ.get("PICTURES")
STATES_TO = os.environ.get("STATES_TO")
MOCK = os.environ.get("MOCK")
RANGES = ["hour", "day", "week", "month"]
# Loaded only when they are needed.
LATER = {"kiosk.js", "cellday.js", "house.js", "generator.js", "flow.js", "commands.js", "access.js", "health.js"}
KEYS_THAT_ARE_TABLES = {"phrases", "patterns", "alarms", "device_values", "device_states"}


class Case(unittest.TestCase):
    """One browser per class; at the end of each test no request may have been refused or sent elsewhere."""

    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.quit)

    def open(self, address, then="#panels .card"):
        self.browser.open(address)
        self.browser.one(then)

    def setUp(self):
        self.expected = []
        self.browser.complaints()
        self.browser.window(DESKTOP)
        self.browser.prefer(prefers_color_scheme="light")

    def tearDown(self):
        complaints = [line for line in self.browser.complaints() if not any(text in line for text in self.expected)]
        self.assertEqual(complaints, [], "the console is empty")
        elsewhere = [url for url in self.browser.requests() if not url.startswith(("http://127.0.0.1:", "about:", "data:", "chrome:"))]
        self.assertEqual(elsewhere, [], "no request leaves this computer")
        self.browser.asked.clear()
        # Choices of one test must not affect the next.
        self.browser.cdp("Storage.clearDataForOrigin", origin="*", storageTypes="local_storage")
        self.browser.js("try { sessionStorage.clear() } catch { /* about:blank has none */ }")
        self.browser.open("about:blank")

    def choose(self, id, value):
        Select(self.browser.one(f"#{id}")).select_by_value(value)

    def choose_in(self, css, value):
        self.browser.js("const [node, value] = [document.querySelector(arguments[0]), arguments[1]]; node.value = value; node.dispatchEvent(new Event('change'))", css, value)

    def stand_in(self, *views, port=0):
        server = StandIn(list(views), port)
        self.addCleanup(lambda: server.stopped or server.stop())
        return server


def get(address):
    with urllib.request.urlopen(address, timeout=5) as answer:
        return json.load(answer)


class Words(unittest.TestCase):
    """The language files."""

    def test_every_language_says_everything_with_the_same_places(self):
        english = json.loads((SOURCE / "page/lang/en.json").read_text())
        page = "".join(file.read_text() for file in (SOURCE / "page").glob("*.[jh]*"))
        for file in (SOURCE / "page/lang").glob("*.json"):
            words = json.loads(file.read_text())
            self.assertEqual(set(english) - KEYS_THAT_ARE_TABLES, set(words) - KEYS_THAT_ARE_TABLES, file.name)
            self.assertIn(f"{file.stem}: '", page, "the language can be chosen")
            for key in set(words) - KEYS_THAT_ARE_TABLES:
                self.assertEqual(sorted(part.split("}")[0] for part in english[key].split("{")[1:]),
                                 sorted(part.split("}")[0] for part in words[key].split("{")[1:]), f"{file.name}: {key}")

    def test_every_alarm_of_the_program_is_translated(self):
        source = SOURCE.parent / "api/alarm.rs"
        names = {line.split('words("')[1].split('"')[0] for line in source.read_text().splitlines() if 'words("' in line}
        self.assertGreaterEqual(len(names), 20)
        for file in (SOURCE / "page/lang").glob("*.json"):
            if file.stem != "en":
                self.assertEqual(names, set(json.loads(file.read_text())["alarms"]), file.name)

    def test_every_value_and_state_of_a_device_is_translated(self):
        program = SOURCE.parents[1]
        keys = set()
        for file in ["model/quantity.rs", "conext/quantities.rs", "house/goodwe.rs", "service/generator.rs"]:
            keys |= set(re.findall(r'(?:new|counter)\(\s*"([a-z0-9_]+)"', (program / file).read_text().split("#[cfg(test)]")[0]))
        own = re.search(r"OWN_VALUES = \[(.*?)\]", (SOURCE / "page/generator.js").read_text())[1].replace("'", "").split(", ")
        keys -= set(own)
        self.assertGreaterEqual(len(keys), 120)
        reasons = re.search(r"impl fmt::Display for Reason \{.*?\n\}", (program / "generator/mod.rs").read_text(), re.S)[0]
        reasons = {re.sub(r"\{\w+(:[^}]*)?\}", "{n}", text) for text in re.findall(r'"([^"]+)"', reasons)}
        self.assertGreaterEqual(len(reasons), 16)
        states = reasons | set(re.findall(r'\(\d+, "([^"]+)"\)', (program / "conext/tables.rs").read_text()))
        self.assertGreaterEqual(len(states), 35)
        for file in (SOURCE / "page/lang").glob("*.json"):
            if file.stem == "en":
                continue
            words = json.loads(file.read_text())
            known = words["device_values"]
            missing = [key for key in keys if key not in known and re.sub(r"_(hour|today|week|month|year|life)_wh$", "_wh", key) not in known]
            self.assertEqual(missing, [], file.name)
            self.assertEqual(states - set(words["device_states"]), set(), file.name)
            for form, text in words["device_states"].items():
                self.assertEqual("{n}" in form, "{n}" in text, f"{file.name}: {form}")

    def test_every_file_of_the_page_is_served_and_all_are_small(self):
        files = {file.relative_to(SOURCE / "page").as_posix(): file.stat().st_size for file in (SOURCE / "page").rglob("*.*")}
        from stand_in import files as served
        self.assertEqual({file.relative_to(SOURCE / "page").as_posix() for _, file in served().values()}, set(files))
        packed = {name: len(gzip.compress((SOURCE / "page" / name).read_bytes(), 9)) for name in files}
        first = sum(size for name, size in packed.items() if name not in LATER and (not name.startswith("lang/") or name == "lang/en.json"))
        self.assertLessEqual(sum(packed.values()), 120_000, packed)
        self.assertLessEqual(first, 60_000, packed)
        print(f"compressed: {first} bytes at first, {sum(packed.values())} in all", end=" ")


class Page(Case):
    """Tests with the stand-in."""

    def test_cells_are_drawn_as_they_are(self):
        self.open(self.stand_in(battery()).address)
        view = battery()
        bars = wait("16 bars", lambda: (found := self.browser.all(".cells li")) and len(found) == 16 and found)
        middle = sorted(view["cell_voltages_v"])
        middle = (middle[7] + middle[8]) / 2
        full = self.browser.one(".cells .col").size["height"]
        for bar, column, volts in zip(self.browser.all(".cells i"), bars, view["cell_voltages_v"]):
            share = min(1, abs(volts - middle) / 0.015) / 2
            self.assertAlmostEqual(bar.size["height"], max(3, share * full), delta=0.02 * full, msg=f"{volts} V")
            self.assertIn(f"{volts:.3f}", column.text)
        self.browser.shows(".range", "−15 to +15\u00a0mV".replace("\u00a0", " "))
        marks = {bar.find_element("css selector", ".no").text: bar.find_element("css selector", ".sign").get_attribute("aria-label") for bar in bars}
        self.assertEqual({no: mark for no, mark in marks.items() if mark}, {"3": "lowest", "7": "highest, balancing"})
        self.assertEqual(self.browser.text(".delta strong"), "19\u00a0mV")

    def test_what_is_said_of_charge_and_limits(self):
        self.open(self.stand_in(battery()).address)
        for css, text in [(".gauge strong", "62\u00a0%"), (".gauge", "174 of 280 Ah"), (".power", "969\u00a0W"), (".direction", "Discharging"),
                          (".outlook", "9\u00a0h\u00a029\u00a0min"), (".limits li:nth-child(1)", "50.0\u00a0A"),
                          (".outlook", "Empty at about"), (".limits li:nth-child(1) .why", "Default maximum"), (".temperatures", "21.4\u00a0°C"), (".link", "detected"), (".switches", "balancing cells 7")]:
            self.browser.shows(css, text)
        meter = self.browser.one("[role=meter]")
        self.assertEqual((meter.get_attribute("aria-valuenow"), meter.aria_role), ("62", "meter"))

    def test_more_than_the_limit_is_named(self):
        server = self.stand_in(battery(current_a=7.1, limits=battery()["limits"] | {"ccl_a": 0.0}))
        self.open(server.address)
        self.browser.shows(".limits li:nth-child(1) .now", "now 7.1\u00a0A: above")
        server.views = [battery(current_a=50.3)]
        self.browser.shows(".limits li:nth-child(1) .now", "now 50.3\u00a0A")
        self.assertNotIn("above", self.browser.text(".limits"))

    def test_unknown_values_are_dashes_never_zeros(self):
        self.open(self.stand_in(battery(voltage_v=None, current_a=None, power_w=None, soc_pct=None, cell_voltages_v=None, cell_min_v=None,
                                        cell_max_v=None, cell_delta_v=None, temperatures_c=None, mos_temperature_c=None, charge_fet=None)).address)
        for css in [".gauge strong", ".power", ".delta strong"]:
            self.assertEqual(self.browser.text(css), "–", css)
        self.browser.shows(".cellcard .summary", "unknown")
        charging = self.browser.js("return document.querySelector('.switches dl > div').hidden")
        self.assertTrue(charging, "no word of a switch that is not known")

    def test_an_alarm_says_what_to_do(self):
        alarm = dict(name="low_charge_temperature", level="alarm", text="The battery is too cold to be charged.", remedy="Wait until it is warmer.")
        server = self.stand_in(battery(alarms=[alarm]))
        self.open(server.address)
        self.browser.shows(".alarms li strong", "Alarm: The battery is too cold")
        self.browser.shows(".alarms li", "Wait until it is warmer.")
        self.choose("language", "de")
        self.browser.shows(".alarms li", "Die Batterie ist zum Laden zu kalt.")
        server.views = [battery()]
        wait("the alarm is gone", lambda: not self.browser.text(".alarms li"))

    def test_silence_of_the_battery_is_shown(self):
        server = self.stand_in(silent(battery(), 12.0))
        self.open(server.address)
        self.browser.shows(".banner.stale", "No data from the battery for 12\u00a0s")
        self.browser.shows(".limits li:nth-child(1) .why", "No data from the BMS")
        self.assertEqual(self.browser.text(".gauge strong"), "–")
        server.views = [silent(battery(), 400.0)]
        self.browser.shows(".banner.stale", "is lost")
        server.views = [battery()]
        wait("it is heard again", lambda: not self.browser.all(".banner.stale")[0].is_displayed())

    def test_batteries_stand_in_their_natural_order(self):
        views = [battery(f"id_{11 - n}", f"Battery {n}", bank="bank_house", commands=["discharge"]) for n in (10, 2, 1, 9)]
        self.open(self.stand_in(*views, self.bank(*views)).address)
        names = lambda css: [node.text.split("\n")[0] for node in self.browser.all(css)]
        self.assertEqual(names("#batteries a:not(.bank)"), ["Battery 1", "Battery 2", "Battery 9", "Battery 10"])

    def test_a_lost_server_is_shown_and_found_again(self):
        self.expected = ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE"]
        server = self.stand_in(battery())
        self.open(server.address)
        self.browser.shows("#state", "Live")
        server.stop()
        self.browser.shows("#lost", "These are the last values", 10)
        self.browser.shows("#since", "for 3")
        self.assertIn("52.97", self.browser.text(".charge"), "the last values stay")
        self.stand_in(battery(soc_pct=61.0), port=server.server_port)
        self.browser.shows("#state", "Live")
        self.browser.shows(".gauge strong", "61")
        self.assertFalse(self.browser.all("#lost")[0].is_displayed())

    def test_a_bank_and_its_batteries(self):
        bank = battery("bank", "House bank", kind="bank", cell_voltages_v=None, limits=battery()["limits"] | {"ccl_why": "Left has the least headroom: default maximum"}, modules=dict(online=1, offline=1, blocking_charge=0, blocking_discharge=0, cell_min="left 3", cell_max="right 7"))
        server = self.stand_in(battery("a", "Left", bank="bank", soc_pct=63.0), silent(battery("b", "Right", bank="bank"), 90.0), bank)
        self.open(server.address)
        names = [link.text.split("\n")[0] for link in self.browser.all("#batteries a")]
        self.assertEqual(names, ["House bank", "Left", "Right"], "the bank is first")
        self.assertEqual(self.browser.one("nav a[aria-current]").text.split("\n")[0], "House bank")
        self.browser.shows(".members", "1 with fresh data · 1 without data")
        self.browser.shows(".row.gone .difference", "\u00a0s")
        self.browser.shows(".limits li:nth-child(1) .why", "Left has the least headroom: Default maximum: none")
        self.choose("language", "de")
        self.browser.shows(".limits li:nth-child(1) .why", "Left hat die geringste Reserve: Standard-Höchstwert")
        self.browser.one(".map a").click()
        self.browser.shows("nav a[aria-current]", "Left")
        self.browser.shows(".gauge strong", "63")
        self.browser.driver.back()
        self.browser.shows("nav a[aria-current]", "House bank")

    def bank(self, *members, **changes):
        """A bank of these views, as the driver describes it."""
        listed = [dict(id=view["id"], name=view["name"], online=view["freshness"] == "fresh") for view in members]
        modules = dict(online=sum(one["online"] for one in listed), offline=sum(not one["online"] for one in listed), blocking_charge=0, blocking_discharge=0, members=listed)
        return battery("bank_house", "House bank", kind="bank", cell_voltages_v=None, modules=modules, **changes)

    def test_a_bank_has_the_cells_of_its_batteries(self):
        weak = [3.31] * 10 + [3.327] + [3.31] * 5
        views = [battery("a", "Left", cell_voltages_v=weak, balancing_cells=[11]), battery("b", "Right")]
        self.open(self.stand_in(*views, self.bank(*views)).address)
        tiles = wait("32 cells", lambda: len(found := self.browser.all(".map [data-at]")) == 32 and found)
        self.assertEqual([self.browser.js("return arguments[0].textContent", tiles[10]), tiles[10].get_attribute("aria-label")], ["+17▲≈", "cell 11, 3.327\u00a0V, +17\u00a0mV, highest, balancing"])
        self.assertIn("hi3", tiles[10].get_attribute("class"))
        self.assertEqual(tiles[0].get_attribute("class"), "tile", "a cell like the others has no colour")
        self.browser.shows(".drawer", "Left · cell 11: 3.327\u00a0V")
        tiles[0].click()
        self.browser.shows(".drawer", "Left · cell 1:")
        tiles[10].click()
        self.browser.shows(".drawer", "Left · cell 11: 3.327\u00a0V · +17\u00a0mV · balancing")
        tiles[10].send_keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
        self.browser.shows(".drawer", "Right · cell 12")
        self.assertEqual(len(self.browser.all(".map [tabindex='0']")), 1, "one stop for the Tab key")
        self.assertEqual(self.browser.violations(), [])

    def test_one_bad_cell_does_not_colour_the_others(self):
        cells = [3.31] * 15 + [3.36]
        views = [battery("a", "Left", cell_voltages_v=cells)]
        self.open(self.stand_in(*views, self.bank(*views)).address)
        coloured = lambda: [tile.get_attribute("class") for tile in self.browser.all(".map [data-at]") if tile.get_attribute("class") != "tile"]
        wait("the median stays with the many", lambda: coloured() == ["tile hi3"])

    def test_a_battery_that_is_gone_and_one_outside_leave_the_list_as_it_is(self):
        here, outside = battery("a", "Left"), battery("z", "Caravan")
        bank = self.bank(here, silent(battery("b", "Right"), 400.0), cable="warning")
        self.open(self.stand_in(here, outside, bank).address)
        names = lambda: [who.text for who in self.browser.all(".row:not(.head) .who")]
        wait("the batteries of the bank, and no other", lambda: names() == ["Left", "Right"])
        self.browser.shows(".row.gone", "not there")
        self.browser.shows(".alarms li", "No data from Right")
        self.browser.shows(".alarms li", "Check its cable")

    def test_the_cable_warning_of_a_bank_is_shown(self):
        view = battery("a", "Left")
        self.open(self.stand_in(view, self.bank(view, cable="warning")).address)
        self.browser.shows(".alarms li.warning", "A battery does not answer")
        self.browser.shows("nav a .mark", "cable")

    def test_what_the_owner_has_set_is_shown_on_the_battery_and_on_its_bank(self):
        now = int(time.time())
        limited = battery("a", "Left", overrides=["charge at most 20 A"], overrides_set=[dict(kind="ccl", value_a=20, of_s=7200, until=now + 3600, by="the dashboard")])
        off = battery("b", "Right", switched_off=["charge switched off"], switched_off_by=[dict(what="charge", since=now - 600, by="MQTT", uncertain=False)])
        address = self.stand_in(limited, off, self.bank(limited, off)).address
        for id, expected in [("bank_house", 2), ("a", 1), ("b", 1)]:
            self.open(f"{address}#{id}")
            wait(f"notices of {id}", lambda: len(self.browser.all(".alarms li")) == expected)
            text = self.browser.text(".alarms").replace("\u00a0", " ")
            if id != "b":
                self.assertIn("Left is charged with at most 20.0 A", text)
                self.assertIn("by the dashboard", text)
            if id != "a":
                self.assertIn("Charging of Right is switched off", text)
                self.assertIn("MQTT", text)
        self.open(f"{address}#a")

    def test_an_alarm_of_a_bank_names_the_battery_the_cell_and_the_value(self):
        alarm = dict(name="cell_high_voltage", level="alarm", text="A cell's voltage is too high.", remedy="Discharge it a little.")
        high = battery("b", "Right", alarms=[alarm | dict(cell=11, value=3.612, since=int(time.time()) - 60)])
        bank = self.bank(battery("a", "Left"), high, alarms=[alarm | dict(batteries=["Right"])])
        self.open(self.stand_in(battery("a", "Left"), high, bank).address)
        self.browser.shows(".alarms li.alarm", "Right · cell 11 · 3.612\u00a0V · since ")
        self.assertNotIn("Left", self.browser.text(".alarms li"))

    def test_nothing_is_empty_soon_while_it_is_charged(self):
        server = self.stand_in(battery(current_a=18.0, power_w=950.0, time_to_go_s=39600))
        self.open(server.address)
        self.browser.shows(".direction", "Charging")
        self.assertNotIn("Empty", self.browser.text(".charge"))
        server.views = [battery(current_a=18.0, power_w=950.0, time_to_go_s=None, time_to_full_s=7200)]
        self.browser.shows(".outlook", "Full at about")

    def test_today_and_yesterday_are_two_numbers_each(self):
        self.open(self.stand_in(battery()).address)
        self.browser.shows(".today", "8.1in")
        self.browser.shows(".today", "7.4out")
        self.browser.shows(".today", "yesterday 8.1 in, 7.4 out")

    def test_what_happened_is_told_with_place_value_and_duration(self):
        server = self.stand_in(battery())
        server.log = log_entries(time.time()) + [dict(log_entries(time.time())[3], id="other", name="Other battery")]
        self.open(server.address)
        self.browser.shows(".log", "House battery is charged with at most 20.0\u00a0A")
        self.browser.shows(".log li.alarm", "Alarm: A cell's voltage is too high.")
        for text in ["cell 7 · 3.612\u00a0V", "6\u00a0min", "set by the dashboard", "active", "3 × 18\u00a0s", "Charging limited: The highest cell is close to its limit", "down to 26.0\u00a0A"]:
            self.browser.shows(".log", text)
        self.assertNotIn("Other battery", self.browser.text(".log"))
        self.assertEqual(len(self.browser.all(".log li")), 6, "the rest is unfolded")
        self.browser.one(".logcard .quiet").click()
        wait("all of them", lambda: len(self.browser.all(".log li")) == 9)
        self.browser.one("[data-filter=limits]").click()
        wait("limits only", lambda: len(self.browser.all(".log li")) == 2)
        self.choose("language", "de")
        self.browser.shows(".log", "Laden begrenzt")

    def test_why_it_was_limited_is_told_with_the_time_that_was_felt(self):
        server = self.stand_in(battery())
        server.limited = limited_days(time.time())
        self.open(server.address)
        self.browser.shows(".causes .total", "2\u00a0h\u00a053\u00a0min")
        self.browser.shows(".causes", "For 2\u00a0h\u00a025\u00a0min of this the current was at the limit")
        self.browser.shows(".causes li:nth-child(1)", "Your temporary limit")
        self.browser.shows(".causes li:nth-child(2)", "cell 7 · down to 26.0\u00a0A")
        self.browser.one("[data-days=yesterday]").click()
        self.browser.shows(".causes", "For 6\u00a0min nothing was allowed.")
        self.browser.one("[data-days=week]").click()
        self.browser.shows(".causes .total", "3\u00a0h\u00a054\u00a0min")
        server.limited = []
        self.browser.driver.refresh()
        self.browser.shows(".causes .total", "Not at all")
        below = "return arguments[0].getBoundingClientRect().bottom - arguments[0].lastElementChild.lastElementChild.getBoundingClientRect().bottom"
        wait("the card is as high as its answer", lambda: self.browser.js(below, self.browser.one(".causes")) < 40)

    def test_which_cell_is_bad_is_told_with_what_to_do(self):
        self.open(self.stand_in(*house_bank()).address)
        self.browser.shows(".health .banner", "Battery 3 · cell 11: a connection has a high resistance")
        self.browser.shows(".health .banner", "tighten its screws")
        self.browser.shows(".health .banner", "almost certain · since")
        self.assertEqual(len(self.browser.all(".healths tbody tr")), 4)
        self.browser.shows(".healths tbody tr:nth-child(3)", "268\u00a0Ah ± 6")
        self.browser.shows(".healths tbody tr:nth-child(3)", "cell 11 +62\u00a0%")
        self.browser.shows(".healths tbody tr:nth-child(3)", "1.4\u00a0Ah, getting more")
        self.assertEqual(len(self.browser.all(".healths tbody tr:nth-child(3) circle")), 16)
        self.assertEqual(len(self.browser.all(".healths circle.found")), 1)
        self.open(self.stand_in(*house_bank()).address + "#b1")
        self.browser.shows(".health", "Nothing was found")
        # A battery of which nothing is known yet has no such section.
        self.open(self.stand_in(battery()).address)
        self.browser.shows("#which", "House battery")
        self.assertFalse([node for node in self.browser.all(".health") if node.is_displayed()])

    def test_energy_has_a_bar_for_each_day(self):
        self.open(self.stand_in(battery()).address)
        self.browser.shows(".energycard .figs", "8.1")
        days = wait("14 days", lambda: (found := self.browser.all(".days li")) and len(found) == 14 and found)
        self.assertIn("8.1 kWh in, 7.4 kWh out", days[-1].text)
        up, down = [days[0].find_element("css selector", f"{way} i").size["height"] for way in (".up", ".down")]
        self.assertAlmostEqual(up / down, 8.1 / 7.4, delta=0.03)

    def test_the_day_of_a_cell_is_chosen(self):
        server = self.stand_in(battery(cell_voltages_v=[3.31] * 16))
        self.open(server.address)
        wait("16 bars", lambda: len(self.browser.all(".cells li")) == 16)
        self.assertFalse([url for url in self.browser.requests() if url.rsplit("/", 1)[-1] in LATER], "it is not loaded before")
        server.views = [battery()]
        wait("the cell that deviates is shown without being asked for", lambda: self.browser.all(".cells li.chosen .no") and self.browser.text(".cells li.chosen .no") == "7")
        self.browser.all(".cells li")[6].click()
        self.browser.shows(".cellcard .cellday", "+150")
        self.browser.shows(".cellcard .cellday", "balanced for")
        self.assertTrue(self.browser.one(".cellcard .cellday .own").get_attribute("d"))
        self.browser.js("const list = document.querySelector('.cellcard select'); list.selectedIndex = 3; list.dispatchEvent(new Event('change'))")
        wait("another cell", lambda: "150" not in self.browser.text(".cellcard .cellday .cap ~ p:last-child"))

    def test_the_bar_shows_what_is_allowed_of_the_maximum(self):
        limits = battery()["limits"] | dict(ccl_a=20.0, ccl=dict(value=20.0, rule="x", max=50.0), dcl=dict(value=60.0, rule="x", max=60.0))
        self.open(self.stand_in(battery(current_a=10.0, limits=limits)).address)
        self.browser.shows(".allow", "charging, up to 50.0\u00a0A")
        self.browser.shows(".allow", "20.0\u00a0A allowed")
        x = lambda css: self.browser.js("const t = document.querySelector('.track').getBoundingClientRect(), e = document.querySelector(arguments[0]).getBoundingClientRect(); return [(e.left - t.left) / t.width, e.width / t.width]", css)
        # 110 A in all, 60 of them for discharging: zero at 60/110, 20 A at 80/110.
        wait("the hatch begins at the limit", lambda: abs(x(".hi")[0] - 80 / 110) < 0.01 and abs(x(".hi")[1] - 30 / 110) < 0.01)
        wait("the current ends at 10 A", lambda: abs(x(".flow")[0] - 60 / 110) < 0.01 and abs(x(".flow")[1] - 10 / 110) < 0.01)

    def test_switching_off_discharging_is_warned_of_and_needs_the_name(self):
        server = self.stand_in(battery("a", "Left", commands=["discharge"]), battery("b", "Right"))
        self.open(server.address + "#a")
        self.browser.one("#token").send_keys("open sesame", Keys.ENTER)
        self.browser.one(".commands")
        next(b for b in self.browser.all(".commands button") if b.text == "Off").click()
        self.browser.shows("dialog", "Everything that Left supplies loses power.")
        do = self.browser.one("dialog button[value=yes]")
        self.assertFalse(do.is_enabled(), "not before the name is chosen")
        Select(self.browser.one("#which-battery")).select_by_visible_text("Right")
        self.assertFalse(do.is_enabled(), "not with another name")
        Select(self.browser.one("#which-battery")).select_by_visible_text("Left")
        self.assertEqual(self.browser.violations(), [])
        do.click()
        wait("it is sent", lambda: server.commands == [("/api/v1/batteries/a/commands", {"command": "discharge", "on": False})])

    def test_a_limit_is_set_and_ended(self):
        view = battery(commands=["charge"])
        server = self.stand_in(view)
        self.open(server.address)
        self.browser.one("#token").send_keys("open sesame", Keys.ENTER)
        self.browser.one("#limit-value").send_keys("20")
        self.choose("limit-hours", "2")
        self.browser.one(".limitform button").click()
        wait("the limit is sent", lambda: server.commands == [("/api/v1/batteries/ttyUSB0/commands", {"command": "override", "value": "ccl 20 for 7200"})])
        server.views = [view | dict(overrides=["x"], overrides_set=[dict(kind="ccl", value_a=20, of_s=7200, until=int(time.time()) + 3600, by="the dashboard")])]
        self.browser.shows(".active", "left")
        self.browser.one(".active button").click()
        wait("its end is sent", lambda: server.commands[1:] == [("/api/v1/batteries/ttyUSB0/commands", {"command": "override", "value": "clear"})])
        self.assertEqual(self.browser.violations(), [])

    def test_a_day_is_no_wider_than_a_phone_in_any_state(self):
        alarm = dict(name="cell_high_voltage", level="alarm", text="x", remedy="y", cell=11, value=3.612)
        views = [battery(f"b{n}", f"Battery {n}", alarms=[alarm] if n == 3 else []) for n in range(1, 17)]
        views[4] = silent(views[4], 120.0)
        self.browser.window(PHONE)
        self.open(self.stand_in(*views, self.bank(*views)).address)
        wait("all cells", lambda: len(self.browser.all(".map [data-at]")) == 240)
        self.assertLessEqual(self.browser.js("return document.documentElement.scrollWidth"), PHONE[0])
        self.assertEqual(self.browser.violations(), [])

    def test_devices_of_the_house_and_their_silence(self):
        meter = dict(id="grid", kind="meter", name="Grid meter", connection="MQTT meter/power", fresh=True, age_s=0.4, timeout_s=10,
                     values={"grid_power_w": dict(value=-1234.4, unit="W", name="Grid power"), "relay": dict(value=True, name="Relay")})
        server = self.stand_in(battery())
        self.open(server.address)
        self.assertFalse(self.browser.all("#house")[0].is_displayed(), "nothing without a device")
        server.devices = [meter]
        self.browser.shows(".device dl", "Grid power")
        self.browser.shows(".device dl", "−1,234\u00a0W")
        self.browser.shows(".device dl", "yes")
        self.assertFalse(self.browser.all(".device .banner")[0].is_displayed())
        self.choose("language", "de")
        self.browser.shows(".device dl", "Netzleistung")
        server.devices = [meter | dict(fresh=False, age_s=12, values={})]
        self.browser.shows(".device .banner", "Keine Daten von diesem Gerät seit 1")
        self.browser.shows(".device dd", "–")

    def device(self, id, kind, **values):
        """A device of the house; `values` are numbers in W, or (value, unit)."""
        pairs = {key: value if isinstance(value, tuple) else (value, "W") for key, value in values.items()}
        return dict(id=id, kind=kind, name=id, connection="x", fresh=True, age_s=0.4, timeout_s=30,
                    values={key: dict(value=value, unit=unit, name=key) for key, (value, unit) in pairs.items()})

    def house(self):
        return [
            self.device("mppt60", "solar", dc_power_w=466), self.device("mppt80", "solar", pv_power_w=479, dc_power_w=460, pv_energy_today_wh=(8250, "Wh")),
            self.device("xw", "inverter", grid_power_w=0, load_power_w=270, generator_power_w=0, load_today_wh=(7700, "Wh"), load_week_wh=(52100, "Wh")),
            self.device("sums", "gateway", pv_power_w=945, load_power_w=270)]

    def test_the_house_is_shown_as_one_flow(self):
        server = self.stand_in(battery())
        self.open(server.address)
        server.devices = self.house()
        self.browser.shows(".flow-sun", "945\u00a0W")
        self.browser.shows(".flow-sun", "gives")
        self.browser.shows(".flow-load", "270\u00a0W")
        self.browser.shows(".flow-load", "takes")
        self.browser.shows(".flow-battery", "969\u00a0W")
        self.browser.shows(".flow-battery", "gives")
        self.browser.shows(".flow-generator", "at rest")
        self.browser.shows(".energies caption", "Energy, kWh")
        self.browser.shows(".energies", "8.3")
        self.browser.shows(".energies", "52.1")
        label = self.browser.js("return document.querySelector('.flowmap').getAttribute('aria-label')")
        self.assertIn("Solar 945\u00a0W gives", label)
        self.assertIn("Loads 270\u00a0W takes", label)
        server.devices = [known | dict(fresh=False, values={}) for known in server.devices]
        self.browser.shows(".device dd", "–")
        self.browser.shows(".flow-load", "–")
        self.assertEqual(self.browser.text(".flow-load .to"), "", "an unknown power has no direction")

    def turn(self, name):
        """Which way the arrow on the wire of a node points, degrees, in [-180, 180); None without one."""
        return self.browser.js("""
            const arrow = document.querySelector(`.wire-${arguments[0]} path:last-child`);
            if (getComputedStyle(arrow).display === 'none') return null;
            const turn = +arrow.getAttribute('transform').match(/rotate\\(([-.0-9]+)/)[1];
            return ((turn + 540) % 360) - 180;""", name)

    def test_arrows_point_where_the_power_flows_and_only_what_is_there_is_drawn(self):
        server = self.stand_in(battery())
        self.open(server.address)
        server.devices = [self.device("meter", "meter", grid_power_w=500)]
        self.browser.shows(".flow-grid", "500\u00a0W")
        drawn = lambda: self.browser.js("return [...document.querySelectorAll('.flowmap [class^=flow-]')].map((node) => node.getAttribute('class'))")
        self.assertEqual(drawn(), ["flow-grid", "flow-battery"])
        # The grid is to the left of the middle, the battery below: right is 0°, up is −90°.
        self.assertEqual((self.turn("grid"), self.turn("battery")), (0, -90), "both give")
        server.devices = [self.device("meter", "meter", grid_power_w=-500)]
        self.browser.shows(".flow-grid", "takes")
        self.assertEqual(self.turn("grid"), -180)
        server.views = [battery(current_a=18.3)]
        self.browser.shows(".flow-battery", "takes")
        self.assertEqual(self.turn("battery"), 90)
        server.devices = [self.device("meter", "meter", grid_power_w=2), self.device("xw", "inverter", load_power_w=300, pv_power_w=900)]
        self.browser.shows(".flow-grid", "at rest")
        self.assertIsNone(self.turn("grid"))
        self.browser.shows(".flow-sun", "gives")
        self.assertEqual((drawn(), self.turn("sun"), self.turn("load")), (["flow-sun", "flow-grid", "flow-load", "flow-battery"], 90, 0))

    def test_the_flow_fits_and_is_accessible_from_a_phone_to_a_desktop(self):
        server = self.stand_in(battery())
        server.devices = self.house() + [self.device("generator", "generator", running=(True, ""), reason=("state of charge is low: 15.0 %", ""), state_s=(700, "s"))]
        for width in [390, 768, 1280]:
            self.browser.window((width, 900))
            for language in ["en", "de", "es", "fr", "nl"]:
                self.open(server.address)
                self.choose("language", language)
                self.browser.one(".flowmap")
                self.browser.shows(".flow-sun", "945\u00a0W")
                over = self.browser.js("""
                    const outside = (inner, outer) => inner.left < outer.left - 0.5 || inner.right > outer.right + 0.5;
                    const boxes = [...document.querySelectorAll('.flowmap [class^=flow-]')];
                    return boxes.flatMap((box) => [...box.querySelectorAll('text')].filter((text) => outside(text.getBoundingClientRect(), box.querySelector('rect').getBoundingClientRect())).map((text) => text.textContent));""")
                self.assertEqual(over, [], f"{width}, {language}")
                wide = self.browser.js("return [...document.querySelectorAll('#house *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5).map((e) => e.outerHTML.slice(0, 120))")
                self.assertEqual(wide, [], f"{width}, {language}")
            for theme in ["light", "dark"]:
                self.browser.prefer(prefers_color_scheme=theme)
                self.assertEqual(self.browser.violations(), [], f"{width}, {theme}")
            self.choose("language", "en")

    def test_the_generator_is_run_and_stopped_by_hand(self):
        def generator(running, reason, **more):
            device = self.device("generator", "generator", running=(running, ""), reason=(reason, ""), reason_key=("x", ""), state_s=(700, "s"), soc_pct=(15, "%"), **more)
            return device | dict(commands=["generator"])
        server = self.stand_in(battery())
        server.devices = [generator(True, "state of charge is low: 15.0 %") | dict(commands=None)]
        self.open(server.address)
        self.browser.shows(".generator", "Running")
        self.browser.shows(".generator", "for 11\u00a0min")
        self.browser.shows(".generator", "State of charge is low: 15.0 %")
        self.assertFalse(any(node.is_displayed() for node in self.browser.all(".generator button, .generator input")), "no buttons without a token in the configuration")
        self.assertNotIn("reason_key", self.browser.text(".device-generator"))
        server.devices = [generator(False, "not needed")]
        self.browser.shows(".generator", "Stopped")
        field = self.browser.one("#generator-token")
        field.send_keys("open sesame\n")
        self.browser.one(".generator .run").click()
        self.browser.shows("dialog", "Run the generator for 1\u00a0h\u00a000\u00a0min?")
        self.browser.one("dialog [value=no]").click()
        self.assertEqual(server.commands, [], "cancelled")
        self.choose_in(".generator select", "2")
        self.browser.one(".generator .run").click()
        self.browser.one("dialog [value=yes]").click()
        self.browser.shows(".generator [role=status]", "The driver has accepted the request.")
        server.devices = [generator(True, "started by hand", by_hand_s=(7100, "s"))]
        self.browser.shows(".generator", "By hand, 1\u00a0h\u00a058\u00a0min left")
        self.browser.shows(".generator", "Started by hand")
        self.browser.one(".generator .stop").click()
        self.browser.one(".generator .automatic").click()
        place = "/api/v1/devices/generator/commands"
        sent = lambda: [body["value"] for path, body in server.commands if path == place and body["command"] == "generator"]
        wait("all three are sent", lambda: sent() == ["run for 7200", "stop for 7200", "automatic"])
        self.browser.shows(".flow-generator", "Running")
        # A wrong token is told, and forgotten.
        self.browser.js("sessionStorage.setItem('token', 'wrong')")
        self.expected = ["401"]
        self.browser.one(".generator .stop").click()
        self.browser.shows(".generator [role=status]", "Wrong token")
        self.browser.one("#generator-token")

    def test_an_inverter_on_rs485_is_shown_with_what_it_asks(self):
        rs485 = dict(port="/dev/ttyUSB1", protocol="pylontech", up=True, heartbeat=True, says="all", asked_age_s=3, requests=["61", "63"])
        server = self.stand_in(battery(rs485=rs485))
        self.open(server.address)
        self.browser.shows(".link", "/dev/ttyUSB1, pylontech")
        self.browser.shows(".link", "asks 61, 63, 3\u00a0s ago")
        self.browser.shows(".link", "values and limits")
        server.views = [battery(rs485=rs485 | dict(up=False, heartbeat=False, says="off", requests=[], fault="no such port"))]
        self.browser.shows(".link", "pylontech – No such port")
        self.browser.shows(".link", "limits of 0")
        server.views = [battery(rs485={key: value for key, value in rs485.items() if key != "heartbeat"})]
        self.browser.shows(".link", "not known yet")

    def test_a_bms_that_tells_no_charge_left_and_settings_of_the_gx(self):
        view = battery(gx_settings=[
            dict(key="max_charge_current_a", name="MaxChargeCurrent", holds="gx", gx="80", configuration="100", text="…", remedy="…"),
            dict(key="max_cell_voltage_v", name="MaxCellVoltage", holds="configuration", gx="3.9", refused="too much for LFP", text="…", remedy="…")])
        del view["remaining_ah"]
        self.open(self.stand_in(view).address)
        self.browser.shows(".gauge", "≈ 174 of 280 Ah")
        self.browser.shows(".gx li", "max_charge_current_a = 80 applies, set as MaxChargeCurrent on the GX; the configuration has 100.")
        self.browser.shows(".gx li:nth-child(2)", "MaxCellVoltage = 3.9 on the GX is refused: too much for LFP.")

    def cut_off(self):
        """Texts of the charts that extend beyond their picture."""
        return self.browser.js("""return [...document.querySelectorAll('.plot svg')].flatMap((svg) => {
            const all = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('text')].filter((text) => { const it = text.getBoundingClientRect(); return it.left < all.left - 0.5 || it.right > all.right + 0.5; });
        }).map((text) => text.textContent)""")

    def test_ranges_and_the_cursor(self):
        server = self.stand_in(battery())
        self.open(server.address)
        for name in RANGES:
            self.browser.one(f"[data-range={name}]").click()
            wait(f"the {name} is drawn", lambda: self.browser.js("return document.querySelector('.history').dataset.filled") == name)
            self.assertEqual([button.get_attribute("data-range") for button in self.browser.all(".ranges [aria-pressed=true]")], [name])
            self.assertEqual(len(self.browser.all(".plot svg")), 6)
            self.assertEqual(self.cut_off(), [], f"the {name}: all words are within the picture")
            for plot in self.browser.all(".plot"):
                self.assertGreaterEqual(len(plot.find_elements("css selector", "text")), 5, "both axes have words")
        self.assertGreaterEqual(len(self.browser.all("rect.column")), 20, "energy of a month in bars")
        self.browser.one("[data-range=year]").click()
        wait("the year is drawn", lambda: self.browser.js("return document.querySelector('.history').dataset.filled") == "year")
        self.assertEqual([figure.text.split("\n")[0] for figure in self.browser.all(".history figure") if figure.is_displayed()], ["Energy in and out"])
        self.assertGreaterEqual(len(self.browser.all("rect.column")), 80, "a year by weeks")
        self.assertEqual(self.cut_off(), [])
        self.browser.one("[data-range=day]").click()
        wait("the day is drawn", lambda: self.browser.js("return document.querySelector('.history').dataset.filled") == "day")
        self.assertEqual(len(self.browser.all(".history figure:first-of-type .line")), 2, "a gap is a gap")
        self.assertTrue(self.browser.all(".history figure:first-of-type .hang.other"), "what is not allowed hangs into the picture of the power")
        told = get(f"{server.address}api/v1/history?id=x&range=day")
        for part, column in zip(self.browser.all(".history figure:nth-of-type(3) .legend b"), ["charged_wh", "discharged_wh"]):
            self.assertAlmostEqual(float(part.text.split()[0]), sum(wh or 0 for wh in told[column]) / 1000, delta=0.3, msg=column)
        plot = self.browser.all(".plot")[0]
        ActionChains(self.browser.driver).scroll_to_element(plot).move_to_element(plot).perform()
        read = wait("a read-out", lambda: self.browser.text(".history figure .at"))
        self.assertEqual({self.browser.js("return arguments[0].textContent", at) for at in self.browser.all(".history figure:not(:nth-of-type(3)) .at")}, {read}, "in all charts")
        plot.send_keys(Keys.ARROW_LEFT)
        earlier = wait("a step to the left", lambda: self.browser.text(".history figure .at") != read and self.browser.text(".history figure .at"))
        self.assertIn(earlier, plot.get_attribute("aria-valuetext"))
        plot.send_keys(Keys.ESCAPE)
        wait("no cursor", lambda: not self.browser.text(".history figure .at"))

    def test_limits_hang_into_the_power_in_the_colour_and_with_the_name_of_their_rule(self):
        now = time.time()
        server = self.stand_in(*house_bank())
        server.log = felt_limits(now) + [dict(entry, id="b3", name="Battery 3") for entry in log_entries(now) if entry["kind"] != "full"]
        server.log.insert(0, dict(server.log[-1], kind="limit", what="discharge", id="bank_house", rule="lowest_cell_voltage", at=int(now - 20_000), ended=int(now - 15_000), value=4.0))
        self.open(server.address)
        figure = wait("three curtains with a rule", lambda: len(self.browser.all(".history figure:first-of-type .hang:not(.other)")) == 3 and self.browser.one(".history figure:first-of-type"))
        hangs = self.browser.js("""const svg = arguments[0].querySelector('svg'), box = svg.getBoundingClientRect();
            return Object.fromEntries([...svg.querySelectorAll('.hang:not(.other)')].map((path) => [path.textContent, (({ left, right, top, bottom }) =>
                [path.classList[1], (left - box.left - 54) / (box.width - 62), (right - box.left - 54) / (box.width - 62), top - box.top < 11, bottom - box.top > box.height - 23])(path.getBoundingClientRect())]))""", figure)
        expected = {"Your temporary limit": ("own", 86_400 - 7920, 86_400, True, False), "The highest cell is close to its limit": ("cell", 36_400, 41_400, True, False), "The lowest cell is nearly empty": ("cell", 66_400, 71_400, False, True)}
        self.assertEqual(set(hangs), set(expected))
        for name, (colour, start, end, above, below) in expected.items():
            self.assertEqual(hangs[name][0], colour, name)
            self.assertAlmostEqual(hangs[name][1], start / 86_400, delta=0.006, msg=name)
            self.assertAlmostEqual(hangs[name][2], end / 86_400, delta=0.006, msg=name)
        self.assertEqual([hangs[name][3] for name in list(expected)[:2]], [True, True], "from above")
        self.assertTrue(hangs["The lowest cell is nearly empty"][4], "charging from above, discharging from below")
        words = [node.text.strip() for node in self.browser.all(".ruleshown li")]
        self.assertEqual(sorted(words), sorted(expected), "told beside the picture as well")
        fills = self.browser.js("return ['own', 'cell', 'other'].map((name) => getComputedStyle(document.querySelector(`.hatch.${name}`)).fill)")
        self.assertEqual(len(set(fills)), 3)
        self.assertEqual([node.get_attribute("class") for node in self.browser.all(".history .point")], ["point override", "point silence"])
        # The log of a battery in a bank knows no limit: that of the bank applies.
        self.open(server.address + "#b1")
        wait("the charts", lambda: self.browser.all(".plot svg"))
        self.assertEqual(self.browser.all(".ruleshown li"), [])

    def test_recordings_of_faults_are_listed_and_downloaded(self):
        server = self.stand_in(battery())
        self.open(server.address)
        wait("the panels", lambda: self.browser.all(".recordingcard"))
        self.assertFalse(self.browser.all(".recordingcard")[0].is_displayed(), "nothing without a recording")
        server.recordings = [dict(file=f"rec-{n}.bmsrec", at=int(time.time()) - n * 3600, bytes=20, why=why, content=f"recorded {n}") for n, why in [(1, "the battery went silent"), (2, "a limit fell to 0")]]
        self.browser.driver.refresh()
        wait("both", lambda: len(self.browser.all(".recordingcard li")) == 2)
        self.browser.shows(".recordingcard li:nth-child(2)", "a limit fell to 0")
        with tempfile.TemporaryDirectory() as folder:
            self.browser.cdp("Page.setDownloadBehavior", behavior="allow", downloadPath=folder)
            self.browser.all(".recordingcard a")[1].click()
            file = pathlib.Path(folder) / "rec-2.bmsrec"
            wait("the file", file.exists)
            wait("all of it", lambda: file.read_text() == "recorded 2")
        self.assertEqual(self.browser.violations(), [])

    def test_alarms_are_counted_as_alarms_and_the_mosfets_stand_among_the_temperatures(self):
        alarm = dict(name="cell_high_voltage", level="alarm", text="x", remedy="y", cell=3)
        self.open(self.stand_in(battery("a", "Left", alarms=[alarm]), battery("b", "Right")).address)
        self.browser.shows("nav a .mark", "alarms: 1")
        self.browser.shows(".temperatures", "BMS MOSFETs")
        self.assertNotIn("°C", self.browser.text(".switches"))

    def test_a_name_keeps_its_letters(self):
        alarm = dict(name="cell_high_voltage", level="alarm", text="x", remedy="y", cell=3)
        limits = battery()["limits"] | dict(cvl_why="ttyUSB1: something new", ccl_why="something new")
        self.open(self.stand_in(battery("a", "ttyUSB0", alarms=[alarm], limits=limits), battery("b", "Right")).address + "#a")
        self.browser.shows(".alarms li span", "ttyUSB0 · cell 3")
        self.browser.shows(".limits", "ttyUSB1: something new")
        self.browser.shows(".limits", "Something new")

    def test_sections_stay_at_hand_on_a_phone(self):
        self.browser.window(PHONE)
        self.open(self.stand_in(*house_bank()).address)
        wait("the log", lambda: self.browser.all(".logcard"))
        self.browser.js("scrollTo(0, document.documentElement.scrollHeight)")
        inside = "return [...document.querySelectorAll('#sections a')].filter((a) => a.offsetWidth).map((a) => a.getBoundingClientRect()).filter((box) => box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth).length"
        wait("five links in view at the end of the page", lambda: self.browser.js(inside) == 5)

    def test_languages_and_colours_are_chosen_and_remembered(self):
        self.open(self.stand_in(battery()).address)
        background = lambda: self.browser.js("return getComputedStyle(document.body).backgroundColor")
        light = background()
        self.browser.prefer(prefers_color_scheme="dark")
        dark = background()
        self.assertNotEqual(light, dark, "as the system wishes")
        self.choose("theme", "light")
        self.assertEqual(background(), light)
        self.choose("language", "de")
        self.browser.shows("h2", "Jetzt")
        self.browser.shows(".charge", "52,97\u00a0V")
        self.browser.driver.refresh()
        self.browser.shows("h2", "Jetzt")
        self.assertEqual((background(), self.browser.js("return document.documentElement.lang")), (light, "de"))

    def test_the_browser_says_the_language(self):
        german = Browser("de-AT,en")
        try:
            german.open(self.stand_in(battery()).address)
            german.shows("#panels h2", "Jetzt")
            self.assertEqual(german.complaints(), [])
        finally:
            german.quit()
        self.open(self.stand_in(battery()).address)

    def test_everything_is_reached_by_keyboard_and_seen(self):
        self.open(self.stand_in(battery("a", "Left"), battery("b", "Right", commands=["charge"])).address + "#b")
        wait("charts", lambda: len(self.browser.all(".plot svg")) == 6)
        can = self.browser.js("return [...document.querySelectorAll('a, button, select, input, .plot')].filter((e) => e.offsetParent || e.matches('.skip')).length")
        body, seen = self.browser.one("body"), []
        for _ in range(can):
            body.send_keys(Keys.TAB)
            focused = self.browser.driver.switch_to.active_element
            seen.append(focused.id)
            outline = self.browser.js("const s = getComputedStyle(arguments[0]); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2", focused)
            self.assertTrue(outline, f"focus is seen on {focused.get_attribute('outerHTML')[:120]}")
        self.assertEqual(len(set(seen)), can, "each has its turn")
        self.browser.one("body").send_keys(Keys.HOME)
        self.browser.js("document.querySelector('.skip').focus()")
        self.browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
        self.assertEqual(self.browser.driver.switch_to.active_element.get_attribute("id"), "main")
        self.browser.shows("nav a[aria-current]", "Right")
        self.browser.one("[data-range=week]").send_keys(Keys.SPACE)
        wait("chosen by key", lambda: self.browser.all("[data-range=week][aria-pressed=true]"))

    def test_nothing_is_too_wide_for_a_phone(self):
        self.browser.window(PHONE)
        for language in ["en", "de", "fr", "es", "nl"]:
            alarm = dict(name="high_discharge_current", level="warning", text="x", remedy="y")
            self.open(self.stand_in(battery(name="The battery with the very long name in the shed behind the house", alarms=[alarm], commands=["charge"])).address)
            self.choose("language", language)
            wait("charts", lambda: len(self.browser.all(".plot svg")) == 6)
            wide = self.browser.js("return [...document.querySelectorAll('#panels *, header *')].filter((e) => !e.closest('svg, .hidden') && e.getBoundingClientRect().right > innerWidth + 0.5).map((e) => e.outerHTML.slice(0, 120))")
            self.assertEqual(wide, [])
            small = self.browser.js("return [...document.querySelectorAll('button, select, nav a')].filter((e) => e.offsetParent && (e.offsetHeight < 24 || e.offsetWidth < 24)).length")
            self.assertEqual(small, 0, "everything can be hit with a finger")

    def test_no_motion_where_none_is_wanted(self):
        self.open(self.stand_in(battery()).address)
        running = lambda: self.browser.js("return document.getAnimations().length")
        wait("the arrows move", lambda: running() > 0)
        self.browser.prefer(prefers_reduced_motion="reduce")
        wait("they stand still", lambda: running() == 0)

    def test_it_is_accessible(self):
        alarm = dict(name="cell_high_voltage", level="warning", text="A cell's voltage is too high.", remedy="Let it discharge a little.")
        views = [battery("a", "Left", alarms=[alarm, {**alarm, "level": "alarm"}], notes=["a note"], commands=["charge"], discharge_fet=False), silent(battery("b", "Right"), 12.0)]
        address = self.stand_in(*views).address
        for theme in ["light", "dark"]:
            self.browser.prefer(prefers_color_scheme=theme)
            for size in [DESKTOP, PHONE]:
                self.browser.window(size)
                for id in ["a", "b"]:
                    self.open(f"{address}#{id}")
                    wait("charts", lambda: len(self.browser.all(".plot svg")) == 6)
                    self.assertEqual(self.browser.violations(), [], f"{theme}, {size}, {id}")

    def test_a_lost_server_is_accessible_too(self):
        self.expected = ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE"]
        server = self.stand_in(battery())
        self.open(server.address)
        server.stop()
        self.browser.one("#lost")
        for theme in ["light", "dark"]:
            self.browser.prefer(prefers_color_scheme=theme)
            self.assertEqual(self.browser.violations(), [], theme)

    def test_pages_left_behind_let_go_of_their_connection(self):
        server = self.stand_in(battery())
        for _ in range(8):
            self.open(server.address)
        wait("one stream for one page", lambda: server.streams == 1)
        self.browser.driver.back()
        self.browser.driver.back()
        self.browser.shows("#state", "Live")
        wait("the page that came back is live", lambda: server.streams == 1)

    def test_there_are_no_commands_unless_offered(self):
        self.open(self.stand_in(battery()).address)
        self.browser.one(".energycard.alone")
        self.assertEqual([card for card in self.browser.all(".commandcard") if card.is_displayed()], [])
        self.assertEqual(self.browser.requests().count("commands"), 0)

    def test_commands_are_confirmed_sent_with_the_token_and_refusals_are_told(self):
        self.expected = ["401", "409"]
        server = self.stand_in(battery(commands=["charge", "balance"]))
        self.open(server.address)
        card = self.browser.one(".commandcard")
        self.assertFalse(card.find_element("css selector", ".commands").is_displayed(), "not before there is a token")
        enter = lambda token: (self.browser.one("#token").send_keys(token, Keys.ENTER), self.browser.one(".commands"))

        def press(row, word, answer):
            button = next(b for b in self.browser.all(f".commands li:nth-child({row}) button") if b.text == word)
            button.click()
            self.browser.one(f"dialog button[value={answer}]").click()
            wait("the dialog is gone", lambda: not self.browser.all("dialog"))

        self.browser.one("#token").send_keys("wrong", Keys.ENTER)
        self.browser.shows(".commandcard [role=status]", "Wrong token")
        self.assertFalse(card.find_element("css selector", ".commands").is_displayed(), "a wrong token opens nothing")
        self.assertEqual(self.browser.js("return sessionStorage.length"), 0)
        self.assertEqual(server.commands, [])
        enter("open sesame")
        press(1, "Off", "no")
        self.assertEqual(server.commands, [], "asked first")
        press(1, "Off", "yes")
        self.browser.shows(".commandcard [role=status]", "has carried out")
        self.assertEqual(server.commands, [("/api/v1/batteries/ttyUSB0/commands", {"command": "charge", "on": False})])
        press(2, "Off", "yes")
        self.browser.shows(".commandcard [role=status]", "Not done: This BMS cannot switch balancing")
        self.assertEqual(self.browser.js("return [sessionStorage.length, localStorage.getItem('token')]"), [1, None], "for this tab only")


def one_silent():
    """A bank of four without one of them: its sums are of the other three."""
    whole, *batteries = house_bank()
    batteries[1] = silent(batteries[1], 74)
    whole.update({key: whole[key] * 3 / 4 for key in ("current_a", "power_w", "capacity_ah", "remaining_ah")})
    modules = whole["modules"] | dict(online=3, offline=1, members=[{**member, "online": member["id"] != "b2"} for member in whole["modules"]["members"]])
    limits = whole["limits"] | dict(ccl_a=60.0, dcl_a=180.0, ccl=whole["limits"]["ccl"] | dict(value=60.0, max=150.0), dcl=whole["limits"]["dcl"] | dict(value=180.0, max=180.0))
    return [{**whole, "modules": modules, "limits": limits}, *batteries]


def discharging():
    """A bank of four in the evening."""
    whole, *batteries = house_bank(current_a=-38.0, power_w=-2010.0, time_to_go_s=41_000, time_to_full_s=None)
    return [whole, *({**one, "current_a": -9.5 - 0.1 * number, "power_w": -503.0, "time_to_go_s": 41_000} for number, one in enumerate(batteries))]


def contact_sheet(browser, folder, states, sizes):
    """`index.html` with all pictures of the states, each beside the one of the mock if MOCK is its file."""
    rows = []
    for name, mock in states.items():
        for size, window in sizes.items():
            for colours in ("light", "dark"):
                own = f"{name}-{size}-{colours}.webp"
                if not (folder / own).exists():
                    continue
                pictures = [own]
                if MOCK:
                    browser.window(window)
                    browser.open(f"{pathlib.Path(MOCK).resolve().as_uri()}#{'&'.join(part for part in (mock, colours) if part)}")
                    time.sleep(0.3)
                    browser.picture(folder / f"mock-{own}")
                    pictures.append(f"mock-{own}")
                images = "".join(f'<td><img src="{picture}" width="{min(window[0], 800)}" loading="lazy" alt="{picture}">' for picture in pictures)
                rows.append(f"<tr><th colspan=2>{name}, {size} px, {colours}<tr>{images}")
    (folder / "index.html").write_text(f"<!doctype html><meta charset=utf-8><title>States of the page</title><style>td {{ vertical-align: top; background: #888 }}</style><table>{''.join(rows)}</table>\n")


class HealthOfCells(Case):
    """The section that says how the cells are."""

    def test_a_cell_that_does_not_get_full_is_at_least_so_far_behind(self):
        late = health()
        late.update(
            imbalance_ah=6.6, offset_ah=[0.1] * 4 + [-6.5] + [0.1] * 11, at_least=[cell == 4 for cell in range(16)],
            findings=[dict(kind="behind", cell=5, since=1_793_318_400, certainty="high", text="cell 5", remedy="wait")])
        server = self.stand_in(battery(health=late))
        self.open(server.address)
        self.browser.shows(".health .banner", "cell 5: less charged than the others when the battery is full: at least 6.5\u00a0Ah")
        self.browser.shows(".healths tbody tr", "at least 6.6\u00a0Ah")
        # The mark in the strip is for resistances, and this one is like the others.
        self.assertEqual(len(self.browser.all(".healths circle")), 16)
        self.assertFalse(self.browser.all(".healths circle.found"))
        # All of them get full: the values are what they are.
        del late["at_least"]
        self.open(self.stand_in(battery(health=late)).address)
        self.browser.shows(".health .banner", "when the battery is full: 6.5\u00a0Ah")
        self.assertNotIn("at least", self.browser.one(".health").text)


    def test_a_phone_shows_a_row_of_it_as_a_block_with_titles(self):
        server = self.stand_in(battery(health={**health(), "days": 0.6}))
        self.browser.window(PHONE)
        self.addCleanup(self.browser.window, DESKTOP)
        self.open(server.address)
        self.browser.shows(".healths tbody th", "learned over 1 day")
        script = """const box = (node) => node.getBoundingClientRect();
            const card = box(document.querySelector('.card.health')), cells = [...document.querySelectorAll('.healths tbody :is(th, td)')];
            return { borders: cells.filter((node) => getComputedStyle(node).borderTopStyle !== 'none').length, strip: box(document.querySelector('.healths svg')).width / card.width,
              dot: box(document.querySelector('.healths circle')).width, title: getComputedStyle(document.querySelector('.healths td:nth-child(3)'), '::before').display }"""
        shown = self.browser.driver.execute_script(script)
        self.assertEqual((shown["borders"], shown["title"]), (0, "block"), shown)
        self.assertGreater(shown["strip"], 0.8, shown)
        self.assertGreater(shown["dot"], 5, shown)


class States(Case):
    """Each state of the page on each width, light and dark: nothing sideways, nothing inaccessible.

    With STATES_TO a picture of each, and a sheet of all: see README.md.
    """

    SIZES = {"1280": (1280, 900), "820": (820, 1180), "390": (390, 844), "360": (360, 740)}
    STATES = {
        "bank": (house_bank, ""), "battery": (house_bank, "#b3"), "bank-of-16": (lambda: house_bank(16), ""), "one-silent": (one_silent, ""),
        "discharging": (discharging, ""), "kiosk": (house_bank, "?kiosk"),
    }
    # The same states of the mock.
    SHEET = {"bank": "", "battery": "b3", "bank-of-16": "many", "one-silent": "stale", "no-connection": "offline", "discharging": "evening", "kiosk": "kiosk"}

    @classmethod
    def tearDownClass(cls):
        if STATES_TO:
            contact_sheet(cls.browser, pathlib.Path(STATES_TO), cls.SHEET, cls.SIZES)

    def show(self, views, where):
        server = self.stand_in(*views)
        now = time.time()
        server.log = felt_limits(now) + [dict(entry, id="b3", name="Battery 3") for entry in log_entries(now)]
        server.limited = limited_days(now)
        server.recordings = [dict(file="one.bmsrec", at=int(now) - 86_400, bytes=9, why="the battery went silent", content="a reading")]
        self.open(server.address + where)
        wait("a row or bar per cell", lambda: self.browser.all(".row .tile[data-at], .cells li"))
        # Of the past, too, before it is judged.
        wait("the past", lambda: where == "?kiosk" or self.browser.all(".log li") and self.browser.all(".days li"))
        return server

    def holes(self):
        """Places among the cards that no card covers, as [x, y]: one for each twelfth of the width and 40 px of the height."""
        return self.browser.js("""
            const boxes = [...document.querySelector('#panels').children].filter((node) => node.offsetHeight).map((node) => node.getBoundingClientRect());
            const all = document.querySelector('#panels').getBoundingClientRect(), bottom = Math.max(...boxes.map((box) => box.bottom)), gap = 24, found = [];
            for (let x = all.left + all.width / 24; x < all.right; x += all.width / 12) for (let y = Math.min(...boxes.map((box) => box.top)); y < bottom; y += 40)
                if (!boxes.some((box) => x > box.left - gap && x < box.right + gap && y > box.top - gap && y < box.bottom + gap)) found.push([Math.round(x), Math.round(y)]);
            return found""")

    def cut_off(self):
        """Names and labels that do not fit into their places."""
        return self.browser.js("""
            return [...document.querySelectorAll('.who a, .days .d, #sections a, nav strong, .card:not(.charge) h2')].filter((node) => node.offsetWidth && getComputedStyle(node).visibility === 'visible' && getComputedStyle(node).overflow !== 'visible'
                && node.scrollWidth > node.clientWidth).map((node) => node.textContent)""")

    def judge(self, name):
        for size, window in self.SIZES.items():
            self.browser.window(window)
            for colours in ("light", "dark") if size == "1280" or STATES_TO else ("light",):
                self.browser.prefer(prefers_color_scheme=colours, prefers_reduced_motion="reduce")
                with self.subTest(state=name, size=size, colours=colours):
                    self.assertLessEqual(self.browser.js("return document.documentElement.scrollWidth"), window[0], "no sideways scroll")
                    self.assertEqual(self.holes(), [], "cards leave no empty place")
                    self.assertEqual(self.cut_off(), [], "no text is cut off")
                    # Once per layout: it takes seconds for 256 cells.
                    if size in ("1280", "390") and (size == "1280" or colours == "light"):
                        self.assertEqual(self.browser.violations(), [])
                if STATES_TO:
                    self.browser.picture(pathlib.Path(STATES_TO) / f"{name}-{size}-{colours}.webp")

    def test_every_state_has_its_place_on_the_sheet(self):
        self.assertEqual(set(self.SHEET), {*self.STATES, "no-connection"})

    def test_every_state_fits_and_is_accessible(self):
        for name, (views, where) in self.STATES.items():
            self.show(views(), where)
            self.judge(name)

    def test_a_narrower_window_fits_before_the_charts_are_drawn_anew(self):
        script = self.browser.cdp("Page.addScriptToEvaluateOnNewDocument", source="ResizeObserver.prototype.observe = function () {}")
        self.addCleanup(self.browser.cdp, "Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])
        self.browser.window(self.SIZES["820"])
        self.show(house_bank(), "")
        wait("a chart", lambda: self.browser.all(".plot svg"))
        self.browser.window(self.SIZES["390"])
        self.assertEqual(self.browser.js("return document.documentElement.scrollWidth"), 390)

    def test_without_a_connection_it_fits_and_is_accessible(self):
        self.expected = ["ERR_", "Failed to load"]
        server = self.show(house_bank(), "")
        server.stop()
        self.browser.shows("#lost", "The connection to the driver was lost")
        self.judge("no-connection")
        self.assertTrue(all(button.get_attribute("disabled") for button in self.browser.all(".commandcard button")), "nothing can be switched")

    def test_a_wall_has_no_controls_and_shows_the_last_alarm(self):
        self.show(house_bank(), "?kiosk")
        self.browser.window((1280, 800))
        self.browser.shows(".lastalarm", "No alarm. The last one:")
        self.browser.shows(".lastalarm", "Battery 3 · cell 7 · 3.612\u00a0V, 6\u00a0min")
        self.assertRegex(self.browser.text("#clock"), r"\d\d:\d\d")
        shown = [node.tag_name for node in self.browser.all("button, select, input, form, a") if node.is_displayed() and not node.get_attribute("data-at") and "who" not in node.find_element("xpath", "..").get_attribute("class")]
        self.assertEqual(shown, [])
        self.assertLessEqual(self.browser.js("return document.documentElement.scrollHeight"), 800, "all on one screen")

    def test_sections_are_reached_by_links_and_the_battery_stays(self):
        self.show(house_bank(), "#b3")
        shown = lambda: [link for link in self.browser.all("#sections a") if link.is_displayed()]
        wait("links to what is there", lambda: [link.text for link in shown()] == ["Now", "Cells", "History", "Log", "Energy", "Control"])
        links = shown()
        links[3].click()
        wait("the log in view", lambda: 0 <= self.browser.js("return document.querySelector('#h-logcard').getBoundingClientRect().top") < 700)
        self.assertEqual(self.browser.text("#which"), "Battery 3")


class Demo(Case):
    """Tests with the program itself: `demo`, with four simulated batteries as a bank."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.process, cls.base = start_demo()
        cls.addClassCleanup(end, cls.process)

    def api(self, path="batteries"):
        return get(f"{self.base}api/v1/{path}")

    def batteries(self):
        return wait("four batteries and a bank", lambda: len(all := self.api()["batteries"]) == 5 and all, 90)

    def test_batteries_stand_in_their_natural_order(self):
        names = [f"Battery {n}" for n in range(1, 5)]
        views = self.batteries()
        self.assertEqual([view["name"] for view in views if view["kind"] == "battery"], names)
        self.assertEqual([member["name"] for view in views for member in view.get("modules", {}).get("members", [])], names)
        self.open(f"{self.base}#bank_demo")
        wait("four rows", lambda: [row.get_attribute("textContent") for row in self.browser.all(".map .who")] == ["Battery", *names])

    def battery(self):
        return next(view for view in self.batteries() if view["kind"] == "battery")

    def test_cells_are_those_of_the_api_and_change(self):
        id = self.battery()["id"]
        self.open(f"{self.base}#{id}")
        shown = lambda: [node.text for node in self.browser.all(".cells .v")]
        told = lambda: [f"{volts:.3f}" for volts in self.api(f"batteries/{id}")["cell_voltages_v"]]
        first = wait("the cells of the API on the page", lambda: (page := shown()) and len(page) == 16 and page == told() and page)
        wait("they change", lambda: shown() != first, 60)
        again = wait("and are still those of the API", lambda: (page := shown()) and page == told() and page)
        self.assertNotEqual(again, first)

        def as_tall_as_said():
            end = self.browser.js("return +document.querySelector('.range').textContent.match(/[0-9]+/)[0]")
            pairs = self.browser.js("return [...document.querySelectorAll('.cells li')].map((li) => [+li.dataset.v,"
                                    " li.querySelector('i').getBoundingClientRect().height / li.querySelector('.col').getBoundingClientRect().height])")
            middle = sorted(volts for volts, _ in pairs)
            middle = (middle[7] + middle[8]) / 2
            return all(abs(min(1, abs(volts - middle) * 1000 / end) / 2 - share) < 0.03 for volts, share in pairs)

        wait("the bars are as tall as the cells are said to be", as_tall_as_said)

    def test_values_are_live(self):
        self.open(f"{self.base}#{self.battery()['id']}")
        seen = {css: self.browser.text(css) for css in [".power", ".flowfact .d", ".cellcard .summary"]}
        for css, before in seen.items():
            wait(f"{css} changes", lambda: self.browser.text(css) != before, 60)
        self.browser.shows("#state", "Live")
        asked = [url for url in self.browser.requests() if "/batteries" in url]
        self.assertLessEqual(len(asked), 3, "by the stream, not by asking again and again")

    def test_what_the_page_says_is_what_the_api_says(self):
        id = self.battery()["id"]
        self.open(f"{self.base}#{id}")
        def same():
            view = self.api(f"batteries/{id}")
            limits = view["limits"]
            page = self.browser.text("#panels").replace("\u00a0", " ")
            missing = [text for text in (f"{view['voltage_v']:.2f} V", f"{view['soc_pct']:.0f} %", f"{limits['cvl_v']:.2f} V", f"{limits['ccl_a']:.1f} A",
                                         f"{limits['dcl_a']:.1f} A", *(f"{degrees:.1f} °C" for degrees in view["temperatures_c"])) if text not in page]
            return not missing
        wait("all values of the API on the page", same, 60)

    def test_within_two_minutes_a_simulated_battery_raises_an_alarm(self):
        self.open(f"{self.base}#bank_demo")
        wait("one battery with an alarm in the navigation", lambda: any("alarms: 1" in link.text for link in self.browser.all("nav a:not(.bank)")), 150)
        next(link for link in self.browser.all("nav a:not(.bank)") if "alarms: 1" in link.text).click()
        self.browser.shows(".alarms li strong", "The battery is too cold")
        self.browser.shows(".alarms li span", "Warm the room")
        self.browser.shows(".temperatures", "−4.")

    def test_the_past_of_the_demo_is_worth_a_look(self):
        self.batteries()
        self.open(f"{self.base}#bank_demo")
        self.browser.shows(".log", "Alarm: A cell's voltage is too high.", 30)
        self.browser.shows(".log", "Battery 3 · cell 11")
        self.browser.one("[data-days=week]").click()
        self.browser.shows(".causes", "Battery 3 · cell 11", 30)
        self.assertGreaterEqual(len([day for day in self.browser.all(".days li") if "kWh in" in day.text]), 7)
        wait("the weak cell", lambda: self.browser.all(".row .tile[data-at='2 10']"))
        self.browser.all(".row .tile[data-at='2 10']")[0].click()
        self.browser.shows(".members .cellday", "from")
        # The chart tells by which rule the charge was held.
        wait("a rule in the chart of the week", lambda: self.choose_range("week") and self.browser.all(".ruleshown li"))
        if STATES_TO:
            self.browser.picture(pathlib.Path(STATES_TO) / "demo.webp")

    def choose_range(self, name):
        self.browser.one(f"[data-range={name}]").click()
        return wait(f"the {name} is read", lambda: self.browser.js("return document.querySelector('.history').dataset.filled") == name)

    def test_its_token_opens_the_commands(self):
        self.open(f"{self.base}#{self.battery()['id']}")
        self.browser.one("#token").send_keys("demo-demo-demo-demo", Keys.ENTER)
        self.browser.one(".limitform")

    def test_ranges_are_read(self):
        self.open(f"{self.base}#{self.battery()['id']}")
        for name in [*RANGES, "year"]:
            self.browser.one(f"[data-range={name}]").click()
            wait(f"the {name} is read", lambda: self.browser.js("return document.querySelector('.history').dataset.filled") == name)
            self.assertTrue(any(f"range={name}" in url for url in self.browser.requests()))
        self.browser.one("[data-range=hour]").click()
        wait("something of this hour is drawn", lambda: self.browser.all(".history figure:first-of-type .series > *"), 60)

    def test_both_languages_and_colours_are_accessible(self):
        self.open(self.base)
        for language, word in [("en", "Now"), ("de", "Jetzt")]:
            self.choose("language", language)
            self.browser.shows(".charge h2", word)
            for theme in ["light", "dark"]:
                self.choose("theme", theme)
                self.assertEqual(self.browser.violations(), [], f"{language} {theme}")

    def test_the_policy_forbids_what_is_from_elsewhere(self):
        with urllib.request.urlopen(self.base, timeout=5) as answer:
            policy = dict(rule.strip().split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split(";"))
        self.assertLessEqual({"default-src", "base-uri", "frame-ancestors"}, set(policy))
        self.assertLessEqual({source for sources in policy.values() for source in sources.split()}, {"'none'", "'self'", "data:"})
        self.open(self.base)
        self.browser.js("const s = document.createElement('script'); s.textContent = 'window.foreign = 1'; document.head.append(s)")
        self.assertIsNone(self.browser.js("return window.foreign ?? null"))
        self.expected = ["Content Security Policy"]


class DemoThatEnds(Case):
    """The program is stopped while the page is open."""

    def test_the_page_says_so_and_finds_its_successor(self):
        self.expected = ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE"]
        process, base = start_demo()
        self.addCleanup(end, process)
        self.open(base)
        self.browser.shows("#state", "Live")
        end(process)
        self.browser.shows("#state", "No connection")
        self.browser.shows("#lost", "last values")
        process, again = start_demo()
        self.addCleanup(end, process)
        if again == base:
            self.browser.shows("#state", "Live", 60)


def start_demo():
    """The program and the address of its page."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([os.environ["BINARY"], "--log", "info", "demo"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)

        def address():
            log.seek(0)
            text = log.read()
            assert process.poll() is None, text
            found = re.search(r"open (http://\S+/)", text)
            return found and found[1]

        base = wait("the demo says where its page is", address, 60)
        wait("its page is served", lambda: serves(base), 60)
        return process, base


def serves(base):
    """The address is said before the batteries are found."""
    try:
        return urllib.request.urlopen(base, timeout=10).status == 200
    except OSError:
        return False


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(30)


class Pictures(Case):
    """Pictures for the documentation, on request."""

    show = States.show

    def test_pictures(self):
        for where, theme in [("", "light"), ("#b3", "dark")]:
            self.show(house_bank(), where)
            self.browser.prefer(prefers_color_scheme=theme, prefers_reduced_motion="reduce")
            for size, kind, height in [(DESKTOP, "", 1560), (PHONE, "-phone", 1500)]:
                self.browser.window(size)
                wait("charts", lambda: len(self.browser.all(".plot svg")) >= 6)
                self.browser.picture(pathlib.Path(PICTURES) / f"dashboard{kind}-{theme}.webp", height)


if not PICTURES:
    del Pictures

if __name__ == "__main__":
    unittest.main()

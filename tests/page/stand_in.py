"""A stand-in for the program: the page's files from the source, and an API controlled by the test.

For states that a simulated battery does not show immediately: a bank, silence, refused commands.
"""

import http.server
import json
import math
import pathlib
import re
import socketserver
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "src/output/web"
POLICY = "default-src 'self'"


def files():
    """The files served by the program, from its own table."""
    rows = re.findall(r'asset!\("([^"]+)", "([^"]+)", "([^"]+)"\)', (SOURCE / "assets.rs").read_text())
    return {path: (kind, SOURCE / "page" / name) for path, name, kind in rows}


def battery(id="ttyUSB0", name="House battery", **changes):
    cells = [3.312, 3.309, 3.305, 3.313, 3.31, 3.308, 3.324, 3.309, 3.311, 3.313, 3.31, 3.307, 3.312, 3.309, 3.311, 3.31]
    view = dict(
        id=id, name=name, kind="battery", connection="/dev/ttyUSB0", service=f"com.victronenergy.battery.{id}", product="LLT / JBD", control=True,
        freshness="fresh", age_s=0.4, bms="jbd", voltage_v=52.97, current_a=-18.3, power_w=-969.4, soc_pct=62.0, soh_pct=98.0, remaining_ah=173.6,
        capacity_ah=280.0, cycles=41, cell_count=16, cell_voltages_v=cells, cell_min_v=3.305, cell_min_no=3, cell_max_v=3.324, cell_max_no=7,
        cell_delta_v=0.019, temperatures_c=[21.4, 22.0], temperature_c=21.7, mos_temperature_c=27.5, charge_fet=True, discharge_fet=True, balancing=True,
        balancing_cells=[7], balance_allowed=True, alarms=[], notes=[], time_to_go_s=34152,
        limits=dict(cvl_v=55.2, ccl_a=50.0, dcl_a=60.0, mode="bulk", cvl_why="charge voltage", ccl_why="default maximum", dcl_why="default maximum"),
        history=dict(charged_kwh=123.4, discharged_kwh=118.2, voltage_min_v=49.8, voltage_max_v=55.4, since_full_s=180000),
        line=dict(state="good", text="good", ok=41230, lost=12, damaged=3, foreign=0),
        can=dict(interface="can0", profile="pylontech", up=True, heartbeat=True, says="all"), model="JBD-SP25S003-L16S-100A", chemistry="lfp",
    )
    return {key: value for key, value in {**view, **changes}.items() if value is not None}


def silent(view, seconds):
    """The view of a battery whose last reading has this age."""
    measured = "voltage_v current_a power_w soc_pct cell_voltages_v cell_min_v cell_max_v cell_delta_v temperatures_c temperature_c alarms time_to_go_s".split()
    freshness = "stale" if seconds < 60 else "silent" if seconds < 300 else "lost"
    limits = {**view["limits"], "ccl_a": 0.0, "ccl_why": "no data from the BMS", "mode": "hold"}
    return {**view, **dict.fromkeys(measured), "freshness": freshness, "age_s": seconds, "limits": limits}


def history(range_, now, scale=1, log=()):
    """Sunny days, times `scale`; without data for a while of `day`. Limits of the log hold for their time."""
    if range_ == "year":
        day = lambda back: time.strftime("%Y-%m-%d", time.gmtime(now - back * 86400))
        return {"range": range_, "days": [dict(date=day(back), charged_kwh=8.1, discharged_kwh=7.4) for back in range(300, -1, -1)]}
    length, step = {"hour": (3600, 60), "day": (86400, 300), "week": (604800, 900), "month": (2678400, 3600)}[range_]
    out = {key: [] for key in "t age_s soc_pct power_w charged_wh discharged_wh voltage_v current_a cell_delta_v ccl_a dcl_a cvl_v".split()}
    for at in range(int((now - length) // step * step), int(now), step):
        hour = at % 86400 / 3600
        power = scale * (2600 * max(0, math.sin((hour - 6) / 12 * math.pi)) ** 1.3 - 480 - 300 * math.exp(-(((hour - 19) / 1.5) ** 2)) + 90 * math.sin(at / 700))
        soc = 55 + 35 * math.sin((hour - 10) / 24 * 2 * math.pi)
        ccl, dcl = scale * (50 if soc < 85 else 22), scale * (60 if soc > 24 else 30)
        for entry in log:
            if entry["kind"] == "limit" and entry["at"] <= at + step / 2 and at <= (entry["ended"] or now):
                # Whatever the sun gives: the limit is felt.
                if entry["what"] == "charge":
                    ccl, power = entry["value"], entry["value"] * 53
                else:
                    dcl, power = entry["value"], -entry["value"] * 53
        volts = round(52 + soc / 50 + power / scale / 4000, 2)
        row = [at, int(now) - at, round(soc, 1), round(power, 1), max(0, power) * step / 3600, max(0, -power) * step / 3600, volts, round(power / 53, 1), round(0.006 + 0.00025 * max(0, soc - 70), 4),
               ccl, dcl, 55.2 if soc < 88 else 54]
        gone = range_ == "day" and 30_000 < now - at < 32_500
        for key, value in zip(out, row):
            out[key].append(value if key in ("t", "age_s") or not gone else None)
    return {"range": range_, "step_s": step, "now": int(now), **out}


def health(is_bad=False):
    """Health of 16 cells; with a finding about cell 11."""
    ratios = [round(1 + 0.05 * math.sin(cell * 1.7), 3) for cell in range(16)]
    findings = []
    if is_bad:
        ratios[10] = 1.62
        findings = [dict(kind="high", cell=11, since=1_793_318_400, certainty="certain", cause="connection", text="a connection of cell 11", remedy="tighten")]
    return dict(
        days=64.2, full_charges=31, discharges=4, usable_ah=276.4 if not is_bad else 268.0, usable_sd_ah=3.1, imbalance_ah=1.4, imbalance_trend_ah_per_day=-0.02, balancer_wins=not is_bad,
        curve_fits=True, relative_resistance=ratios, findings=findings)


def house_bank(count=4, **changes):
    """A bank of so many batteries, and they; the third has a weak cell and a limit for a while."""
    views = []
    for number in range(1, count + 1):
        volts = [round(3.338 + 0.0012 * math.sin(cell * 2.1 + number * 1.3), 4) for cell in range(16)]
        if number == 3:
            volts[10] = 3.355
        low, high = min(volts), max(volts)
        views.append(battery(
            id=f"b{number}", name=f"Battery {number}", bank="bank_house", cell_voltages_v=volts, cell_min_v=low, cell_max_v=high, cell_min_no=volts.index(low) + 1,
            cell_max_no=volts.index(high) + 1, cell_delta_v=round(high - low, 4), balancing_cells=[11] if number == 3 else [], soc_pct=72.6 + number * 0.3, current_a=19.2 + number * 0.2,
            power_w=1050.0, temperature_max_c=22.4, time_to_go_s=None, commands=["charge", "discharge", "balance"]))
    for number, view in enumerate(views, 1):
        view["health"] = health(number == 3)
    third = views[2 % count]
    third["limits"] = third["limits"] | dict(
        ccl_a=20.0, ccl_why="limit set by the owner for now", dcl_why="configured maximum", ccl=dict(value=20.0, rule="limit_set_by_the_owner_for_now", max=50.0),
        dcl=dict(value=60.0, rule="configured_maximum", max=60.0))
    third["overrides_set"] = [dict(kind="ccl", value_a=20.0, of_s=28_800, until=int(time.time()) + 20_760, by="the dashboard")]
    members = [dict(id=f"b{number}", name=f"Battery {number}", online=True) for number in range(1, count + 1)]
    whole = battery(
        id="bank_house", name="House bank", kind="bank", cell_voltages_v=None, cell_min_v=None, cell_max_v=None, soc_pct=73.0, current_a=19.7 * count, power_w=1050.0 * count, voltage_v=53.4,
        capacity_ah=280 * count, remaining_ah=204 * count, time_to_go_s=None, time_to_full_s=15_300, modules=dict(online=count, offline=0, blocking_charge=0, blocking_discharge=0, members=members),
        limits=dict(
            cvl_v=55.2, ccl_a=20.0 * count, dcl_a=60.0 * count, mode="bulk", cvl_why="charge voltage", ccl_why="Battery 3 has the least headroom: limit set by the owner for now", dcl_why="configured maximum",
            ccl=dict(value=20.0 * count, rule="limit_set_by_the_owner_for_now", battery="Battery 3", max=50.0 * count), dcl=dict(value=60.0 * count, rule="configured_maximum", max=60.0 * count),
            cvl=dict(value=55.2, rule="charge_voltage")))
    return [{**whole, **changes}, *views]


def cells(id, views, now):
    """A day of cells; the one with the highest voltage follows the sun, and was far too high for a while."""
    view = next(view for view in views if view["id"] == id)
    high = view["cell_voltages_v"].index(max(view["cell_voltages_v"]))
    ages = list(range(86_100, -1, -300))
    def deviation(cell, age):
        hour = (now - age) % 86400 / 3600
        quiet = round(2.4 * math.sin(cell * 1.7 + hour / 9), 1)
        return quiet if cell != high else 150 if 30_000 < age < 30_800 else round(quiet + 17 * max(0, math.sin((hour - 6) / 12 * math.pi)), 1)
    count = range(len(view["cell_voltages_v"]))
    return {"id": id, "step_s": 300, "now": int(now), "age_s": ages, "median_v": [3.31] * len(ages), "deviation_mv": [[deviation(cell, age) for age in ages] for cell in count],
            "balanced": [[int(cell == high and age < 20_000) for age in ages] for cell in count]}


def log_entries(now):
    """One of each kind, the newest first."""
    day = 86400
    entry = lambda kind, what, ago, lasted, **more: dict(id="ttyUSB0", name="House battery", kind=kind, what=what, at=int(now - ago), ended=int(now - ago + lasted), active=False, lasted_s=lasted, times=1) | more
    return [
        entry("override", "ccl", 7200, 0, value=20.0, by="the dashboard", active=True, lasted_s=7200),
        entry("silence", "silence", 30_000, 18, times=3),
        entry("full", "full", day, 0),
        entry("alarm", "cell_high_voltage", day + 3000, 360, level="alarm", cell=7, value=3.612, text="A cell's voltage is too high."),
        entry("limit", "charge", day + 4000, 3660, rule="highest_cell_voltage", cell=7, value=26.0),
        entry("line", "losing", 3 * day, 1200, level="warning"),
        entry("switch", "charge", 4 * day, 900, by="the dashboard"),
        entry("cable", "silence", 5 * day, 95, battery="Shed", level="warning"),
        entry("excess", "charge", 6 * day, 60, value=58.0, level="warning"),
    ]


def felt_limits(now, id="bank_house", name="House bank"):
    """Two limits of the last day, as the log has them: by a cell, then by the owner until now."""
    limit = dict(id=id, name=name, kind="limit", what="charge", battery="Battery 3", times=1)
    return [
        limit | dict(rule="limit_set_by_the_owner_for_now", value=80.0, at=int(now - 7920), ended=None, active=True, lasted_s=7920),
        limit | dict(rule="highest_cell_voltage", cell=11, value=26.0, at=int(now - 50_000), ended=int(now - 45_000), active=False, lasted_s=5000),
    ]


def limited_days(now):
    """Today by the owner and the highest cell, yesterday by the cell."""
    rule = lambda rule, limited, felt, **more: dict(direction="charge", rule=rule, limited_s=limited, felt_s=felt, zero_s=0, lowest_a=20.0, to=int(now)) | {"from": int(now - limited)} | more
    date = lambda back: time.strftime("%Y-%m-%d", time.gmtime(now - back * 86400))
    return [
        {"date": date(0), "rules": [rule("limit_set_by_the_owner_for_now", 7920, 7200), rule("highest_cell_voltage", 2460, 1500, cell=7, lowest_a=26.0)]},
        {"date": date(1), "rules": [rule("highest_cell_voltage", 3660, 3000, cell=7, lowest_a=0.0, zero_s=360)]},
    ]


class StandIn(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def __init__(self, views, port=0):
        self.views, self.commands, self.files, self.stopped, self.streams = views, [], files(), False, 0
        self.devices, self.log, self.limited, self.recordings = [], [], [], []
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/"

    def stop(self):
        """As if the program had ended: streams break, connections are refused."""
        self.stopped = True
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, kind, body):
        self.send_response(status)
        for name, value in [("Content-Type", kind), ("Content-Length", str(len(body))), ("Content-Security-Policy", POLICY)]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def json(self, value, status=200):
        self.answer(status, "application/json", json.dumps(value).encode())

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/api/v1/batteries":
            self.json({"batteries": self.server.views})
        elif path == "/api/v1/recordings":
            self.json({"recordings": [{key: value for key, value in one.items() if key != "content"} for one in self.server.recordings]})
        elif found := next((one for one in self.server.recordings if path == f"/api/v1/recordings/{one['file']}"), None):
            self.answer(200, "text/plain; charset=utf-8", found["content"].encode())
        elif path == "/api/v1/devices":
            self.json({"devices": self.server.devices})
        elif path == "/api/v1/history":
            id = re.search(r"id=(\w+)", query)[1]
            scale = next((view["capacity_ah"] / 280 for view in self.server.views if view["id"] == id), 1)
            self.json(history(re.search(r"range=(\w+)", query)[1], time.time(), scale, [entry for entry in self.server.log if entry["id"] == id]))
        elif path == "/api/v1/history/cells":
            self.json(cells(re.search(r"id=(\w+)", query)[1], self.server.views, time.time()))
        elif path == "/api/v1/log":
            kind = re.search(r"kind=(\w+)", query)
            self.json({"now": int(time.time()), "entries": [entry for entry in self.server.log if not kind or entry["kind"] == kind[1]]})
        elif path == "/api/v1/limited":
            self.json({"today": time.strftime("%Y-%m-%d", time.gmtime()), "days": self.server.limited})
        elif path == "/api/v1/events":
            self.events()
        elif path in self.server.files:
            kind, file = self.server.files[path]
            self.answer(200, kind, file.read_bytes())
        else:
            self.answer(404, "text/plain", b"no such page")

    def events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.server.streams += 1
        try:
            while not self.server.stopped:
                for view in self.server.views:
                    self.wfile.write(f"event: view\ndata: {json.dumps(view)}\n\n".encode())
                for device in self.server.devices:
                    self.wfile.write(f"event: device\ndata: {json.dumps(device)}\n\n".encode())
                self.wfile.flush()
                time.sleep(0.2)
        except OSError:
            pass
        finally:
            self.server.streams -= 1

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "{}")
        if self.headers["Authorization"] != "Bearer open sesame":
            return self.json({"error": "wrong token"}, 401)
        if self.path == "/api/v1/token":
            return self.answer(204, "text/plain", b"")
        self.server.commands.append((self.path, body))
        if body["command"] == "balance":
            return self.json({"error": "this BMS cannot switch balancing"}, 409)
        return self.json({})

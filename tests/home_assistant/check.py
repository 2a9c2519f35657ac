"""Starts a broker, two programs with simulated batteries and Home Assistant, and checks what Home Assistant makes of them."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

BINARY, HASS, ROOT = sys.argv[1], sys.argv[2], Path(sys.argv[3])
USER, PASSWORD = "house", "correct-horse"
CLIENT = "http://dbus-bms.test/"
PATIENCE = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Processes:
    def __init__(self, folder):
        self.folder, self.running = folder, {}

    def start(self, name, *command, env=None):
        log = open(self.folder / f"{name}.log", "ab")
        self.running[name] = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **(env or {})}
        )

    def end(self, name, how=signal.SIGTERM):
        process = self.running.pop(name)
        process.send_signal(how)
        process.wait(30)

    def end_all(self):
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


class HomeAssistant:
    """Its websocket and REST interface."""

    def __init__(self, port):
        self.base, self.token, self.number = f"http://127.0.0.1:{port}", None, 0

    async def post(self, path, data, form=False):
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        kind = {"data": data} if form else {"json": data}
        async with self.session.post(self.base + path, headers=headers, **kind) as answer:
            text = await answer.text()
            assert answer.status < 300, (path, answer.status, text)
            return json.loads(text) if text else None

    async def onboard(self):
        self.session = aiohttp.ClientSession()
        for _ in range(PATIENCE):
            try:
                async with self.session.get(self.base + "/api/onboarding") as answer:
                    if answer.status == 200:
                        break
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(1)
        user = {"client_id": CLIENT, "name": "Owner", "username": "owner", "password": "owner-owner", "language": "en"}
        code = (await self.post("/api/onboarding/users", user))["auth_code"]
        grant = {"grant_type": "authorization_code", "code": code, "client_id": CLIENT}
        self.token = (await self.post("/auth/token", grant, form=True))["access_token"]

    async def connect(self):
        self.socket = await self.session.ws_connect(self.base + "/api/websocket", max_msg_size=0)
        await self.socket.receive_json()
        await self.socket.send_json({"type": "auth", "access_token": self.token})
        assert (await self.socket.receive_json())["type"] == "auth_ok"

    async def ask(self, kind, **data):
        self.number += 1
        await self.socket.send_json({"id": self.number, "type": kind, **data})
        while True:
            answer = await self.socket.receive_json()
            if answer.get("id") == self.number and answer["type"] == "result":
                assert answer["success"], answer
                return answer["result"]

    async def states(self):
        return {state["entity_id"]: state for state in await self.ask("get_states")}

    async def until(self, what, is_it, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while True:
            states = await self.states()
            try:
                if is_it(states):
                    print(f"ok: {what}")
                    return states
            except (KeyError, ValueError) as missing:
                what_is_missing = missing
            else:
                what_is_missing = None
            if time.monotonic() > end:
                ours = {key: state["state"] for key, state in states.items() if "battery" in key or "house" in key or "dbus" in key}
                raise AssertionError(f"{what} (missing: {what_is_missing}): {json.dumps(ours, indent=1)}")
            await asyncio.sleep(0.5)

    async def call(self, domain, service, entity, **data):
        await self.ask("call_service", domain=domain, service=service, service_data=data, target={"entity_id": entity})


def configure(folder, name, broker, more):
    path = folder / f"{name}.toml"
    path.write_text(
        f"""{more}
dbus.required = false
dbus.bus = "unix:path={folder}/nobus"
bms = ["jbd"]
[commands]
enabled = true
[mqtt]
enabled = true
host = "127.0.0.1"
port = {broker}
user = "{USER}"
password = "{PASSWORD}"
interval_s = 1
home_assistant = true
commands = true
"""
    )
    return path


def dashboard_entities():
    """The entities of the dashboard in the documentation."""
    text = (ROOT / "docs/examples/home-assistant-dashboard.yaml").read_text()
    found = set(re.findall(r"\b(?:sensor|binary_sensor|switch|number|button)\.[a-z0-9_]+", text))
    return sorted(found - {"button.press"})


async def main():
    with tempfile.TemporaryDirectory(prefix="dbus-bms-ha-") as name:
        folder = Path(name)
        processes = Processes(folder)
        try:
            await check(folder, processes)
        except BaseException:
            print("tests/home_assistant/check.py: failed; the ends of the logs:", file=sys.stderr)
            for log in ["hass", "east", "west", "broker"]:
                path = folder / f"{log}.log"
                if path.exists():
                    print(f"--- {log}", path.read_text(errors="replace")[-6000:], file=sys.stderr)
            raise
        finally:
            processes.end_all()


async def check(folder, processes):
    broker, port = free_port(), free_port()
    passwords = folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, USER, PASSWORD], check=True)
    owner = "user root\n" if os.geteuid() == 0 else ""
    (folder / "mosquitto.conf").write_text(f"{owner}listener {broker} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n")
    processes.start("broker", "mosquitto", "-c", folder / "mosquitto.conf")

    # East has a bank of two batteries with names, west a battery alone.
    for number in (1, 2, 3):
        processes.start(f"board{number}", BINARY, "simulate", "jbd", "--link", folder / f"tty{number}", "--seed", str(number))
    page = free_port()
    names = "".join(f'[battery."jbd_tty{number}"]\nname = "Battery {number}"\n' for number in (1, 2))
    east = configure(folder, "east", broker, f'member_of_bank = true\nbank.in_run = true\nweb.enabled = true\nweb.listen = "0.0.0.0:{page}"')
    east.write_text(east.read_text() + names)
    west = configure(folder, "west", broker, "")
    west.write_text(west.read_text() + '[battery."jbd_tty3"]\nname = "Battery 3"\n')
    start_east = lambda: processes.start(
        "east", BINARY, "run", "--no-dbus", "--config", east, folder / "tty1", folder / "tty2", env={"XDG_STATE_HOME": str(folder / "state-east")}
    )
    for number in (1, 2, 3):
        while not (folder / f"tty{number}").exists():
            await asyncio.sleep(0.1)
    start_east()
    processes.start("west", BINARY, "run", "--no-dbus", "--config", west, folder / "tty3", env={"XDG_STATE_HOME": str(folder / "state-west")})

    config = folder / "hass"
    config.mkdir()
    (config / "configuration.yaml").write_text(
        f"http:\n  server_host: 127.0.0.1\n  server_port: {port}\nlogger:\n  default: warning\n  logs:\n    homeassistant.components.mqtt: info\n"
    )
    processes.start("hass", HASS, "-c", config)
    ha = HomeAssistant(port)
    await ha.onboard()
    await ha.connect()
    flow = await ha.post("/api/config/config_entries/flow", {"handler": "mqtt", "show_advanced_options": False})
    login = {"broker": "127.0.0.1", "port": broker, "username": USER, "password": PASSWORD}
    made = await ha.post(f"/api/config/config_entries/flow/{flow['flow_id']}", login)
    assert made["type"] == "create_entry", made

    # The entities exist, with values, units and classes.
    named = ["battery_1", "battery_2", "battery_3", "battery_bank"]
    states = await ha.until(
        "values of the batteries and the bank", lambda states: all(float(states[f"sensor.{name}_voltage"]["state"]) > 40 for name in named)
    )
    registry = await ha.ask("config/entity_registry/list")
    devices = {device["id"]: device for device in await ha.ask("config/device_registry/list")}
    ours = [entity for entity in registry if entity["platform"] == "mqtt"]
    print(f"ok: {len(ours)} entities of {len({entity['device_id'] for entity in ours})} devices")
    for entity, unit, kind, what in [
        ("voltage", "V", "voltage", "measurement"),
        ("current", "A", "current", "measurement"),
        ("state_of_charge", "%", "battery", "measurement"),
        ("energy_charged", "kWh", "energy", "total_increasing"),
        ("temperature", "°C", "temperature", "measurement"),
        ("charge_current_limit", "A", "current", "measurement"),
    ]:
        attributes = states[f"sensor.battery_1_{entity}"]["attributes"]
        found = (attributes["unit_of_measurement"], attributes["device_class"], attributes["state_class"])
        assert found == (unit, kind, what), (entity, found)
    print("ok: units and classes")
    of = lambda unique: next(device for device in devices.values() if ["mqtt", unique] in device["identifiers"])
    by_name = {device["name"]: device for device in devices.values()}
    bank = next(device for device in devices.values() if device["model"] == "Battery bank")
    program = next(device for device in devices.values() if any("_program_" in part for _, part in device["identifiers"]) and device["id"] == bank["via_device_id"])
    assert by_name["Battery 1"]["via_device_id"] == bank["id"], by_name["Battery 1"]
    assert by_name["Battery 3"]["via_device_id"] not in (None, program["id"]), "the other program"
    print("ok: battery by bank, bank by program:", by_name["Battery 1"]["configuration_url"], program["name"])
    disabled = {entity["entity_id"]: entity["disabled_by"] for entity in ours}
    assert disabled["sensor.battery_1_cell_1"] == "integration" and disabled["sensor.battery_3_cell_1"] is None
    assert disabled["switch.battery_3_discharging_allowed"] == "integration"
    missing = [entity for entity in dashboard_entities() if entity not in disabled]
    assert not missing, f"the dashboard's entities do not exist: {missing}; there are {sorted(disabled)}"
    print(f"ok: all {len(dashboard_entities())} entities of the dashboard in the documentation")

    # A control works both ways.
    limit = "number.battery_3_temporary_charge_current_limit"
    attributes = states[limit]["attributes"]
    assert (attributes["min"], attributes["unit_of_measurement"]) == (0, "A") and attributes["max"] > 1, attributes
    assert states[limit]["state"] == "unknown", states[limit]
    await ha.call("number", "set_value", limit, value=12.5)
    await ha.until("the limit is in force, and shown", lambda states: states[limit]["state"] == "12.5")
    await ha.until(
        "the charge current limit obeys",
        lambda states: float(states["sensor.battery_3_charge_current_limit"]["state"]) <= 12.5
        and states["sensor.battery_3_temporary_charge_current_limit_ends"]["state"] > "2"
        and "in force" in states["sensor.battery_3_answer_to_the_last_command"]["state"],
    )
    await ha.call("button", "press", "button.battery_3_end_temporary_limits")
    await ha.until("its end is shown", lambda states: states[limit]["state"] == "unknown")
    publish = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker), "-u", USER, "-P", PASSWORD]
    subprocess.run([*publish, "-t", "dbus-bms/jbd_tty3/set/override", "-m", "ccl 7 for 4"], check=True)
    await ha.until("a limit from elsewhere is shown", lambda states: states[limit]["state"] in ("7", "7.0"))
    await ha.until("and its expiry", lambda states: states[limit]["state"] == "unknown")
    switch = "switch.battery_3_charging_allowed"
    await ha.call("switch", "turn_off", switch)
    await ha.until(
        "charging is off", lambda states: states[switch]["state"] == "off" and states["binary_sensor.battery_3_charge_fet"]["state"] == "off"
    )
    await ha.call("switch", "turn_on", switch)
    await ha.until("charging is on again", lambda states: states[switch]["state"] == "on")

    # A crash of one program.
    processes.end("east", signal.SIGKILL)
    await ha.until(
        "its batteries are unavailable",
        lambda states: all(states[f"sensor.battery_{number}_voltage"]["state"] == "unavailable" for number in (1, 2))
        and states["sensor.battery_1_charge_current_limit"]["state"] == "unavailable",
        seconds=20,
    )
    for _ in range(6):
        states = await ha.states()
        assert states["sensor.battery_3_voltage"]["state"] != "unavailable", "the other program's battery"
        await asyncio.sleep(0.5)
    print("ok: the other program's battery stays")
    start_east()
    await ha.until("and are back", lambda states: states["sensor.battery_1_voltage"]["state"] not in ("unavailable", "unknown"))

    # A battery without an answer.
    processes.end("board2")
    await ha.until(
        "a silent battery is unavailable, its limits are not",
        lambda states: states["sensor.battery_2_voltage"]["state"] == "unavailable"
        and states["sensor.battery_2_charge_current_limit"]["state"] not in ("unavailable", "unknown")
        and states["binary_sensor.battery_2_connection_to_the_battery"]["state"] == "off",
        seconds=60,
    )

    # A restart of Home Assistant.
    processes.end("hass")
    processes.start("hass", HASS, "-c", config)
    for _ in range(PATIENCE):
        try:
            await ha.connect()
            break
        except (aiohttp.ClientError, OSError):
            await asyncio.sleep(1)
    await ha.until(
        "after a restart of Home Assistant",
        lambda states: states["sensor.battery_3_voltage"]["state"] not in ("unavailable", "unknown")
        and states["sensor.battery_1_voltage"]["state"] not in ("unavailable", "unknown"),
    )
    await ha.session.close()
    processes.end("hass")
    lines = (folder / "hass.log").read_text().splitlines() + (config / "home-assistant.log").read_text().splitlines()
    about_us = [line for line in lines if re.search(r"WARNING|ERROR", line) and re.search(r"mqtt|dbus-bms|battery_", line, re.I)]
    assert not about_us, "\n".join(about_us)
    print("ok: no warning about us in the log of Home Assistant")


asyncio.run(main())

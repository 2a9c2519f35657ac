"""Decodes our frames with cantools, which shares no code with us, using our own descriptions (*.dbc).

    tests/can/cantools.sh [BINARY]
"""
import json
import math
import random
import subprocess
import sys
from pathlib import Path

import cantools

binary = sys.argv[1]
dbc = cantools.database.load_file(Path(__file__).with_name("pylontech.dbc"))


def told(**battery):
    """The frames of `battery`, decoded with the description."""
    done = subprocess.run([binary, "can", "encode", "--profile", "pylontech"], input=json.dumps(battery), capture_output=True, text=True, check=True)
    signals, ids = {}, []
    for line in done.stdout.split():
        number, content = line.split("#")
        ids.append(number)
        if number == "35E":
            assert bytes.fromhex(content) == b"PYLON   ", content
            continue
        message = dbc.get_message_by_frame_id(int(number, 16))
        assert len(content) == 2 * message.length, line
        signals.update(message.decode(bytes.fromhex(content), decode_choices=False))
    return signals, ids


BASE = dict(charge_voltage_v=55.2, charge_current_limit_a=50.0, discharge_current_limit_a=60.0, discharge_voltage_v=46.4, soc_pct=71.5, soh_pct=98,
            voltage_v=52.83, current_a=-123.4, temperature_c=-7.5, module_count=3)
signals, ids = told(**BASE)
assert ids == ["351", "355", "356", "359", "35C", "35E"], ids
expected = dict(ChargeVoltage=55.2, ChargeCurrentLimit=50, DischargeCurrentLimit=60, DischargeVoltage=46.4, StateOfCharge=71, StateOfHealth=98,
                Voltage=52.83, Current=-123.4, Temperature=-7.5, Modules=3, MarkP=ord("P"), MarkN=ord("N"), ChargeEnable=1, DischargeEnable=1,
                ForceCharge1=0, ForceCharge2=0, FullCharge=0)
for name, value in expected.items():
    assert abs(signals[name] - value) < 1e-9, (name, signals[name], value)

FLAGS = {name for name in signals if name.endswith(("Alarm", "Warning"))}
ITEMS = dict(high_voltage="HighVoltage", low_voltage="LowVoltage", high_temperature="HighTemperature", low_temperature="LowTemperature",
             high_discharge_current="HighDischargeCurrent", high_charge_current="HighChargeCurrent", bms_internal=None)
for item, signal in ITEMS.items():
    for kind, level, internal in (("alarms", "Alarm", "SystemAlarm"), ("warnings", "Warning", "InternalWarning")):
        signals, _ = told(**BASE, **{kind: [item]})
        wanted = signal + level if signal else internal
        assert {name for name in FLAGS if signals[name]} == {wanted}, (item, kind)

for flags in (dict(force_charge_1=True), dict(force_charge_2=True), dict(full_charge_request=True), dict(charge_enable=False), dict(discharge_enable=False)):
    signals, _ = told(**BASE, **flags)
    names = dict(force_charge_1="ForceCharge1", force_charge_2="ForceCharge2", full_charge_request="FullCharge", charge_enable="ChargeEnable", discharge_enable="DischargeEnable")
    for key, value in flags.items():
        assert signals[names[key]] == value, flags
print("cantools reads every signal of the Pylontech frames")

# 600 random states in each profile: every value as an independent reader of the description sees it.
DESCRIPTIONS = {name: cantools.database.load_file(Path(__file__).with_name(f"{name}.dbc")) for name in ("pylontech", "pylontech-1.3", "pylontech-2", "sma", "victron", "luxpower", "growatt", "sol-ark")}
STATES = 600
PAIRED = ("pylontech-1.3", "pylontech-2", "sma", "victron")
chance = random.Random(20)
ALL_ITEMS = ("bms_internal", "cell_imbalance", "contactor", "general", "high_charge_current", "high_charge_temperature", "high_discharge_current",
             "high_temperature", "high_voltage", "low_charge_temperature", "low_temperature", "low_voltage", "short_circuit")
# The alarms that share one bit in 359, and in Growatt's 312.
SHARED = dict(high_charge_temperature=["HighTemperature"], low_charge_temperature=["LowTemperature"], short_circuit=["HighDischargeCurrent", "System"],
              bms_internal=["System"], contactor=["System"], general=["System"])
GROWATT = dict(bms_internal="System", contactor="System", general="System")


def camel(item):
    return "".join(word.capitalize() for word in item.split("_"))


def random_state():
    low = chance.randint(2500, 3600)
    coldest = round(chance.uniform(-20, 50), 1)
    hottest = round(coldest + chance.uniform(0.2, 10), 1)
    capacity = chance.randint(50, 640)
    return dict(charge_voltage_v=round(chance.uniform(41, 60), 2), charge_current_limit_a=chance.choice([0, round(chance.uniform(0, 600), 2)]),
                discharge_current_limit_a=chance.choice([0, round(chance.uniform(0, 600), 2)]), discharge_voltage_v=round(chance.uniform(38, 48), 2),
                soc_pct=round(chance.uniform(0, 100), 2), soh_pct=chance.randint(50, 100), voltage_v=round(chance.uniform(38, 60), 2),
                current_a=round(chance.uniform(-900, 900), 1), temperature_c=round((coldest + hottest) / 2, 1), module_count=chance.randint(1, 16),
                min_cell_mv=low, max_cell_mv=low + chance.randint(0, 200), min_cell_temp_c=coldest, max_cell_temp_c=hottest,
                min_cell_temp_k=round(coldest + 273.15), max_cell_temp_k=round(hottest + 273.15), capacity_ah=capacity,
                installed_capacity_ah=capacity, remaining_ah=round(capacity * chance.random(), 2), cycles=chance.randint(0, 9000),
                energy_charged_kwh=round(chance.uniform(0, 90000), 2), energy_discharged_kwh=round(chance.uniform(0, 90000), 2),
                cell_count=chance.randint(8, 24), charge_enable=chance.random() < 0.8, discharge_enable=chance.random() < 0.8,
                force_charge_1=chance.random() < 0.2, force_charge_2=chance.random() < 0.2, full_charge_request=chance.random() < 0.2,
                balancing=chance.random() < 0.5, alarms=chance.sample(ALL_ITEMS, chance.randint(0, 3)), warnings=chance.sample(ALL_ITEMS, chance.randint(0, 3)))


def expected_of(state, profile):
    """What an inverter has to read: limits rounded down and 0 where not enabled, measured values to the nearest step."""
    may = state["charge_enable"], state["discharge_enable"]
    down = lambda value: math.floor(value * 10 + 1e-6) / 10
    soc = math.floor(state["soc_pct"] + 1e-6)
    soc = 1 if soc == 0 and state["soc_pct"] > 0 else soc
    wanted = dict(ChargeVoltage=down(state["charge_voltage_v"]), ChargeCurrentLimit=down(state["charge_current_limit_a"]) if may[0] else 0,
                  DischargeCurrentLimit=down(state["discharge_current_limit_a"]) if may[1] else 0, StateOfCharge=soc, StateOfHealth=state["soh_pct"],
                  Voltage=state["voltage_v"], Current=state["current_a"], ChargeEnable=may[0], DischargeEnable=may[1])
    forced = [state[name] and may[0] for name in ("force_charge_1", "force_charge_2", "full_charge_request")]
    imbalance = "cell_imbalance" in state["alarms"] or "cell_imbalance" in state["warnings"]
    if profile == "growatt":
        wanted.update(ChargeOn=may[0], DischargeOn=may[1], ForceCharge=forced[0] or forced[1], ErrorValid=bool(state["alarms"]), Balancing=state["balancing"],
                      State=1 if state["current_a"] == 0 else 2 if state["current_a"] > 0 else 3, Packs=state["module_count"], Cells=state["cell_count"],
                      Hottest=state["max_cell_temp_c"], Remaining=state["remaining_ah"], Capacity=state["capacity_ah"], Cycles=state["cycles"],
                      Difference=(state["max_cell_mv"] - state["min_cell_mv"]) / 1000)
        raised = {GROWATT.get(item, camel(item)) + kind for kind, items in (("Alarm", state["alarms"]), ("Warning", state["warnings"])) for item in items}
        raised = {name for name in raised if name != "CellImbalanceAlarm"}
    else:
        wanted.update(DischargeVoltage=math.ceil(state["discharge_voltage_v"] * 10 - 1e-6) / 10, ForceCharge1=forced[0], ForceCharge2=forced[1], FullCharge=forced[2],
                      Modules=state["module_count"])
        names = lambda item: SHARED.get(item, [camel(item)])
        raised = {name + "Alarm" for item in state["alarms"] if item != "cell_imbalance" for name in names(item)}
        raised |= {("Internal" if name == "System" else name) + "Warning" for item in state["warnings"] for name in names(item)}
    if imbalance:
        raised.add("CellImbalanceWarning")
    if profile == "luxpower":
        wanted.update(Hottest=state["max_cell_temp_c"], Coldest=state["min_cell_temp_c"], Capacity=state["capacity_ah"], Cycles=state["cycles"])
    marked = profile in ("pylontech", "pylontech-2", "sol-ark")
    if marked or profile in ("pylontech-1.3", "sma", "victron"):
        wanted.update(Temperature=state["temperature_c"])
    if marked:
        wanted.update(MarkP=ord("P"), MarkN=ord("N"))
    if profile == "sol-ark":
        wanted.update(Voltage=math.floor(state["voltage_v"] * 10 + 0.5 + 1e-9) / 10, InstalledCapacity=state["installed_capacity_ah"])
    if profile in ("pylontech-2", "victron"):
        wanted.update(Online=state["module_count"], BlockingCharge=0, BlockingDischarge=0, Offline=0, Coldest=state["min_cell_temp_k"],
                      Hottest=state["max_cell_temp_k"], InstalledCapacity=state["installed_capacity_ah"])
    if profile in PAIRED:
        # 1 = raised; what is well is 2 where a set says so, else 0.
        well = 2 if profile in ("sma", "victron") else 0
        wanted.update({f"Pair{camel(item)}{kind}": 1 if item in items else well for kind, items in (("Alarm", state["alarms"]), ("Warning", state["warnings"])) for item in ALL_ITEMS})
    if profile in ("sma", "victron"):
        wanted.update(StateOfChargeFine=max(round(state["soc_pct"], 2), 0.01 if state["soc_pct"] > 0 else 0))
    if profile == "pylontech-1.3":
        wanted.update(Type=int.from_bytes(b"LI", "little"), Capacity=state["capacity_ah"])
    if profile == "sma":
        sent = min(max(wanted["ChargeVoltage"], state["voltage_v"] - 0.2, 41), 63)
        wanted.update(ChargeVoltage=down(sent), Capacity=state["capacity_ah"], DischargeVoltage=min(max(wanted["DischargeVoltage"], 41), 48))
        # A voltage above the permitted one permits no current.
        if max(state["voltage_v"] - 0.2, 41) > state["charge_voltage_v"]:
            wanted["ChargeCurrentLimit"] = 0
    if profile == "victron":
        wanted.update(Left=math.floor(state["remaining_ah"] + 0.5), AsksForCharge=255 if forced[0] or forced[1] else 0,
                      Charged=round(state["energy_charged_kwh"] + 1e-9, 1), Discharged=round(state["energy_discharged_kwh"] + 1e-9, 1))
    if profile in ("pylontech-1.3", "sma", "victron"):
        # There is no 0x35C and no 0x359 here.
        for name in ("ChargeEnable", "DischargeEnable", "ForceCharge1", "ForceCharge2", "FullCharge", "Modules"):
            wanted.pop(name, None)
        raised = set()
    if profile in ("pylontech-2", "victron", "luxpower", "growatt"):
        wanted.update(HighestCell=state["max_cell_mv"] / 1000, LowestCell=state["min_cell_mv"] / 1000)
    return wanted, raised


for profile, description in DESCRIPTIONS.items():
    states = [random_state() for _ in range(STATES)]
    done = subprocess.run([binary, "can", "encode", "--profile", profile], input="\n".join(map(json.dumps, states)), capture_output=True, text=True, check=True)
    first = {"pylontech-2": "35E", "growatt": "311"}.get(profile, "351")
    sets = []
    for line in done.stdout.split():
        number, content = line.split("#")
        if number == first:
            sets.append({})
        sets[-1][number] = bytes.fromhex(content)
    assert len(sets) == STATES, (profile, len(sets))
    known = {f"{message.frame_id:03X}": message for message in description.messages}
    compared = 0
    for state, frames in zip(states, sets):
        seen = {}
        for number, content in frames.items():
            if number in known:
                assert len(content) == known[number].length, (profile, number)
                seen.update(known[number].decode(content, decode_choices=False))
        wanted, raised = expected_of(state, profile)
        flags = {name for name, value in seen.items() if name.endswith(("Alarm", "Warning")) and not name.startswith("Pair") and value}
        assert flags == raised, (profile, state, flags ^ raised)
        for name, value in wanted.items():
            assert abs(seen[name] - value) < 1e-6, (profile, name, seen[name], value, state)
        compared += len(wanted) + len([name for name in seen if name.endswith(("Alarm", "Warning"))])
    print(f"{profile}: {STATES} states, {compared} values, 0 differences")

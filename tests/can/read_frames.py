"""Decodes our Pylontech frames with cantools, which shares no code with us, using our own description (pylontech.dbc).

    tests/can/cantools.sh [BINARY]
"""
import json
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

"""600 random states and the recorded replies, read by python-pylontech (42, 92) and by readers written from the documents (61 to 63,
Growatt, Voltronic LIb and PI30, EG4 LL).

    tests/rs485/readers.sh [PROGRAM]
"""
import binascii
import json
import math
import random
import struct
import subprocess
import sys
from pathlib import Path

from pylontech import Pylontech

STATES = 600
program = sys.argv[1]
chance = random.Random(21)
client = Pylontech.__new__(Pylontech)


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


def read(first, count):
    frame = struct.pack(">BBHH", 1, 3, first, count)
    return frame + crc(frame)


def info_of(reply):
    """INFO of a reply, checked by python-pylontech."""
    frame = client._decode_frame(client._decode_hw_frame(reply))
    assert frame.cid2 == b"\x00", reply
    return frame.info


def status(byte):
    return {name: bool(byte >> bit & 1) for name, bit in (("charge_enable", 7), ("discharge_enable", 6), ("force_charge_1", 5), ("force_charge_2", 4), ("full_charge_request", 3))}


def pylontech_values(reply):
    read = client.get_values_single_fmt.parse(info_of(reply)[1:])
    return dict(voltage_v=read.Voltage, current_a=read.Current, remaining_ah=read.RemainingCapacity, full_ah=read.TotalCapacity, cycles=read.CycleNumber,
                cells_mv=[round(volts * 1000) for volts in read.CellVoltages], temperatures_c=[read.AverageBMSTemperature, *read.GroupedCellsTemperatures])


def pylontech_limits(reply):
    info = info_of(reply)
    read = client.management_info_fmt.parse(info[1:])
    return dict(charge_voltage_v=read.ChargeVoltageLimit, discharge_voltage_v=read.DischargeVoltageLimit, charge_current_limit_a=read.ChargeCurrentLimit,
                discharge_current_limit_a=-read.DischargeCurrentLimit, **status(info[-1]))


def system_limits(reply):
    cvl, dvl, ccl, dcl, bits = struct.unpack(">HHHHB", info_of(reply))
    return dict(charge_voltage_v=cvl / 1000, discharge_voltage_v=dvl / 1000, charge_current_limit_a=ccl / 10, discharge_current_limit_a=dcl / 10, **status(bits))


def system_values(reply):
    read = struct.unpack(">HhBHHBBHHHH15H", info_of(reply))
    celsius = lambda raw: round((raw - 2731) / 10, 1)
    return dict(voltage_v=read[0] / 1000, current_a=read[1] / 100, soc_pct=read[2], avg_cycles=read[3], max_cycles=read[4], avg_soh_pct=read[5], min_soh_pct=read[6],
                max_cell_mv=read[7], max_cell_id=f"{read[8]:04X}", min_cell_mv=read[9], min_cell_id=f"{read[10]:04X}", avg_cell_temp_c=celsius(read[11]),
                max_cell_temp_c=celsius(read[12]), max_cell_temp_id=f"{read[13]:04X}", min_cell_temp_c=celsius(read[14]), min_cell_temp_id=f"{read[15]:04X}",
                avg_mos_temp_c=celsius(read[16]), max_mos_temp_c=celsius(read[17]), min_mos_temp_c=celsius(read[19]), avg_bms_temp_c=celsius(read[21]),
                max_bms_temp_c=celsius(read[22]), min_bms_temp_c=celsius(read[24]))


def words(reply, head, first):
    """Registers behind `head` bytes."""
    assert crc(reply[:-2]) == reply[-2:], reply
    found = struct.unpack(f">{(len(reply) - head - 2) // 2}H", reply[head:-2])
    return {first + place: word for place, word in enumerate(found)}


def growatt_values(reply, first=0x13):
    known, read = {}, words(reply, 3, first)
    signed = lambda word: word - 0x10000 if word & 0x8000 else word
    names = {0x15: ("soc_pct", int), 0x16: ("voltage_v", lambda word: word / 100), 0x17: ("current_a", lambda word: signed(word) / 100), 0x18: ("temperature_c", signed),
             0x19: ("charge_current_limit_a", lambda word: word / 100), 0x1A: ("remaining_ah", lambda word: word / 100), 0x1B: ("full_ah", lambda word: word / 100),
             0x1D: ("delta_mv", int), 0x1E: ("cycles", int), 0x20: ("soh_pct", int), 0x21: ("charge_voltage_v", lambda word: word / 100),
             0x23: ("discharge_current_limit_a", lambda word: word / 100), 0x13: ("status_word", int)}
    for register, (name, scale) in names.items():
        if register in read:
            known[name] = scale(read[register])
    if 0x13 in read:
        known.update(charge_enable=bool(read[0x13] & 64), discharge_enable=bool(read[0x13] & 32))
    return known


def lib_values(reply, first):
    assert struct.unpack(">H", reply[2:4])[0] * 2 == len(reply) - 6, "the count is in words"
    read = words(reply, 4, first)
    if first == 0x70:
        return dict(charge_voltage_v=read[0x70] / 10, discharge_voltage_v=read[0x71] / 10, charge_current_limit_a=read[0x72] / 10, discharge_current_limit_a=read[0x73] / 10,
                    remaining_ah=(read[0x76] << 16 | read[0x77]) / 1000, **status(read[0x74]), **({} if read[0x75] == 0xFFFF else dict(minutes_to_empty=read[0x75])))
    if first == 0x30:
        return dict(current_a=(read[0x30] - read[0x31]) / 10, voltage_v=read[0x32] / 10, soc_pct=read[0x33], full_ah=(read[0x34] << 16 | read[0x35]) / 1000)
    return dict(cell_count=read[0x10]) if first == 0x10 else dict(modules_online=read[0x36])


def eg4_values(reply):
    read = words(reply, 3, 0)
    assert len(read) == 39, read
    signed = lambda word: word - 0x10000 if word & 0x8000 else word
    sensors = [byte - 256 if byte & 0x80 else byte for register in (33, 34, 35) for byte in (read[register] >> 8, read[register] & 0xFF)]
    return dict(voltage_v=read[0] / 100, current_a=signed(read[1]) / 100, cells_mv=[read[2 + place] for place in range(read[36])], board_c=signed(read[18]), mean_c=signed(read[19]),
                hottest_c=signed(read[20]), remaining_whole_ah=read[21], charge_current_limit_a=read[22], soh_pct=read[23], soc_pct=read[24],
                activity=read[25] & 7, charges_or_discharges=bool(read[25] & 0x8000), protection_word=read[27], cycles=read[29] << 16 | read[30],
                full_ah=(read[31] << 16 | read[32]) / 3_600_000, sensor_bytes=sensors, cell_count=read[36], design_ah=read[37] / 10)


def pbms_values(said):
    """Checked by Python's own CRC-16/XMODEM."""
    check = binascii.crc_hqx(said[:-3], 0).to_bytes(2, "big")
    assert said[-1:] == b"\r" and said[-3:-1] == bytes(byte + 1 if byte in b"(\r\n" else byte for byte in check), said
    head, soc, force, no_discharge, no_charge, cvl, floating, lowest, ccl, dcl = said[:-3].decode().split(" ")
    assert head == "PBMS1" and floating == cvl, said
    charge, discharge = no_charge == "0", no_discharge == "0"
    assert charge == (int(ccl) > 0) and discharge == (int(dcl) > 0), said
    return dict(soc_pct=int(soc), forced=force == "1", charge_voltage_v=int(cvl) / 10, discharge_voltage_v=int(lowest) / 10, charge_current_limit_a=int(ccl),
                discharge_current_limit_a=int(dcl))


def same(name, found, wanted, where):
    equal = found == wanted if isinstance(wanted, (str, bool)) else all(abs(a - b) < 1e-6 for a, b in zip(found, wanted)) and len(found) == len(wanted) \
        if isinstance(wanted, list) else abs(found - wanted) < 1e-6
    assert equal, (where, name, found, wanted)


# The recorded replies: bytes into values.
compared = 0
for path in sorted(Path(__file__).with_name("vectors").glob("*.json")):
    vector = json.loads(path.read_text())
    for exchange in vector["exchanges"]:
        told = {}
        if exchange.get("response_ascii") and exchange.get("response_checksum_ok", True):
            reply = exchange["response_ascii"].encode() + b"\r"
            command = exchange["request_ascii"][7:9]
            reader = {"42": pylontech_values, "92": pylontech_limits, "61": system_values, "63": system_limits}.get(command)
            told = reader(reply) if reader and reply[7:9] == b"00" else {}
        elif "response_hex" in exchange:
            request, reply = bytes.fromhex(exchange["request_hex"]), bytes.fromhex(exchange["response_hex"])
            first = struct.unpack(">H", request[2:4])[0]
            if vector["protocol"].startswith("eg4"):
                told = eg4_values(reply)
                # The paper's number is in As, recorded packs (tests/vectors/eg4-ll) have mAs.
                told["full_ah"] *= 1000
            else:
                told = lib_values(reply, first) if vector["protocol"].startswith("voltronic") else growatt_values(reply, first)
        for name, value in told.items():
            if name in vector["state"]:
                same(name, value, vector["state"][name], path.name)
                compared += 1
print(f"recorded replies: {compared} values, 0 differences")


def random_state():
    cells = [chance.randint(2500, 3600) for _ in range(chance.randint(8, 16))]
    sensors = [round(chance.uniform(-20, 50), 1) for _ in range(chance.randint(1, 4))]
    capacity = chance.randint(20, 640)
    return dict(charge_voltage_v=round(chance.uniform(41, 60), 3), charge_current_limit_a=chance.choice([0, round(chance.uniform(0, 600), 2)]),
                discharge_current_limit_a=chance.choice([0, round(chance.uniform(0, 600), 2)]), discharge_voltage_v=round(chance.uniform(38, 48), 3),
                soc_pct=round(chance.uniform(1, 100), 2), soh_pct=chance.randint(50, 100), voltage_v=round(chance.uniform(38, 60), 2),
                current_a=round(chance.uniform(-320, 320), 1), temperature_c=chance.randint(-20, 50), module_count=1, cells_mv=cells,
                min_cell_mv=min(cells), max_cell_mv=max(cells), min_cell_v_number=1, max_cell_v_number=2, min_cell_temp_c=min(sensors), max_cell_temp_c=max(sensors),
                sensor_temperatures_c=sensors, board_temperature_c=round(chance.uniform(-20, 60), 1), capacity_ah=capacity,
                remaining_ah=round(capacity * chance.random(), 2), cycles=chance.randint(0, 9000), cell_count=len(cells), charge_enable=chance.random() < 0.8,
                discharge_enable=chance.random() < 0.8, force_charge_1=chance.random() < 0.2, force_charge_2=chance.random() < 0.2,
                full_charge_request=chance.random() < 0.2, alarms=[], warnings=[])


def wanted_of(state, step_volts, step_amps):
    """What the inverter has to read, with the steps of the protocol."""
    may = state["charge_enable"], state["discharge_enable"]
    whole = lambda value: int(math.copysign(math.floor(abs(value) + 0.5), value))
    down = lambda value, steps: math.floor(value * steps + 1e-6) / steps
    return dict(charge_voltage_v=down(state["charge_voltage_v"], step_volts), discharge_voltage_v=math.ceil(state["discharge_voltage_v"] * step_volts - 1e-6) / step_volts,
                charge_current_limit_a=down(state["charge_current_limit_a"], step_amps) if may[0] else 0,
                discharge_current_limit_a=down(state["discharge_current_limit_a"], step_amps) if may[1] else 0, charge_enable=may[0], discharge_enable=may[1],
                soc_pct=math.floor(state["soc_pct"] + 1e-6), soh_pct=state["soh_pct"], avg_soh_pct=state["soh_pct"], min_soh_pct=state["soh_pct"],
                current_a=state["current_a"], remaining_ah=state["remaining_ah"], full_ah=state["capacity_ah"], cycles=state["cycles"], avg_cycles=state["cycles"],
                max_cycles=state["cycles"], cells_mv=state["cells_mv"], temperatures_c=[state["board_temperature_c"], *state["sensor_temperatures_c"]],
                temperature_c=state["temperature_c"], avg_cell_temp_c=state["temperature_c"], max_cell_temp_c=state["max_cell_temp_c"],
                min_cell_temp_c=state["min_cell_temp_c"], avg_bms_temp_c=state["board_temperature_c"], max_cell_mv=state["max_cell_mv"],
                min_cell_mv=state["min_cell_mv"], max_cell_id="0002", min_cell_id="0001", delta_mv=state["max_cell_mv"] - state["min_cell_mv"],
                cell_count=state["cell_count"], design_ah=state["capacity_ah"], remaining_whole_ah=math.floor(state["remaining_ah"] + 1e-6),
                board_c=whole(state["board_temperature_c"]), mean_c=whole(state["temperature_c"]), hottest_c=whole(state["max_cell_temp_c"]),
                sensor_bytes=[whole(celsius) for celsius in state["sensor_temperatures_c"]] + [0] * (6 - len(state["sensor_temperatures_c"])),
                charges_or_discharges=any(allowed and state[name] > 0 for name, allowed in zip(("charge_current_limit_a", "discharge_current_limit_a"), may)),
                forced=(state["force_charge_1"] or state["force_charge_2"]) and may[0] and state["charge_current_limit_a"] >= 1,
                # Without permission to discharge: the pack's voltage is too low.
                protection_word=0 if may[1] and state["discharge_current_limit_a"] > 0 else 4, **{name: state[name] and may[0] for name in ("force_charge_1", "force_charge_2", "full_charge_request")})


ask = lambda command, info=b"": client._encode_cmd(2, command, info)
REQUESTS = [("pylontech", ask(0x42, b"02"), pylontech_values, 1000, 10), ("pylontech", ask(0x92, b"02"), pylontech_limits, 1000, 10),
            ("pylontech", ask(0x61), system_values, 1000, 10), ("pylontech", ask(0x63), system_limits, 1000, 10),
            ("growatt", read(0x13, 0x11), growatt_values, 100, 100), ("voltronic", read(0x70, 8), lambda reply: lib_values(reply, 0x70), 10, 10),
            ("eg4-ll", read(0, 39), eg4_values, 100, 1), ("pi30", b"", pbms_values, 10, 1),
            ("voltronic", read(0x30, 6), lambda reply: lib_values(reply, 0x30), 10, 10), ("voltronic", read(0x10, 1), lambda reply: lib_values(reply, 0x10), 10, 10)]
states = [random_state() for _ in range(STATES)]
lines = [json.dumps(dict(protocol=name, request=request.hex(), data=state)) for state in states for name, request, *_ in REQUESTS]
replies = subprocess.run([program], input="\n".join(lines), capture_output=True, text=True, check=True).stdout.split("\n")
compared = {}
for place, state in enumerate(states):
    for number, (name, request, reader, volts, amps) in enumerate(REQUESTS):
        reply = bytes.fromhex(replies[place * len(REQUESTS) + number])
        assert reply, (name, request, state)
        wanted = wanted_of(state, volts, amps)
        wanted["voltage_v"] = round(state["voltage_v"] + 1e-9, 1) if name == "voltronic" else state["voltage_v"]
        for key, value in reader(reply).items():
            if key == "voltage_v" and name == "voltronic":
                assert abs(value - state["voltage_v"]) <= 0.0501, (value, state)
            elif key in wanted:
                same(key, value, wanted[key], (name, request, state))
            else:
                continue
            compared[name] = compared.get(name, 0) + 1
for name, count in compared.items():
    print(f"{name}: {STATES} states, {count} values, 0 differences")

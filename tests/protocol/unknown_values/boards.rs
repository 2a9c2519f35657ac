//! Boards of each family whose replies contain every field.

use super::{Board, Field, Reply};
use dbus_bms::bms::bytes::{crc8, crc16_modbus, sum8, sum16};
use dbus_bms::bms::can::Record;

pub(crate) fn all() -> Vec<Board> {
    let mut all = vec![jk(), jk_pb(), daly(), daly_d2(), daly_p81(), jbd(), ant(), topbms()];
    all.extend(super::ascii_boards::all());
    all.push(ant_old());
    all.extend([tianpower(), sinowealth()]);
    all.extend(super::modbus_boards::all());
    all.extend([litime(), ecoworthy(), pylontech_can(), jk_can(), rv_c()]);
    all.push(json());
    all
}

pub(super) const fn field(name: &'static str, at: (usize, usize), none: &'static [&'static str]) -> Field {
    Field { name, at, none }
}

pub(super) fn reply(sent: &[u8], content: Vec<u8>, wrap: fn(&[u8]) -> Vec<u8>) -> Reply {
    Reply { sent: sent.to_vec(), content, wrap }
}

/// The content is a JSON object.
fn json() -> Board {
    const CONTENT: &[u8] = br#"{"voltage_v":53.0,"current_a":12.5,"soc_pct":55.5,"soh_pct":99.5,"remaining_ah":55.5,"cell_voltages_v":[3.31,3.32,3.33],"temperatures_c":[20.5,21.5],"charge_fet":true,"discharge_fet":true,"bms_ccl_a":50.5,"bms_dcl_a":60.5,"bms_cvl_v":55.2}"#;
    const NULL: &[&str] = &["6E756C6C"];
    fn wrap(content: &[u8]) -> Vec<u8> {
        [&[0x1E], content, b"\n"].concat()
    }
    /// Place of the value behind this text.
    fn behind(text: &str) -> (usize, usize) {
        (0, CONTENT.windows(text.len()).position(|window| window == text.as_bytes()).unwrap() + text.len())
    }
    let fields = vec![
        field("voltage_v", behind("\"voltage_v\":"), NULL),
        field("current_a", behind("\"current_a\":"), NULL),
        field("soc_pct", behind("\"soc_pct\":"), NULL),
        field("soh_pct", behind("\"soh_pct\":"), NULL),
        field("remaining_ah", behind("\"remaining_ah\":"), NULL),
        field("cell_voltages_v", behind("[3.31,"), NULL),
        field("temperatures_c", behind("[20.5,"), NULL),
        field("charge_fet", behind("\"charge_fet\":"), NULL),
        field("discharge_fet", behind("\"discharge_fet\":"), NULL),
        field("bms_ccl_a", behind("\"bms_ccl_a\":"), NULL),
        field("bms_dcl_a", behind("\"bms_dcl_a\":"), NULL),
        field("bms_cvl_v", behind("\"bms_cvl_v\":"), NULL),
    ];
    Board { family: "json", replies: vec![reply(&[], CONTENT.to_vec(), wrap)], fields }
}

/// The first reply of a recording.
fn recorded(name: &str) -> Vec<u8> {
    let file = crate::support::vector_files::all().into_iter().find(|file| file.name == name).unwrap();
    file.vector.received()
}

/// The content is a recorded frame without its sum.
fn jk() -> Board {
    fn wrap(content: &[u8]) -> Vec<u8> {
        [content, &[0, 0], &sum16(content).to_be_bytes()].concat()
    }
    let mut content = recorded("jk/armin-16s-idle.json");
    content.truncate(content.len() - 4);
    // 4946 Ah, as `jk/opendtu-16s-charging`.
    content[84..88].copy_from_slice(&4946u32.to_be_bytes());
    // Register 80 follows the cell block of sixteen; the widths of the following ones are fixed.
    let value = |behind: usize| (0, 61 + behind);
    let fields = vec![
        field("cell_voltages_v", (0, 17), &["FFFF"]),
        field("mos_temperature_c", value(1), &["008D", "FFFF"]),
        field("voltage_v", value(10), &["FFFF"]),
        field("current_a", value(13), &["FFFF"]),
        field("soc_pct", value(16), &["FF"]),
        field("cycles", value(20), &["FFFF"]),
        field("throughput_ah", value(23), &["00000000", "FFFFFFFF"]),
        field("charge_fet", value(34), &["FFFF"]),
        field("discharge_fet", value(34), &["FFFF"]),
        field("balancing", value(34), &["FFFF"]),
        field("pack_ovp_v", value(37), &["0000", "FFFF"]),
        field("pack_uvp_v", value(40), &["0000", "FFFF"]),
        field("cell_ovp_v", value(43), &["0000", "FFFF"]),
        field("cell_uvp_v", value(52), &["0000", "FFFF"]),
        field("discharge_ocp_a", value(64), &["0000", "FFFF"]),
        field("charge_ocp_a", value(70), &["0000", "FFFF"]),
        field("balance_allowed", value(82), &["FF"]),
        field("capacity_ah", value(119), &["00000000", "FFFFFFFF"]),
        field("design_ah", value(119), &["00000000", "FFFFFFFF"]),
        field("charge_switch", value(124), &["FF"]),
        field("discharge_switch", value(126), &["FF"]),
        field("chemistry", value(133), &["FF"]),
        field("full_charge_ah", value(190), &["00000000", "FFFFFFFF"]),
    ];
    Board { family: "jk", replies: vec![reply(&[], content, wrap)], fields }
}

/// The content is a recorded frame without its sum; offsets are those of the frame.
fn jk_pb() -> Board {
    fn wrap(content: &[u8]) -> Vec<u8> {
        let register = if content[4] == 1 { 0x1E } else { 0x20 };
        let record = [3, 0x10, 0x16, register, 0, 1];
        [content, &[sum8(content)], &record, &crc16_modbus(&record).to_le_bytes()].concat()
    }
    let [mut live, settings] = ["jk-pb/bsc-16s-charging-addr1.json", "jk-pb/v15.41-settings-addr3.json"].map(|name| {
        let mut content = recorded(name);
        content.truncate(299);
        reply(&[], content, wrap)
    });
    // The heater runs with 0.514 A.
    live.content[215] = 1;
    live.content[236..238].copy_from_slice(&[0x02, 0x02]);
    const SETTING: &[&str] = &["00000000", "FFFFFFFF"];
    const SWITCH: &[&str] = &["FFFFFFFF"];
    const SENSOR: &[&str] = &["30F8", "0080", "FF7F"];
    let fields = vec![
        field("cell_voltages_v", (0, 8), &["FFFF"]),
        field("mos_temperature_c", (0, 144), SENSOR),
        field("voltage_v", (0, 150), &["FFFFFFFF"]),
        field("current_a", (0, 158), &["00000080", "FFFFFF7F"]),
        field("temperatures_c", (0, 164), SENSOR),
        field("temperatures_c", (0, 258), SENSOR),
        field("balance_current_a", (0, 170), &["0080", "FF7F"]),
        field("balancing", (0, 172), &["FF"]),
        field("soc_pct", (0, 173), &["FF"]),
        field("remaining_ah", (0, 174), &["FFFFFFFF", "00000080", "FFFFFF7F"]),
        field("full_charge_ah", (0, 178), SETTING),
        field("cycles", (0, 182), &["FFFFFFFF"]),
        field("throughput_ah", (0, 186), &["FFFFFFFF"]),
        field("soh_pct", (0, 190), &["FF"]),
        field("charge_fet", (0, 198), &["FF"]),
        field("discharge_fet", (0, 199), &["FF"]),
        field("heating", (0, 215), &["FF"]),
        field("heating_current_a", (0, 236), &["0080", "FF7F"]),
        field("cell_uvp_v", (1, 10), SETTING),
        field("cell_ovp_v", (1, 18), SETTING),
        field("charge_ocp_a", (1, 50), SETTING),
        field("discharge_ocp_a", (1, 62), SETTING),
        field("charge_switch", (1, 118), SWITCH),
        field("discharge_switch", (1, 122), SWITCH),
        field("balance_allowed", (1, 126), SWITCH),
        field("design_ah", (1, 130), SETTING),
    ];
    Board { family: "jk-pb", replies: vec![live, settings], fields }
}

/// The content is the command and eight bytes.
fn daly() -> Board {
    fn wrap(content: &[u8]) -> Vec<u8> {
        let mut frame = [&[0xA5, 1, content[0], 8], &content[1..]].concat();
        frame.push(sum8(&frame));
        frame
    }
    let replies: [[u8; 9]; 7] = [
        [0x94, 4, 3, 0, 0, 0, 0, 7, 0],
        [0x90, 0, 132, 0, 0, 0x75, 0x30, 1, 0xF4],
        [0x93, 0, 1, 1, 9, 0, 1, 0x86, 0xA0],
        [0x96, 1, 61, 62, 63, 0, 0, 0, 0],
        [0x50, 0, 4, 0x93, 0xE0, 0, 0, 0x0C, 0x80],
        [0x95, 1, 0x0C, 0xE4, 0x0C, 0xE5, 0x0C, 0xE6, 0],
        [0x95, 2, 0x0C, 0xE7, 0, 0, 0, 0, 0],
    ];
    let fields = vec![
        field("cell_count", (0, 1), &["00", "FF"]),
        field("cycles", (0, 6), &["FFFF"]),
        field("voltage_v", (1, 1), &["FFFF"]),
        field("current_a", (1, 5), &["0000", "FFFF"]),
        field("soc_pct", (1, 7), &["FFFF"]),
        field("charge_fet", (2, 2), &["FF"]),
        field("discharge_fet", (2, 3), &["FF"]),
        field("remaining_ah", (2, 5), &["FFFFFFFF"]),
        field("temperatures_c", (3, 3), &["00", "FF"]),
        field("capacity_ah", (4, 1), &["00000000", "FFFFFFFF"]),
        field("cell_voltages_v", (5, 4), &["FFFF"]),
    ];
    let replies = replies.into_iter().map(|content| reply(&[], content.to_vec(), wrap)).collect();
    Board { family: "daly", replies, fields }
}

/// A Modbus reply of the board at `from`; the content is its data.
fn modbus(from: u8, content: &[u8]) -> Vec<u8> {
    let mut frame = [&[from, 3, u8::try_from(content.len()).unwrap()], content].concat();
    frame.extend(crc16_modbus(&frame).to_le_bytes());
    frame
}

/// The reply to a read of `words` from `first`, with these registers set.
fn registers(host: u8, first: u16, words: u16, set: &[(u16, u16)], wrap: fn(&[u8]) -> Vec<u8>) -> Reply {
    let mut content = vec![0; usize::from(words) * 2];
    for (register, value) in set {
        let at = usize::from(register - first) * 2;
        content[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }
    let mut sent = [&[host, 3][..], &first.to_be_bytes(), &words.to_be_bytes()].concat();
    sent.extend(crc16_modbus(&sent).to_le_bytes());
    reply(&sent, content, wrap)
}

fn daly_d2() -> Board {
    fn wrap(content: &[u8]) -> Vec<u8> {
        modbus(0xD2, content)
    }
    let live = [
        (0, 3300),
        (1, 3301),
        (2, 3302),
        (3, 3303),
        (0x20, 61),
        (0x21, 62),
        (0x22, 63),
        (0x28, 132),
        (0x29, 30000),
        (0x2A, 500),
        (0x30, 1000),
        (0x31, 4),
        (0x32, 3),
        (0x33, 7),
        (0x35, 1),
        (0x36, 1),
        (0x39, 5),
    ];
    let settings = [(0x80, 2800), (0x8C, 3650), (0x8E, 2500), (0x90, 146), (0x92, 100), (0x94, 28500), (0x96, 32000)];
    let replies = vec![
        registers(0xD2, 0, 0x3E, &live, wrap),
        registers(0xD2, 0x3E, 9, &[(0x42, 70)], wrap),
        registers(0xD2, 0x80, 0x29, &settings, wrap),
    ];
    let at = |reply: usize, first: usize, register: usize| (reply, (register - first) * 2);
    let fields = vec![
        field("cell_voltages_v", at(0, 0, 2), &["FFFF"]),
        field("temperatures_c", at(0, 0, 0x21), &["0000", "00FF", "FFFF"]),
        field("voltage_v", at(0, 0, 0x28), &["FFFF"]),
        field("current_a", at(0, 0, 0x29), &["0000", "FFFF"]),
        field("soc_pct", at(0, 0, 0x2A), &["FFFF"]),
        field("remaining_ah", at(0, 0, 0x30), &["FFFF"]),
        field("cell_count", at(0, 0, 0x31), &["0000", "FFFF"]),
        field("cycles", at(0, 0, 0x33), &["FFFF"]),
        field("charge_fet", at(0, 0, 0x35), &["FFFF"]),
        field("discharge_fet", at(0, 0, 0x36), &["FFFF"]),
        field("alarms", at(0, 0, 0x3B), &["FFFF"]),
        field("mos_temperature_c", at(1, 0x3E, 0x42), &["0000", "00FF", "FFFF"]),
        field("capacity_ah", at(2, 0x80, 0x80), &["0000", "FFFF"]),
        field("cell_ovp_v", at(2, 0x80, 0x8C), &["0000", "FFFF"]),
        field("cell_uvp_v", at(2, 0x80, 0x8E), &["0000", "FFFF"]),
        field("pack_ovp_v", at(2, 0x80, 0x90), &["0000", "FFFF"]),
        field("pack_uvp_v", at(2, 0x80, 0x92), &["0000", "FFFF"]),
        field("charge_ocp_a", at(2, 0x80, 0x94), &["0000", "FFFF"]),
        field("discharge_ocp_a", at(2, 0x80, 0x96), &["0000", "FFFF"]),
    ];
    Board { family: "daly-modbus", replies, fields }
}

fn daly_p81() -> Board {
    fn wrap(content: &[u8]) -> Vec<u8> {
        modbus(0x51, content)
    }
    let pack = [
        (0, 3300),
        (1, 3301),
        (2, 3302),
        (3, 3303),
        (0x30, 61),
        (0x31, 62),
        (0x32, 63),
        (0x38, 132),
        (0x39, 30000),
        (0x3A, 500),
        (0x3C, 4),
        (0x3D, 3),
    ];
    let state = [(0x4B, 1000), (0x4C, 7), (0x52, 1), (0x53, 1), (0x55, 1), (0x58, 5), (0x5A, 70), (0x5B, 71)];
    let replies = vec![
        registers(0x81, 0, 0x40, &pack, wrap),
        registers(0x81, 0x41, 0x3E, &state, wrap),
        registers(0x81, 0x109, 4, &[(0x109, 4), (0x10A, 0x93E0), (0x10B, 4), (0x10C, 0x93E0)], wrap),
    ];
    let at = |register: usize| if register < 0x41 { (0, register * 2) } else { (1, (register - 0x41) * 2) };
    let fields = vec![
        field("cell_voltages_v", at(2), &["FFFF"]),
        field("temperatures_c", at(0x31), &["0000", "00FF", "FFFF"]),
        field("voltage_v", at(0x38), &["FFFF"]),
        field("current_a", at(0x39), &["0000", "FFFF"]),
        field("soc_pct", at(0x3A), &["FFFF"]),
        field("cell_count", at(0x3C), &["0000", "FFFF"]),
        field("remaining_ah", at(0x4B), &["FFFF"]),
        field("cycles", at(0x4C), &["FFFF"]),
        field("charge_fet", at(0x52), &["FFFF"]),
        field("discharge_fet", at(0x53), &["FFFF"]),
        field("heating", at(0x55), &["FFFF"]),
        field("mos_temperature_c", at(0x5A), &["0000", "00FF", "FFFF"]),
        field("board_temperature_c", at(0x5B), &["0000", "00FF", "FFFF"]),
        field("alarms", at(0x6D), &["FFFF"]),
    ];
    Board { family: "daly-modbus", replies, fields }
}

/// The content is the register and the data.
fn jbd() -> Board {
    fn wrap(content: &[u8]) -> Vec<u8> {
        let len = u8::try_from(content.len() - 1).unwrap();
        let mut frame = [&[0xDD, content[0], 0, len], &content[1..]].concat();
        let check = sum16(&frame[2..]).wrapping_neg();
        frame.extend(check.to_be_bytes());
        frame.push(0x77);
        frame
    }
    let words: [u16; 9] = [1320, 0, 10000, 20000, 7, 23 << 9 | 11 << 5 | 14, 0, 0, 0];
    let mut basic: Vec<u8> = [3u8].into_iter().chain(words.into_iter().flat_map(u16::to_be_bytes)).collect();
    basic.extend([0x23, 50, 3, 4, 3]); // version, SoC, FETs, cells, sensors
    basic.extend([2941u16, 2942, 2943].into_iter().flat_map(u16::to_be_bytes));
    basic.extend([45, 0, 0]);
    basic.extend([19800u16, 10000, 50].into_iter().flat_map(u16::to_be_bytes));
    let cells = [4u8].into_iter().chain([3300u16, 3301, 3302, 3303].into_iter().flat_map(u16::to_be_bytes)).collect();
    let fields = vec![
        field("voltage_v", (0, 1), &["FFFF"]),
        field("current_a", (0, 3), &["8000", "7FFF"]),
        field("remaining_ah", (0, 5), &["FFFF"]),
        field("capacity_ah", (0, 7), &["0000", "FFFF"]),
        field("design_ah", (0, 7), &["0000", "FFFF"]),
        field("cycles", (0, 9), &["FFFF"]),
        field("production_date", (0, 11), &["0000", "FFFF"]),
        field("soc_pct", (0, 20), &["FF"]),
        field("cell_count", (0, 22), &["00", "FF"]),
        field("temperatures_c", (0, 26), &["0000", "FFFF"]),
        field("humidity_pct", (0, 30), &["FF"]),
        field("full_charge_ah", (0, 33), &["0000", "FFFF"]),
        field("balance_current_a", (0, 37), &["FFFF"]),
        field("cell_voltages_v", (1, 5), &["FFFF"]),
    ];
    Board { family: "jbd", replies: vec![reply(&[], basic, wrap), reply(&[], cells, wrap)], fields }
}

/// The content is function, address and data.
fn ant() -> Board {
    fn wrap(content: &[u8]) -> Vec<u8> {
        let len = u8::try_from(content.len() - 3).unwrap();
        let mut frame = [&[0x7E, 0xA1], &content[..3], &[len], &content[3..]].concat();
        let check = crc16_modbus(&frame[1..]);
        frame.extend(check.to_le_bytes());
        frame.extend([0xAA, 0x55]);
        frame
    }
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut status = vec![0x11, 0, 0, 5, 1, 3, 4]; // level, state, sensors, cells
    status.extend([0; 8]); // protections
    status.extend([0, 0, 0x80, 0x01, 0, 0, 0, 0]); // warnings: both FETs are on
    status.extend([0; 8]);
    status.extend(words(&[3300, 3301, 3302, 3303, 21, 22, 23, 30, 30, 1320, 0, 50, 99]));
    status.extend([1, 1, 0, 0]);
    status.extend(280_000_000u32.to_le_bytes());
    status.extend(140_000_000u32.to_le_bytes());
    status.extend([0; 16]); // throughput, power, run time, balanced cells
    status.extend([0; 20]);
    status.extend(words(&[0xFAF2]));
    let voltages = [vec![0x12, 0, 0], words(&[3650, 3550, 3700, 3600, 584, 0, 2500, 2700, 2400, 2700, 400])].concat();
    let currents = [vec![0x12, 0x68, 0], words(&[1500, 5, 2000, 5])].concat();
    let fields = vec![
        field("cell_voltages_v", (0, 35), &["FFFF"]),
        field("temperatures_c", (0, 41), &["D8FF", "FF7F"]),
        field("mos_temperature_c", (0, 45), &["D8FF", "FF7F"]),
        field("board_temperature_c", (0, 47), &["D8FF", "FF7F"]),
        field("voltage_v", (0, 49), &["FFFF"]),
        field("current_a", (0, 51), &["0080", "FF7F"]),
        field("soc_pct", (0, 53), &["FFFF"]),
        field("soh_pct", (0, 55), &["0000", "FFFF"]),
        field("capacity_ah", (0, 61), &["00000000", "FFFFFFFF"]),
        field("remaining_ah", (0, 65), &["FFFFFFFF"]),
        field("throughput_ah", (0, 69), &["FFFFFFFF"]),
        field("chemistry", (0, 105), &["F4FA", "FFFF"]),
        field("cell_ovp_v", (1, 3), &["0000", "FFFF"]),
        field("pack_ovp_v", (1, 11), &["0000", "FFFF"]),
        field("cell_uvp_v", (1, 15), &["0000", "FFFF"]),
        field("pack_uvp_v", (1, 23), &["0000", "FFFF"]),
        field("charge_ocp_a", (2, 3), &["0000", "FFFF"]),
        field("discharge_ocp_a", (2, 7), &["0000", "FFFF"]),
    ];
    let replies = [status, voltages, currents].into_iter().map(|content| reply(&[], content, wrap)).collect();
    Board { family: "ant", replies, fields }
}

/// The content is INFO.
fn topbms() -> Board {
    fn wrap(content: &[u8]) -> Vec<u8> {
        let info: String = content.iter().map(|byte| format!("{byte:02X}")).collect();
        let length = info.len();
        let check = (length + (length >> 4) + (length >> 8)).wrapping_neg() & 15;
        let text = format!("52014600{check:X}{length:03X}{info}");
        format!("~{text}{:04X}\r", sum16(text.as_bytes()).wrapping_neg()).into_bytes()
    }
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let mut info = vec![1, 4];
    info.extend(words(&[3300, 3301, 3302, 3303]));
    info.push(3);
    info.extend(words(&[61, 62, 63, 0, 1320, 14000]));
    info.push(6);
    info.extend(words(&[28000, 7]));
    info.extend([50, 99]);
    info.extend([0; 6]);
    let fields = vec![
        field("cell_voltages_v", (0, 6), &["FFFF"]),
        field("temperatures_c", (0, 13), &["0000", "00FF", "FFFF"]),
        field("current_a", (0, 17), &["8000", "7FFF"]),
        field("voltage_v", (0, 19), &["FFFF"]),
        field("remaining_ah", (0, 21), &["FFFF"]),
        field("capacity_ah", (0, 24), &["0000", "FFFF"]),
        field("cycles", (0, 26), &["FFFF"]),
        field("soc_pct", (0, 28), &["FF"]),
        field("soh_pct", (0, 29), &["00", "FF"]),
    ];
    Board { family: "topbms", replies: vec![reply(&[], info, wrap)], fields }
}

/// The content is a recorded frame without its header and sum.
fn ant_old() -> Board {
    fn wrap(content: &[u8]) -> Vec<u8> {
        [&[0xAA, 0x55, 0xAA, 0xFF], content, &sum16(content).to_be_bytes()].concat()
    }
    let content = recorded("ant-old/14s-discharging.json");
    let content = content[4..138].to_vec();
    let fields = vec![
        field("voltage_v", (0, 0), &["FFFF"]),
        field("cell_voltages_v", (0, 6), &["FFFF"]),
        field("current_a", (0, 66), &["80000000", "7FFFFFFF"]),
        field("soc_pct", (0, 70), &["FF"]),
        field("capacity_ah", (0, 71), &["00000000", "FFFFFFFF"]),
        field("remaining_ah", (0, 75), &["FFFFFFFF"]),
        field("throughput_ah", (0, 79), &["FFFFFFFF"]),
        field("temperatures_c", (0, 89), &["FFD8", "7FFF"]),
        field("charge_fet", (0, 99), &["0B"]),
        field("discharge_fet", (0, 100), &["10"]),
    ];
    Board { family: "ant-old", replies: vec![reply(&[], content, wrap)], fields }
}

/// The content is the request and the data of a reply: the check covers both, and only the data are sent.
fn sinowealth() -> Board {
    fn wrap(content: &[u8]) -> Vec<u8> {
        [&content[3..], &[crc8(content)]].concat()
    }
    let read = |register: u8, data: &[u8]| {
        let request = [0x0A, register, u8::try_from(data.len()).unwrap()];
        reply(&request, [&request, data].concat(), wrap)
    };
    let replies = vec![
        read(0x17, &[0, 0]),
        read(0x0B, &9903u16.to_be_bytes()),
        read(0x10, &20_500i32.to_be_bytes()),
        read(0x13, &[0, 60]),
        read(0x11, &100_000u32.to_be_bytes()),
        read(0x12, &60_400u32.to_be_bytes()),
        read(0x0C, &2931u16.to_be_bytes()),
        read(0x0D, &2941u16.to_be_bytes()),
        read(1, &3300u16.to_be_bytes()),
        read(2, &3301u16.to_be_bytes()),
        read(3, &3302u16.to_be_bytes()),
    ];
    let fields = vec![
        field("current_a", (2, 3), &["80000000", "7FFFFFFF"]),
        field("soc_pct", (3, 3), &["FFFF"]),
        field("remaining_ah", (5, 3), &["FFFFFFFF"]),
        field("temperatures_c", (6, 3), &["0000", "FFFF"]),
    ];
    Board { family: "sinowealth", replies, fields }
}

/// The content is a recorded frame without its check and end. Values that say none are at the end of their range.
fn tianpower() -> Board {
    fn wrap(content: &[u8]) -> Vec<u8> {
        let (sum, xor) = content.iter().fold((0u8, 0u8), |(sum, xor), byte| (sum.wrapping_add(*byte), xor ^ byte));
        [content, &[sum ^ xor, 0x0D]].concat()
    }
    let whole = |name| {
        let frame = recorded(name);
        frame[..frame.len() - 2].to_vec()
    };
    let protections = recorded("tianpower/protections.json");
    let at = protections.windows(2).rposition(|bytes| bytes == [0x43, 204]).unwrap() - 2;
    let settings = protections[at..protections.len() - 2].to_vec();
    let fields = vec![
        field("cell_voltages_v", (0, 6), &["FFFF"]),
        field("current_a", (0, 40), &["FFFF", "EA61"]),
        field("soc_pct", (0, 44), &["FFFF"]),
        field("capacity_ah", (0, 48), &["0000", "FFFF"]),
        field("temperatures_c", (0, 53), &["00", "FF"]),
        field("mos_temperature_c", (0, 61), &["00", "FF"]),
        field("cycles", (0, 78), &["FFFF"]),
        field("voltage_v", (0, 82), &["FFFF"]),
        field("soh_pct", (0, 86), &["0000", "FFFF"]),
        field("charge_ocp_a", (1, 62), &["0000", "FFFF"]),
        field("discharge_ocp_a", (1, 70), &["0000", "FFFF"]),
    ];
    let values = whole("tianpower/16s-discharging.json");
    let replies = vec![reply(&[], values, wrap), reply(&[0x7E, 1, 0x43, 0xE0, 0x7E, 0x0D], settings, wrap)];
    Board { family: "tianpower", replies, fields }
}

/// The content is the frame without its sum.
fn litime() -> Board {
    fn wrap(content: &[u8]) -> Vec<u8> {
        [content, &[sum8(content)]].concat()
    }
    let mut content = recorded("litime/redodo-8s.json");
    content.truncate(104);
    let fields = vec![
        field("voltage_v", (0, 12), &["00000000", "FFFFFFFF"]),
        field("cell_voltages_v", (0, 18), &["FFFF"]),
        field("current_a", (0, 48), &["00000080", "FFFFFF7F"]),
        field("temperatures_c", (0, 56), &["0000"]),
        field("remaining_ah", (0, 62), &["FFFF"]),
        field("capacity_ah", (0, 64), &["00000000", "FFFFFFFF"]),
        field("charge_fet", (0, 88), &["FFFF"]),
        field("soc_pct", (0, 90), &["FFFF"]),
        field("soh_pct", (0, 92), &["FFFFFFFF"]),
        field("cycles", (0, 96), &["FFFFFFFF"]),
    ];
    Board { family: "litime", replies: vec![reply(&[], content, wrap)], fields }
}

/// The content is a page without its check.
fn ecoworthy() -> Board {
    fn wrap(content: &[u8]) -> Vec<u8> {
        [content, &crc16_modbus(content).to_le_bytes()].concat()
    }
    let both = recorded("ecoworthy/v1-4s.json");
    let fields = vec![
        field("soc_pct", (0, 16), &["FFFF"]),
        field("soh_pct", (0, 18), &["FFFF"]),
        field("voltage_v", (0, 20), &["0000", "FFFF"]),
        field("current_a", (0, 22), &["8000", "7FFF"]),
        field("capacity_ah", (0, 26), &["0000", "FFFF"]),
        field("cell_voltages_v", (1, 18), &["FFFF"]),
        field("temperatures_c", (1, 84), &["FC18"]),
    ];
    let replies = vec![reply(&[], both[..82].to_vec(), wrap), reply(&[], both[84..184].to_vec(), wrap)];
    Board { family: "ecoworthy", replies, fields }
}

/// The content is a CAN frame; the set ends with the second frame of the measured values.
fn pylontech_can() -> Board {
    let can = |id: u32, bytes: &str| {
        let record = Record::new(id, &dbus_bms::base::hex::decode(bytes).unwrap());
        reply(&[], record.bytes().to_vec(), <[u8]>::to_vec)
    };
    let fields = vec![
        field("bms_cvl_v", (1, 5), &["FFFF"]),
        field("bms_ccl_a", (1, 7), &["0080"]),
        field("bms_dcl_a", (1, 9), &["0080"]),
        field("pack_uvp_v", (1, 11), &["0000", "FFFF"]),
        field("soc_pct", (2, 5), &["FFFF"]),
        field("soh_pct", (2, 7), &["FFFF"]),
        field("lowest_cell_v", (3, 5), &["0000", "FFFF"]),
        field("highest_cell_v", (3, 7), &["0000", "FFFF"]),
        field("remaining_ah", (4, 7), &["FFFF"]),
        field("capacity_ah", (5, 5), &["0000", "FFFF"]),
        field("voltage_v", (6, 5), &["0000", "0080"]),
        field("current_a", (6, 7), &["0080"]),
        field("temperatures_c", (6, 9), &["0080"]),
    ];
    let measured = "C414F6FF0E01";
    let replies = vec![
        can(0x356, measured),
        can(0x351, "3002640064003201"),
        can(0x355, "310064002E13"),
        can(0x373, "E40CF80C00000000"),
        can(0x354, "0000BA00"),
        can(0x379, "C800"),
        can(0x356, measured),
    ];
    Board { family: "pylontech-can", replies, fields }
}

fn can_records(frames: &[(u32, &str)]) -> Vec<u8> {
    frames.iter().flat_map(|(id, bytes)| Record::new(*id, &dbus_bms::base::hex::decode(bytes).unwrap()).bytes()).collect()
}

/// The contents are CAN frames; the set ends with the third of the extreme temperatures.
fn jk_can() -> Board {
    const PACK: (u32, &str) = (0x2F4, "1402D80F51000000");
    const EXTREMES: (u32, &str) = (0x4F4, "FF0C01FC0C040000");
    const HEAT: (u32, &str) = (0x5F4, "4901470048000000");
    const CELLS: (u32, &str) = (0x98E0_28F4, "FF0CFE0CFE0CFC0C");
    const CHARGE: (u32, &str) = (0x98F1_28F4, "E108F00A6B802300");
    const SENSORS: (u32, &str) = (0x98F2_28F4, "0F49474B48000000");
    const STATES: (u32, &str) = (0x98F5_28F4, "0700000000000000");
    let before = [EXTREMES, EXTREMES, EXTREMES, EXTREMES, PACK, CELLS, CHARGE, SENSORS, STATES, HEAT, HEAT];
    let last = [PACK, EXTREMES, CELLS, CHARGE, SENSORS, STATES, HEAT].map(|frame| can_records(&[frame]));
    let replies = [can_records(&before)].into_iter().chain(last).map(|bytes| reply(&[], bytes, <[u8]>::to_vec)).collect();
    let fields = vec![
        field("voltage_v", (1, 5), &["0000", "FFFF"]),
        field("soc_pct", (1, 9), &["FF"]),
        field("highest_cell_v", (2, 5), &["0000", "FFFF"]),
        field("lowest_cell_v", (2, 8), &["0000", "FFFF"]),
        field("cell_voltages_v", (3, 5), &["FFFF"]),
        field("remaining_ah", (4, 5), &["FFFF"]),
        field("capacity_ah", (4, 7), &["0000", "FFFF"]),
        field("cycles", (4, 11), &["FFFF"]),
        field("mos_temperature_c", (5, 8), &["FF"]),
        field("temperatures_c", (5, 9), &["FF"]),
    ];
    Board { family: "jk-can", replies, fields }
}

/// The contents are CAN frames; the set ends with the second frame of the measured values.
fn rv_c() -> Board {
    let frames = [
        (0x99FF_FD8D, "01780A0120013577"),
        (0x99FF_FC8D, "01783C25AEF40001"),
        (0x99FF_FB8D, "0178C81404AEFFFF"),
        (0x99FE_C98D, "0178072001709403"),
        (0x99FE_C78D, "0178000000FFFFFF"),
        (0x99FE_A58D, "017815B004F40100"),
        (0x99FF_FD8D, "01780A0120013577"),
    ];
    let replies = frames.iter().map(|frame| reply(&[], can_records(&[*frame]), <[u8]>::to_vec)).collect();
    const NO_WORD: &[&str] = &["FDFF", "FEFF", "FFFF"];
    const NONE: &[&str] = &["0000", "FDFF", "FEFF", "FFFF"];
    let fields = vec![
        field("voltage_v", (6, 7), NONE),
        field("temperatures_c", (1, 7), NO_WORD),
        field("soc_pct", (1, 9), &["FD", "FE", "FF"]),
        field("soh_pct", (2, 7), &["FD", "FE", "FF"]),
        field("remaining_ah", (2, 8), NO_WORD),
        field("bms_cvl_v", (3, 8), NONE),
        field("bms_ccl_a", (3, 10), NO_WORD),
        field("charge_fet", (5, 7), &["1D", "19"]),
        field("discharge_fet", (5, 7), &["17", "16"]),
        field("capacity_ah", (5, 8), NONE),
    ];
    Board { family: "rv-c", replies, fields }
}

//! Boards with frames of hex digits, but for TopBMS. The content of a reply is INFO.

use super::Board;
use super::boards::{field, reply};
use dbus_bms::bms::ascii::Header;

pub(crate) fn all() -> Vec<Board> {
    vec![pace(), seplos(), pylontech(), daren(), lifepower4()]
}

/// Words with the high byte first.
fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Of a voltage.
const NONE: [&str; 2] = ["0000", "FFFF"];

fn pace() -> Board {
    fn wrap(info: &[u8]) -> Vec<u8> {
        Header { version: 0x25, address: 1, cid1: 0x46, cid2: 0 }.frame(info)
    }
    let mut values = vec![0, 1, 4];
    values.extend(words(&[3300, 3301, 3302, 3303]));
    values.push(6);
    values.extend(words(&[2940, 2941, 2942, 2943, 2980, 2950, 100, 13206, 14000]));
    values.push(4);
    values.extend(words(&[28000, 7, 28000]));
    let mut fields = vec![
        field("cell_voltages_v", (0, 5), &["FFFF"]),
        field("temperatures_c", (0, 12), &["0000", "8000", "FFFF"]),
        field("mos_temperature_c", (0, 20), &["0000", "8000", "FFFF"]),
        field("current_a", (0, 24), &["8000", "7FFF"]),
        field("voltage_v", (0, 26), &["FFFF"]),
        field("remaining_ah", (0, 28), &["FFFF"]),
        field("capacity_ah", (0, 31), &["0000", "FFFF"]),
        field("full_charge_ah", (0, 31), &["0000", "FFFF"]),
        field("cycles", (0, 33), &["FFFF"]),
        field("design_ah", (0, 35), &["0000", "FFFF"]),
    ];
    const CURRENT: [&str; 3] = ["0000", "8000", "7FFF"];
    let settings = [
        (0xD1, field("cell_ovp_v", (1, 3), &NONE), words(&[3600, 3700, 3380])),
        (0xD3, field("cell_uvp_v", (2, 3), &NONE), words(&[2800, 2500, 2900])),
        (0xD5, field("pack_ovp_v", (3, 3), &NONE), words(&[57600, 59200, 54000])),
        (0xD7, field("pack_uvp_v", (4, 3), &NONE), words(&[44800, 40000, 46400])),
        (0xD9, field("charge_ocp_a", (5, 3), &CURRENT), words(&[104, 110])),
        (0xDB, field("discharge_ocp_a", (6, 3), &CURRENT), words(&[0xFF97, 0xFF92])),
    ];
    let mut replies = vec![reply(&[], values, wrap)];
    for (cid2, field, content) in settings {
        let request = Header { version: 0x25, address: 1, cid1: 0x46, cid2 }.frame(&[]);
        replies.push(reply(&request, [vec![1], content, vec![10]].concat(), wrap));
        fields.push(field);
    }
    Board { family: "pace", replies, fields }
}

fn seplos() -> Board {
    fn wrap(info: &[u8]) -> Vec<u8> {
        Header { version: 0x20, address: 0, cid1: 0x46, cid2: 0 }.frame(info)
    }
    let mut values = vec![0, 1, 4];
    values.extend(words(&[3300, 3301, 3302, 3303]));
    values.push(6);
    values.extend(words(&[2940, 2941, 2942, 2943, 2950, 2980, 100, 1320, 14000]));
    values.push(10);
    values.extend(words(&[28000, 500, 28000, 7, 990, 1320, 0, 0, 0, 0]));
    let fields = vec![
        field("cell_voltages_v", (0, 5), &["FFFF"]),
        field("temperatures_c", (0, 12), &["0000", "8000", "FFFF"]),
        field("mos_temperature_c", (0, 22), &["0000", "8000", "FFFF"]),
        field("current_a", (0, 24), &["8000", "7FFF"]),
        field("voltage_v", (0, 26), &["FFFF"]),
        field("remaining_ah", (0, 28), &["FFFF"]),
        field("capacity_ah", (0, 31), &["0000", "FFFF"]),
        field("full_charge_ah", (0, 31), &["0000", "FFFF"]),
        field("soc_pct", (0, 33), &["FFFF"]),
        field("design_ah", (0, 35), &["0000", "FFFF"]),
        field("cycles", (0, 37), &["FFFF"]),
        field("soh_pct", (0, 39), &["0000", "FFFF"]),
        field("cell_ovp_v", (1, 2 + 2 * 4), &NONE),
        field("cell_uvp_v", (1, 2 + 2 * 6), &NONE),
        field("pack_ovp_v", (1, 2 + 2 * 14), &NONE),
        field("pack_uvp_v", (1, 2 + 2 * 16), &NONE),
        field("charge_ocp_a", (1, 2 + 2 * 54), &NONE),
        field("discharge_ocp_a", (1, 2 + 2 * 55), &["0000", "8000", "7FFF", "FFFF"]),
    ];
    let mut settings = [1u16; 60];
    for (at, value) in [(4, 3650), (6, 2700), (14, 5680), (16, 4160), (54, 21000), (55, 0xADF8)] {
        settings[at] = value;
    }
    let settings = [vec![0, 60], words(&settings), vec![27], vec![0; 27]].concat();
    Board { family: "seplos", replies: vec![reply(&[], values, wrap), reply(&[], settings, wrap)], fields }
}

fn pylontech() -> Board {
    fn wrap(info: &[u8]) -> Vec<u8> {
        Header { version: 0x20, address: 2, cid1: 0x46, cid2: 0 }.frame(info)
    }
    let mut values = vec![0, 2, 8];
    values.extend(words(&[3300, 3301, 3302, 3303, 3304, 3305, 3306, 3307]));
    values.push(3);
    values.extend(words(&[2940, 2941, 2942, 100, 26400, 0xFFFF]));
    values.extend([4, 0xFF, 0xFF, 0, 7, 0, 0xC3, 0x50, 1, 0x86, 0xA0]);
    let limits = [vec![2], words(&[28400, 23200, 555, 0xFDD5]), vec![0xC0]].concat();
    let settings = [vec![0], words(&[3650, 3050, 2800, 3331, 2631, 900, 54000, 46000, 43500, 3331, 2631, 0xFC7C])].concat();
    let fields = vec![
        field("cell_voltages_v", (0, 5), &["FFFF"]),
        field("temperatures_c", (0, 22), &["0000", "8000", "FFFF"]),
        field("current_a", (0, 26), &["8000", "7FFF"]),
        field("voltage_v", (0, 28), &["FFFF"]),
        field("cycles", (0, 35), &["FFFF"]),
        field("remaining_ah", (0, 37), &["FFFFFF"]),
        field("capacity_ah", (0, 40), &["000000", "FFFFFF"]),
        field("full_charge_ah", (0, 40), &["000000", "FFFFFF"]),
        field("bms_cvl_v", (1, 1), &["0000", "FFFF"]),
        field("bms_ccl_a", (1, 5), &["8000", "7FFF"]),
        field("bms_dcl_a", (1, 7), &["8000", "7FFF"]),
        field("cell_ovp_v", (2, 1), &["0000", "FFFF"]),
        field("cell_uvp_v", (2, 5), &["0000", "FFFF"]),
        field("charge_ocp_a", (2, 11), &["0000", "8000", "7FFF"]),
        field("pack_ovp_v", (2, 13), &["0000", "FFFF"]),
        field("pack_uvp_v", (2, 17), &["0000", "FFFF"]),
        field("discharge_ocp_a", (2, 23), &["0000", "8000", "7FFF"]),
    ];
    let replies = [values, limits, settings].map(|content| reply(&[], content, wrap));
    Board { family: "pylontech", replies: replies.into(), fields }
}

fn daren() -> Board {
    fn wrap(info: &[u8]) -> Vec<u8> {
        Header { version: 0x22, address: 1, cid1: 0x4A, cid2: 0 }.frame(info)
    }
    let mut values = vec![0];
    values.extend(words(&[5000, 1320]));
    values.push(4);
    values.extend(words(&[3300, 3301, 3302, 3303, 200, 201, 202]));
    values.push(3);
    values.extend(words(&[211, 212, 213, 100, 0, 99]));
    values.push(1);
    values.extend(words(&[28000, 14000, 7]));
    values.extend(vec![0; 10 + 8 + 2 + 13]);
    let mut limits = vec![0];
    // Without a capacity, which would stand in for the one of the values.
    limits.extend(words(&[3650, 2500, 115, 45, 12000, 3650, 2500, 16, 12000, 0xFFFF, 0, 0]));
    limits.extend(vec![0xFF; 20]);
    limits.extend(format!("{:<20}", "S1").into_bytes());
    let fields = vec![
        field("soc_pct", (0, 1), &["FFFF"]),
        field("voltage_v", (0, 3), &["FFFF"]),
        field("cell_voltages_v", (0, 8), &["FFFF"]),
        field("mos_temperature_c", (0, 18), &["8000", "7FFF"]),
        field("temperatures_c", (0, 21), &["8000", "7FFF"]),
        field("current_a", (0, 27), &["8000", "7FFF"]),
        field("soh_pct", (0, 31), &["0000", "FFFF"]),
        field("capacity_ah", (0, 34), &["0000", "FFFF"]),
        field("full_charge_ah", (0, 34), &["0000", "FFFF"]),
        field("remaining_ah", (0, 36), &["FFFF"]),
        field("cycles", (0, 38), &["FFFF"]),
        field("cell_ovp_v", (1, 1), &["0000", "FFFF"]),
        field("cell_uvp_v", (1, 3), &["0000", "FFFF"]),
        field("charge_ocp_a", (1, 9), &["0000", "FFFF"]),
    ];
    let replies = [values, limits].map(|content| reply(&[], content, wrap));
    Board { family: "daren", replies: replies.into(), fields }
}

fn lifepower4() -> Board {
    fn wrap(info: &[u8]) -> Vec<u8> {
        Header { version: 0x20, address: 1, cid1: 0x4A, cid2: 0 }.frame(info)
    }
    let mut values = vec![0, 1, 4];
    values.extend(words(&[3300, 3301, 3302, 3303]));
    values.push(2);
    values.extend(words(&[2940, 2941, 2950, 2980, 100, 1320, 14000, 28000, 7]));
    values.push(15);
    values.extend(words(&[50, 99]));
    values.extend(vec![0; 38]);
    let fields = vec![
        field("cell_voltages_v", (0, 5), &["FFFF"]),
        field("temperatures_c", (0, 12), &["0000", "8000", "FFFF"]),
        field("mos_temperature_c", (0, 18), &["0000", "8000", "FFFF"]),
        field("current_a", (0, 20), &["8000", "7FFF"]),
        field("voltage_v", (0, 22), &["FFFF"]),
        field("remaining_ah", (0, 24), &["FFFF"]),
        field("capacity_ah", (0, 26), &["0000", "FFFF"]),
        field("full_charge_ah", (0, 26), &["0000", "FFFF"]),
        field("cycles", (0, 28), &["FFFF"]),
        field("soc_pct", (0, 31), &["FFFF"]),
        field("soh_pct", (0, 33), &["0000", "FFFF"]),
    ];
    Board { family: "lifepower4", replies: vec![reply(&[], values, wrap)], fields }
}

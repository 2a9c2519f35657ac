//! Boards of the families whose registers are read with Modbus, see [`super::boards`].

use super::boards::field;
use super::{Board, Field, Reply};
use dbus_bms::bms::modbus::{Read, with_crc};

pub(super) fn all() -> Vec<Board> {
    vec![seplos_v3(), jbd_up16s(), renogy(), eg4_ll(), pace_modbus(), felicity(), heltec()]
}

/// The reply of the board at `A` with function `F`; the content is its data.
fn wrap<const A: u8, const F: u8>(content: &[u8]) -> Vec<u8> {
    with_crc([&[A, F, u8::try_from(content.len()).unwrap()], content].concat())
}

/// The reply to `read` of the board at `A`, with these registers set.
fn reply<const A: u8, const F: u8>(read: Read, set: &[(u16, u16)]) -> Reply {
    assert_eq!(read.function.code(), F);
    let mut content = vec![0; usize::from(read.count) * 2];
    for (register, value) in set {
        let at = usize::from(register - read.first) * 2;
        content[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }
    Reply { sent: read.request(A), content, wrap: wrap::<A, F> }
}

/// A register of a reply that begins with `first`.
const fn at(reply: usize, first: usize, register: usize) -> (usize, usize) {
    (reply, (register - first) * 2)
}

/// Not available; not set or not fitted, either.
const NONE: &[&str] = &["FFFF"];
const UNSET: &[&str] = &["0000", "FFFF"];

fn seplos_v3() -> Board {
    let pack = [
        (0x1000, 1320),
        (0x1002, 14000),
        (0x1003, 28000),
        (0x1005, 500),
        (0x1006, 990),
        (0x1007, 7),
        (0x1008, 3301),
        (0x100A, 3303),
        (0x100B, 3300),
        (0x100F, 200),
        (0x1010, 150),
    ];
    let cells = [
        (0x1100, 3300),
        (0x1101, 3301),
        (0x1102, 3302),
        (0x1103, 3303),
        (0x1110, 2941),
        (0x1111, 2942),
        (0x1112, 2943),
        (0x1119, 3031),
    ];
    let settings =
        [(0x1300, 3), (0x1301, 4), (0x1305, 1460), (0x1309, 1000), (0x130D, 3650), (0x1311, 2500), (0x1317, 150), (0x131D, 0xFF38)];
    let replies = vec![
        reply::<0, 4>(Read::input(0x1000, 0x11), &pack),
        reply::<0, 4>(Read::input(0x1100, 0x1A), &cells),
        reply::<0, 4>(Read::input(0x1300, 0x35), &settings),
    ];
    let fields: Vec<Field> = vec![
        field("voltage_v", at(0, 0x1000, 0x1000), NONE),
        field("current_a", at(0, 0x1000, 0x1001), &["8000", "7FFF"]),
        field("remaining_ah", at(0, 0x1000, 0x1002), NONE),
        field("capacity_ah", at(0, 0x1000, 0x1003), UNSET),
        field("soc_pct", at(0, 0x1000, 0x1005), NONE),
        field("soh_pct", at(0, 0x1000, 0x1006), UNSET),
        field("cycles", at(0, 0x1000, 0x1007), NONE),
        field("bms_dcl_a", at(0, 0x1000, 0x100F), NONE),
        field("bms_ccl_a", at(0, 0x1000, 0x1010), NONE),
        field("cell_voltages_v", at(1, 0x1100, 0x1102), NONE),
        field("temperatures_c", at(1, 0x1100, 0x1111), UNSET),
        field("mos_temperature_c", at(1, 0x1100, 0x1119), UNSET),
        field("pack_ovp_v", at(2, 0x1300, 0x1305), UNSET),
        field("pack_uvp_v", at(2, 0x1300, 0x1309), UNSET),
        field("cell_ovp_v", at(2, 0x1300, 0x130D), UNSET),
        field("cell_uvp_v", at(2, 0x1300, 0x1311), UNSET),
        field("charge_ocp_a", at(2, 0x1300, 0x1317), UNSET),
        field("discharge_ocp_a", at(2, 0x1300, 0x131D), UNSET),
    ];
    Board { family: "seplos-v3", replies, fields }
}

/// The content is the data of function 78, 1000: 20 bytes up to the MOSFETs' temperature, 64 up to the cells.
fn jbd_up16s() -> Board {
    fn wrap(content: &[u8]) -> Vec<u8> {
        let len = u16::try_from(content.len()).unwrap().to_be_bytes();
        with_crc([&[1, 0x78, 0x10, 0, 0x10, 0xA0], &len[..], content].concat())
    }
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let mut content = words(&[1320, 0]);
    content.extend(300_000u32.to_be_bytes());
    content.extend(words(&[5000, 14000, 27000, 28000, 800, 710, 0, 99]));
    content.extend([0; 8]);
    content.extend(words(&[3, 0, 7]));
    content.extend([0; 20]);
    content.extend(words(&[146, 1000, 112, 1500, 4, 3300, 3301, 3302, 3303, 3, 711, 712, 713, 0, 0, 0x0C04]));
    content.extend([0; 30]);
    let fields = vec![
        field("voltage_v", (0, 0), NONE),
        field("current_a", (0, 4), &["00000000", "FFFFFFFF"]),
        field("soc_pct", (0, 8), NONE),
        field("remaining_ah", (0, 10), NONE),
        field("full_charge_ah", (0, 12), UNSET),
        field("capacity_ah", (0, 14), UNSET),
        field("design_ah", (0, 14), UNSET),
        field("mos_temperature_c", (0, 16), UNSET),
        field("soh_pct", (0, 22), UNSET),
        field("cycles", (0, 36), NONE),
        field("bms_cvl_v", (0, 58), UNSET),
        field("bms_ccl_a", (0, 60), NONE),
        field("bms_dcl_a", (0, 64), NONE),
        field("cell_voltages_v", (0, 72), NONE),
        field("temperatures_c", (0, 80), UNSET),
        field("sw_version", (0, 88), &["0000"]),
        field("cell_ovp_v", (1, 6), UNSET),
        field("cell_uvp_v", (1, 18), UNSET),
        field("pack_ovp_v", (1, 30), UNSET),
        field("pack_uvp_v", (1, 42), UNSET),
        field("charge_ocp_a", (1, 54), UNSET),
        field("discharge_ocp_a", (1, 74), UNSET),
    ];
    let mut settings = words(&[0; 104]);
    for (at, word) in [(6, 3650u16), (18, 2500), (30, 1460), (42, 1000), (54, 1200), (74, 1300)] {
        settings[at..at + 2].copy_from_slice(&word.to_be_bytes());
    }
    let settings = Reply {
        sent: Vec::new(),
        content: settings,
        wrap: |content| with_crc([&[1, 0x78, 0x18, 0, 0x19, 0, 0, 208], content].concat()),
    };
    Board { family: "jbd-up16s", replies: vec![Reply { sent: Vec::new(), content, wrap }, settings], fields }
}

fn renogy() -> Board {
    let state = [(0x13B2, 100), (0x13B3, 132), (0x13B5, 50_000), (0x13B6, 1), (0x13B7, 34_464), (0x13B8, 7)];
    let cells = [
        (0x1388, 4),
        (0x1389, 33),
        (0x138A, 34),
        (0x138B, 35),
        (0x138C, 36),
        (0x1399, 3),
        (0x139A, 210),
        (0x139B, 220),
        (0x139C, 230),
    ];
    let model = b"RBT100LFP12-BT  ".as_chunks().0.iter().copied().map(u16::from_be_bytes);
    let model: Vec<(u16, u16)> = (0x1402..).zip(model).collect();
    let replies = vec![
        reply::<0x30, 3>(Read::holding(0x1402, 8), &model),
        reply::<0x30, 3>(Read::holding(0x13B2, 7), &state),
        reply::<0x30, 3>(Read::holding(0x1388, 0x22), &cells),
        reply::<0x30, 3>(Read::holding(0x13EC, 8), &[(0x13F2, 0x000E)]),
    ];
    let fields = vec![
        field("current_a", at(1, 0x13B2, 0x13B2), &["8000", "7FFF"]),
        field("voltage_v", at(1, 0x13B2, 0x13B3), NONE),
        field("cycles", at(1, 0x13B2, 0x13B8), NONE),
        field("cell_voltages_v", at(2, 0x1388, 0x138B), NONE),
        field("temperatures_c", at(2, 0x1388, 0x139B), &["8000", "7FFF", "FFFF"]),
        field("charge_fet", at(3, 0x13EC, 0x13F2), &["0000"]),
        field("discharge_fet", at(3, 0x13EC, 0x13F2), &["0000"]),
    ];
    Board { family: "renogy", replies, fields }
}

fn eg4_ll() -> Board {
    let values = [
        (0, 1320),
        (2, 3300),
        (3, 3301),
        (4, 3302),
        (5, 3303),
        (18, 30),
        (21, 140),
        (22, 100),
        (23, 99),
        (24, 50),
        (30, 7),
        (31, 0x3C14),
        (32, 0xDC00),
        (33, 0x1516),
        (34, 0x1700),
        (36, 4),
        (37, 2800),
    ];
    let fields = vec![
        field("voltage_v", at(0, 0, 0), NONE),
        field("current_a", at(0, 0, 1), &["8000", "7FFF"]),
        field("cell_voltages_v", at(0, 0, 4), NONE),
        field("mos_temperature_c", at(0, 0, 18), NONE),
        field("remaining_ah", at(0, 0, 21), NONE),
        field("bms_ccl_a", at(0, 0, 22), NONE),
        field("soh_pct", at(0, 0, 23), UNSET),
        field("soc_pct", at(0, 0, 24), NONE),
        field("cycles", at(0, 0, 29), &["FFFFFFFF"]),
        field("full_charge_ah", at(0, 0, 31), &["00000000", "FFFFFFFF"]),
        field("temperatures_c", (0, 67), &["00", "C8"]),
        field("capacity_ah", at(0, 0, 37), UNSET),
        field("design_ah", at(0, 0, 37), UNSET),
    ];
    Board { family: "eg4-ll", replies: vec![reply::<1, 3>(Read::holding(0, 0x27), &values)], fields }
}

fn pace_modbus() -> Board {
    let values = [
        (1, 1320),
        (2, 50),
        (3, 99),
        (4, 14000),
        (5, 28000),
        (6, 30000),
        (7, 7),
        (15, 3300),
        (16, 3301),
        (17, 3302),
        (18, 3303),
        (31, 210),
        (32, 220),
        (33, 230),
        (34, 240),
        (35, 300),
    ];
    let settings = [(61, 14600), (65, 3650), (69, 10_000), (73, 2500), (77, 150), (80, 200)];
    let replies = vec![reply::<1, 3>(Read::holding(0, 0x27), &values), reply::<1, 3>(Read::holding(60, 21), &settings)];
    let fields = vec![
        field("current_a", at(0, 0, 0), &["8000", "7FFF"]),
        field("soc_pct", at(0, 0, 2), NONE),
        field("soh_pct", at(0, 0, 3), UNSET),
        field("remaining_ah", at(0, 0, 4), NONE),
        field("capacity_ah", at(0, 0, 5), UNSET),
        field("design_ah", at(0, 0, 6), UNSET),
        field("cycles", at(0, 0, 7), NONE),
        field("temperatures_c", at(0, 0, 32), &["8000", "7FFF", "FFFF"]),
        field("mos_temperature_c", at(0, 0, 35), &["8000", "7FFF", "FFFF"]),
        field("pack_ovp_v", at(1, 60, 61), UNSET),
        field("cell_ovp_v", at(1, 60, 65), UNSET),
        field("pack_uvp_v", at(1, 60, 69), UNSET),
        field("cell_uvp_v", at(1, 60, 73), UNSET),
        field("charge_ocp_a", at(1, 60, 77), UNSET),
        field("discharge_ocp_a", at(1, 60, 80), UNSET),
    ];
    Board { family: "pace-modbus", replies, fields }
}

fn felicity() -> Board {
    let one = |first, count, set: &[(u16, u16)]| reply::<1, 3>(Read::holding(first, count), set);
    let mut cells: Vec<(u16, u16)> = (0x132A..0x133A).map(|register| (register, 0x7FFF)).collect();
    cells.iter_mut().take(4).zip(3300..).for_each(|((_, cell), volts)| *cell = volts);
    let replies = vec![
        one(0x1306, 2, &[(0x1306, 1320), (0x1307, 50)]),
        one(0x130B, 1, &[(0x130B, 50)]),
        one(0x132A, 16, &cells),
        one(0x131C, 4, &[(0x131E, 1000), (0x131F, 1200)]),
        one(0x1339, 5, &[(0x133A, 21), (0x133B, 22), (0x133C, 23)]),
        one(0x130A, 1, &[(0x130A, 30)]),
        one(0xF804, 5, &[(0xF804, 1)]),
        one(0xF80B, 1, &[(0xF80B, 214)]),
    ];
    const NEITHER: &[&str] = &["7FFF", "FFFF"];
    const ENDS: &[&str] = &["7FFF", "8000", "FFFF"];
    let fields = vec![
        field("voltage_v", (0, 0), NEITHER),
        field("current_a", (0, 2), &["8000", "7FFF"]),
        field("soc_pct", (1, 0), NEITHER),
        field("cell_voltages_v", (2, 2), NEITHER),
        field("bms_ccl_a", (3, 4), NEITHER),
        field("bms_dcl_a", (3, 6), NEITHER),
        field("temperatures_c", (4, 4), ENDS),
        field("mos_temperature_c", (5, 0), ENDS),
        field("serial_number", (6, 0), &["00000000000000000000", "FFFFFFFFFFFFFFFFFFFF"]),
        field("sw_version", (7, 0), &["0000", "7FFF", "FFFF"]),
    ];
    Board { family: "felicity", replies, fields }
}

fn heltec() -> Board {
    let one = |first, count, set: &[(u16, u16)]| reply::<1, 3>(Read::holding(first, count), set);
    // The low byte comes first.
    let low = u16::swap_bytes;
    let cells = (81..85).zip(3300..).map(|(register, volts)| (register, low(volts)));
    let status = [(112, 0x4544), (113, 0x3C3D), (118, low(2800)), (120, 0x4062), (127, 0x0025)];
    let status: Vec<(u16, u16)> = cells.chain(status).collect();
    let replies = vec![
        one(62, 18, &[(62, 0x6468), (63, 0x5342), (64, 0x444D), (75, 0x0401), (76, low(13_206)), (78, low(50))]),
        one(2, 18, &[(2, 0x1234)]),
        one(52, 2, &[(52, 0x0002), (53, 0x0100)]),
        one(169, 26, &[(169, low(3650)), (172, low(2500)), (191, low(12_000)), (194, low(15_000))]),
        one(80, 80, &status),
    ];
    let fields = vec![
        field("voltage_v", at(0, 62, 76), &["FFFFFFFF"]),
        field("current_a", at(0, 62, 78), &["00000080", "FFFFFF7F"]),
        field("serial_number", at(1, 2, 2), &["0000000000000000", "FFFFFFFFFFFFFFFF"]),
        field("cell_ovp_v", at(3, 169, 169), UNSET),
        field("cell_uvp_v", at(3, 169, 172), UNSET),
        field("charge_ocp_a", at(3, 169, 191), UNSET),
        field("discharge_ocp_a", at(3, 169, 194), UNSET),
        field("cell_voltages_v", at(4, 80, 82), NONE),
        field("mos_temperature_c", at(4, 80, 112), &["00", "A6"]),
        field("temperatures_c", at(4, 80, 113), &["00", "A6"]),
        field("capacity_ah", at(4, 80, 118), UNSET),
        field("soc_pct", at(4, 80, 120), &["FF"]),
        field("soh_pct", (4, 81), &["00", "FF"]),
        field("cycles", (4, 95), &["FF"]),
    ];
    Board { family: "heltec", replies, fields }
}

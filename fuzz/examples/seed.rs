//! Writes the initial inputs of the targets to `corpus/`: recordings, the default configuration, states, lines of inputs. See
//! seed.sh.

use dbus_bms::base::hex;
use dbus_bms::base::time::Now;
use dbus_bms::base::units::Moment;
use dbus_bms::battery::soc;
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::bms::DRIVERS;
use dbus_bms::config::document;
use dbus_bms::model::LinkStats;
use dbus_bms::recording::file::Recording;
use std::fs;
use std::io;
use std::path::Path;

/// A scenario with every key (src/sim/scenario.rs).
const SCENARIO: &str = "repeat_s = 600\n[[step]]\nt = 0\ncurrent_a = -20.0\nsoc_pct = 95\n[[step]]\nt = 30.5\naddress = 1\n\
    temperature_c = 4.0\ncell = 3\noffset_v = 0.12\nalarms = [\"short_circuit\"]\ncharge_fet = false\ndischarge_fet = true\n\
    [[step]]\nt = 40\nlive = true\nsilent = true\n";

/// Lines for the `limits` filter: a healthy battery, a high cell, silence, a broken wire, all inputs.
const FACTS: &str = r#"{"t":0,"cells":[3.31,3.32,3.31,3.31],"current":5,"soc":60,"temperatures":[22],"charge_allowed":true}
{"t":1,"cells":[3.31,3.56,3.31,3.31],"current":5,"soc":61,"temperatures":[22],"mos_temperature":75}
{"t":20,"age_s":19,"cells":[3.31,3.32,3.31,3.31],"bms_ccl":40,"bms_dcl":0,"owner_ccl":3,"owner_dcl":1}
{"t":61,"cells":[0,3.32,3.31,3.31],"cell_count":4,"voltage":13.25,"capacity_ah":280}
{"t":70,"cells":[2.4,2.41,2.4,2.4],"cell_ovp":3.65,"cell_uvp":2.5,"charge_ocp":100,"discharge_ocp":100,"discharge_allowed":false}
"#;

fn main() -> io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = |target: &str, name: &str, bytes: Vec<u8>| -> io::Result<()> {
        let folder = here.join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    };
    for family in fs::read_dir(here.join("../tests/vectors"))? {
        for file in fs::read_dir(family?.path())? {
            let path = file?.path();
            let text = fs::read_to_string(&path)?;
            let vector = Recording::parse(&path.display().to_string(), &text).map_err(io::Error::other)?;
            let name = format!("{}-{}", vector.bms, path.file_stem().unwrap_or_default().display());
            let received = vector.received();
            for number in 0..u8::try_from(DRIVERS.len()).unwrap_or(u8::MAX) {
                // The driver (every frame counts), and pieces of 64 bytes.
                corpus("decode", &format!("{name}-{number}"), [&[number << 1, 64], received.as_slice()].concat())?;
            }
            let own = DRIVERS.iter().position(|driver| driver.name == vector.bms).unwrap_or_default();
            for address in [0, 128] {
                corpus("exchange", &format!("{name}-{address}"), exchange(u8::try_from(own).unwrap_or(0), address, &received))?;
            }
            corpus("files", &name, [&[0], text.as_bytes()].concat())?;
        }
    }
    let example = |line: &str| line.strip_prefix("#example: ").unwrap_or(line).to_owned();
    let set = |line: &str| {
        if line.contains(" = ") && !line.starts_with("# ") { line.trim_start_matches('#').to_owned() } else { example(line) }
    };
    let all: String = document().lines().map(|line| set(&example(line)) + "\n").collect();
    corpus("config", "defaults", document().into_bytes())?;
    corpus("config", "all", all.clone().into_bytes())?;
    corpus(
        "config",
        "tables",
        format!("[port.ttyUSB0]\ncells = 8\n[battery.\"jbd_1\"]\nrecovery.hold_s = 60.0\n{all}").into_bytes(),
    )?;
    for (number, line) in all.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')).enumerate() {
        corpus("config", &format!("line-{number}"), line.as_bytes().to_vec())?;
    }
    corpus("files", "scenario", [&[1], SCENARIO.as_bytes()].concat())?;
    for (name, choice) in [("state", 2u8), ("state-counted", 2 + 126 + 64)] {
        corpus("files", name, [&[choice], state().as_bytes()].concat())?;
    }
    for (number, line) in [
        "GET\n/api/v1/batteries",
        "GET\n/metrics",
        "GET\n/api/v1/history\nid=jbd_1&range=week",
        "POST\n/api/v1/batteries/jbd_1/commands",
    ]
    .into_iter()
    .enumerate()
    {
        let gap = if line.matches('\n').count() == 1 { "\n" } else { "" };
        let rest = "venus.local\nhttp://venus.local\nBearer 0123456789abcdef\n\"0\"\n{\"id\":\"b\",\"soc_pct\":1.5,\"alarms\":[{\"name\":\"low_soc\",\"level\":\"alarm\"}]}\ndbus-bms history 1\n";
        corpus("web", &format!("request-{number}"), format!("{line}\n{gap}{rest}").into_bytes())?;
    }
    for choice in (0..32u8).step_by(2) {
        corpus("limits", &format!("facts-{choice}"), [&[choice], FACTS.as_bytes()].concat())?;
    }
    house(&here.join(".."), corpus)
}

/// Inputs of the devices of the house: the first byte is the type of the rest, as in the target.
fn house(root: &Path, corpus: impl Fn(&str, &str, Vec<u8>) -> io::Result<()>) -> io::Result<()> {
    let vectors = |folder: &str| -> io::Result<Vec<(String, serde_json::Value)>> {
        let files = fs::read_dir(root.join(folder))?.map(|file| {
            let path = file?.path();
            Ok((path.file_stem().unwrap_or_default().display().to_string(), serde_json::from_str(&fs::read_to_string(&path)?)?))
        });
        files.collect()
    };
    for (name, vector) in vectors("tests/protocol/goodwe")? {
        for (number, exchange) in vector["exchanges"].as_array().into_iter().flatten().enumerate() {
            let bytes = hex::decode(exchange["reply"].as_str().unwrap_or_default()).unwrap_or_default();
            let length = u8::try_from(bytes.len().min(255)).unwrap_or(u8::MAX) - 1;
            for query in 0..4 {
                corpus("house", &format!("{name}-{number}-{query}"), [&[0, query, length], bytes.as_slice(), &[200]].concat())?;
            }
        }
    }
    for (name, vector) in vectors("tests/xanbus/vectors")? {
        for group in 0..13 {
            let mut input = vec![1];
            for line in vector["frames"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str) {
                let bytes = line.split_once('#').and_then(|(_, bytes)| hex::decode(bytes).ok()).unwrap_or_default();
                input.extend([1, group, 7, 0]);
                input.extend(bytes);
            }
            corpus("house", &format!("{name}-{group}"), input)?;
        }
    }
    for family in 0..7 {
        corpus("house", &format!("conext-{family}"), [&[2, family][..], &[200; 1500]].concat())?;
    }
    let meter = b"\x01\x0E\x71\x40\x3B\x01\0\0\0\x09\0\x01\x04\0\0\0\x30\x39\0\x01\x08\0\0\0\0\0\0\0\0\x07\0\x02\x04\0\0\0\0\0\x90\0\0\0\x01\x02\x03\x04";
    corpus("house", "sma", [&[3], meter.as_slice()].concat())?;
    for (number, text) in
        ["-1234.5", "\"230\"", "{\"ENERGY\": {\"Power\": 421}}", "{\"in\": 30, \"out\": \"2.5\"}"].iter().enumerate()
    {
        corpus("house", &format!("power-{number}"), [&[4], text.as_bytes()].concat())?;
    }
    for (name, vector) in vectors("tests/rs485/vectors")? {
        for (number, exchange) in vector["exchanges"].as_array().into_iter().flatten().enumerate() {
            let text = exchange["request_ascii"].as_str().map(|text| format!("{text}\r").into_bytes());
            let request = text.or_else(|| hex::decode(exchange["request_hex"].as_str()?).ok()).unwrap_or_default();
            for protocol in 0..5 {
                let head = [5, protocol, 0, 0, 100, u8::try_from(request.len()).unwrap_or(1) - 1];
                corpus("house", &format!("{name}-{number}-{protocol}"), [&head, request.as_slice(), &[200, 1]].concat())?;
            }
        }
    }
    let day = |at: u32| {
        let cells: Vec<f64> = (0..4).map(|cell| 3.2 + f64::from(at % 7) / 50.0 + f64::from(cell) / 1000.0).collect();
        format!(
            "{{\"t\":{},\"cells\":{cells:?},\"current\":{},\"soc\":50,\"temperatures\":[20],\"balancing\":{{\"cells\":[1],\"current\":-0.1}}}}\n",
            at * 20_000,
            f64::from(at % 5) * 10.0 - 20.0
        )
    };
    corpus("house", "health", [&[6], (0..12).map(day).collect::<String>().as_bytes()].concat())
}

/// One request of this driver, with these bytes as its reply, in pieces of at most 510.
fn exchange(driver: u8, address: u8, bytes: &[u8]) -> Vec<u8> {
    let pieces: Vec<&[u8]> = bytes.chunks(510).take(7).collect();
    let mut input = vec![driver, address, 0, 2, u8::try_from(pieces.len()).unwrap_or(7)];
    for piece in pieces {
        input.extend([20, 0, u8::try_from(piece.len() / 2).unwrap_or(u8::MAX)]);
        input.extend(&piece[..piece.len() / 2 * 2]);
    }
    input
}

/// State saved by a battery after an hour of charging and counting.
fn state() -> String {
    let config = soc::Config { source: soc::Source::Counted, ..soc::Config::default() };
    let mut battery = Battery::new(dbus_bms::battery::charge::Config::default(), PersistedState::default()).with_soc(config);
    let mut reading = held::limits::good_reading();
    for second in 0..3600u32 {
        if second == 1000 {
            reading.cells.fill(dbus_bms::base::units::Volts::new(3.449));
            reading.voltage = Some(dbus_bms::base::units::Volts::new(55.184));
        }
        let now = Now { at: Moment::from_secs(f64::from(second)), unix: Some(1_800_000_000 + u64::from(second)) };
        battery.read(reading.clone(), LinkStats::default(), now);
    }
    serde_json::to_string(&battery.persisted_state()).unwrap_or_default()
}

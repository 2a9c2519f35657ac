//! The simulated installation: its physics, the results of charge control on its days, and the command that shows them.

use dbus_bms::bank::{Bank, Member};
use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts};
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{Fets, LinkStats, Reading, Snapshot, Temperatures};
use dbus_bms::sim::pack::{Demand, Pack, PackConfig, ReportedState};
use dbus_bms::sim::plant::charger::ChargerConfig;
use dbus_bms::sim::plant::control::{CONTROL_PRESETS, Control};
use dbus_bms::sim::plant::figures::Sample;
use dbus_bms::sim::plant::limits::ChargeLimits;
use dbus_bms::sim::plant::profile::Course;
use dbus_bms::sim::plant::run::{Setup, record, run};
use dbus_bms::sim::plant::scenarios::{SCENARIOS, scenario};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::process::{Command, Output};
use std::sync::Arc;

/// The default settings with 100 A.
pub(crate) fn defaults() -> Control {
    Control::rules((CONTROL_PRESETS[0].config)())
}

fn usual(name: &str) -> Setup {
    scenario(name).unwrap().usual(defaults())
}

#[test]
fn limits_are_finite_and_within_the_maxima_at_every_second() {
    for scenario in &SCENARIOS {
        run(&scenario.varied(defaults(), 9), |sample| {
            let limits = [(sample.cvl_v, 16.0 * 3.60), (sample.ccl_a, 100.0), (sample.dcl_a, 100.0)];
            assert!(limits.iter().all(|(value, most)| (0.0..=*most).contains(value)), "{}: {sample:?}", scenario.name);
        });
    }
}

#[test]
fn equal_setups_run_alike_and_other_seeds_differ() {
    let clouds = scenario("clouds").unwrap();
    let day = |seed| record(&Setup { start_h: 10.0, hours: 2.0, ..clouds.varied(defaults(), seed) });
    assert_eq!(day(5), day(5));
    assert_ne!(day(5).0, day(6).0);
}

#[test]
fn no_charge_is_won_or_lost() {
    for name in ["sunny-day", "night-drain", "weak-cell"] {
        let setup = usual(name);
        let (figures, samples) = record(&setup);
        let cells_ah = setup.pack.capacity_ah * 1.02;
        let stored = (samples.last().unwrap().soc_pct - samples[0].soc_pct) / 100.0 * cells_ah;
        let flowed = figures.charged_ah - figures.discharged_ah;
        assert!((stored - flowed).abs() < 0.02 * (figures.charged_ah + figures.discharged_ah), "{name}: {stored} and {flowed} Ah");
    }
}

#[test]
fn with_nothing_but_a_voltage_the_pack_is_held_at_it() {
    let told = ChargeLimits { cvl_v: 55.2, ccl_a: 100.0, dcl_a: 100.0 };
    let (figures, samples) = record(&Setup { control: Control::Fixed(told), ..usual("steady-sun") });
    assert!(samples.iter().all(|sample| sample.voltage_v < 55.21), "the chargers regulate their terminals");
    let last = samples.last().unwrap();
    assert!(last.voltage_v > 55.19 && last.current_a < 2.0, "{last:?}");
    assert!(figures.highest_cell_v > 3.46, "cells that differ are not held: {figures:?}");
}

#[test]
fn a_silent_bms_ends_charging_within_a_minute_and_it_comes_back() {
    let (from, to) = (11.0 * 3600.0, (11.0 + 1.0 / 3.0) * 3600.0);
    let setup =
        Setup { start_h: 10.5, hours: 1.5, load: Course::constant(0.0), sun: Course::constant(4000.0), ..usual("silent-bms") };
    let (_, samples) = record(&setup);
    let at = |t: f64| samples.iter().find(|sample| sample.t >= t).unwrap();
    assert!(at(from - 10.0).current_a > 50.0, "{:?}", at(from - 10.0));
    assert_eq!(at(from + 35.0).ccl_a, 0.0);
    let silent: Vec<_> = samples.iter().filter(|sample| (from + 60.0..to).contains(&sample.t)).collect();
    assert!(silent.iter().all(|sample| sample.current_a < 0.5 && sample.ccl_a == 0.0));
    assert!(at(to + 180.0).current_a > 50.0, "{:?}", at(to + 180.0));
}

fn any_charger() -> impl Strategy<Value = ChargerConfig> {
    (0.0f64..15.0, 0.0f64..20.0, 1.0f64..145.0, any::<bool>()).prop_map(|(delay_s, lag_s, most_a, obeys_current)| ChargerConfig {
        delay_s,
        lag_s,
        most_a,
        obeys_current,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Near full, with any charger: the BMS's own protection is not needed as long as the voltage limit is followed in time.
    #[test]
    fn near_full_no_charger_needs_the_bms_to_step_in(
        charger in any_charger(), soc_pct in 88.0f64..99.5, seed: u64, resistance in 0.5f64..2.0, noise_v in 0.0f64..0.005, lost_pct in 0.0f64..60.0
    ) {
        let mut setup = Setup { charger, lost_pct, start_h: 12.0, hours: 1.0, ..usual("imbalanced-pack") };
        setup.pack = dbus_bms::sim::pack::PackConfig { soc_pct, seed, resistance, noise_v, ..setup.pack };
        let (figures, samples) = record(&setup);
        prop_assert_eq!(figures.trips, 0);
        prop_assert!(figures.highest_cell_v < 3.65, "{}", figures.highest_cell_v);
        prop_assert!(samples.iter().all(|s| s.cvl_v.is_finite() && s.ccl_a.is_finite() && s.dcl_a.is_finite()));
    }
}

fn command(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dbus-bms")).args(args).env_remove("RUST_LOG").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_command_shows_a_day_as_figures_picture_and_table() {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let [svg, csv] = ["day.svg", "day.csv"].map(|name| folder.join(name));
    let ended = command(&["simulate-day", "steady-sun", "--plot", svg.to_str().unwrap(), "--csv", csv.to_str().unwrap()]);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    for file in [&svg, &csv] {
        assert!(text(&ended.stderr).contains(&format!("written: {}", file.display())), "{}", text(&ended.stderr));
    }
    let figures: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert!(figures["share_of_possible"].as_f64().unwrap() > 0.99 && figures["misses"].is_array(), "{figures}");
    let svg = std::fs::read_to_string(svg).unwrap();
    for part in ["<svg", "steady-sun", "charge voltage limit", "discharge limit", "State of charge", "Bulk", "10:00", "</svg>"] {
        assert!(svg.contains(part), "{part}");
    }
    assert!(svg.len() < 200_000 && !svg.contains("NaN"), "{}", svg.len());
    let csv = std::fs::read_to_string(csv).unwrap();
    assert_eq!(csv.lines().count(), 8 * 3600 + 1);
    let columns = csv.lines().next().unwrap().split(',').count();
    let (numbers, reasons) = csv.lines().nth(5000).unwrap().split_once('"').unwrap();
    assert_eq!(numbers.split(',').count() + reasons.split("\",\"").count() - 1, columns, "the reasons are quoted");
}

#[test]
fn the_command_lists_its_scenarios_and_names_them_when_one_is_unknown() {
    let list = text(&command(&["simulate-day", "--list"]).stdout);
    assert_eq!(list.lines().count(), SCENARIOS.len());
    let unknown = command(&["simulate-day", "rainy-day"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("sunny-day, clouds"), "{}", text(&unknown.stderr));
}

#[test]
fn a_configuration_decides_the_day_and_the_curves() {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let config = folder.join("plant.toml");
    std::fs::write(&config, "max_charge_current_a = 20\nmax_discharge_current_a = 30\n").unwrap();
    let config = config.to_str().unwrap();
    let day = |args: &[&str]| -> serde_json::Value {
        let ended = command(&[&["simulate-day", "steady-sun"], args].concat());
        serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{}", text(&ended.stderr)))
    };
    let (slow, usual) = (day(&["--config", config]), day(&[]));
    assert!(slow["full_after_h"].as_f64() > usual["full_after_h"].as_f64() || slow["full_after_h"].is_null(), "{slow} {usual}");
    let plot = folder.join("curves.svg");
    let ended = command(&["limits", "--config", config, "--plot", plot.to_str().unwrap()]);
    assert!(ended.status.success() && ended.stdout.is_empty(), "{}", text(&ended.stderr));
    let curves = std::fs::read_to_string(plot).unwrap();
    assert!(curves.contains(">30<") && !curves.contains(">50<"), "the configured currents");
    let nowhere = command(&["limits", "--plot", "/nonexistent/curves.svg"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("/nonexistent/curves.svg"));
}

/// Two hours of frost and four of thaw in the sun, with a charger that follows the charge voltage only. The simulated BMS opens its
/// switch at 0 °C, so the curve ends above that, and only the voltage holds the charger back.
fn frost() -> Setup {
    let config = dbus_bms::battery::charge::Config {
        charge_by_temperature: Some(vec![(5.0, 0.0), (10.0, 1.0)]),
        ..(CONTROL_PRESETS[0].config)()
    };
    let mut setup = Setup { start_h: 8.0, hours: 6.0, control: Control::rules(config), ..usual("ignores-ccl") };
    setup.ambient = Course::through(&[(0.0, 4.0), (10.0, 4.0), (10.1, 25.0), (24.0, 25.0)]);
    (setup.sun, setup.load) = (Course::constant(6000.0), Course::constant(0.0));
    setup
}

fn charged_ah<'a>(samples: impl Iterator<Item = &'a Sample>) -> f64 {
    samples.map(|sample| sample.current_a.max(0.0) / 3600.0).sum()
}

#[test]
fn in_frost_a_charger_that_ignores_the_current_limit_is_held_by_the_voltage_and_charges_again_when_it_thaws() {
    let (_, samples) = record(&frost());
    let cold = || samples.iter().take_while(|sample| sample.t < 10.0 * 3600.0);
    assert!(cold().skip(1).all(|sample| sample.ccl_a == 0.0), "it is cold all the time");
    let charged = charged_ah(cold());
    assert!(charged <= 0.5, "{charged} Ah in two hours of frost");
    let rises = samples.windows(2).map(|pair| pair[1].cvl_v - pair[0].cvl_v);
    assert!(rises.skip(1).all(|rise| rise <= 0.061), "by ramp, 0.05 V/s rounded down");
    assert!(samples.iter().any(|sample| sample.cvl_v > 55.0 && sample.current_a > 50.0), "it charges again");
}

#[test]
fn loads_in_the_frost_pull_the_charge_voltage_down_no_further_than_the_pack() {
    let load = Course::through(&[(8.0, 300.0), (8.5, 1500.0), (9.0, 200.0), (9.5, 2500.0), (10.0, 300.0), (24.0, 300.0)]);
    let (_, samples) = record(&Setup { load, hours: 2.0, ..frost() });
    assert!(charged_ah(samples.iter()) <= 0.5);
    assert!(samples.iter().skip(10).all(|sample| (sample.cvl_v - sample.voltage_v).abs() < 0.05));
}

/// Sun for this time and clouds for this time alternately, s, from ten o'clock on, with edges of a second.
fn patches(sun_s: f64, cloud_s: f64) -> Course {
    let (hour, edge) = (1.0 / 3600.0, 1.0 / 3600.0);
    let turns = (0u32..).map(|turn| 10.0 + f64::from(turn) * (sun_s + cloud_s) * hour).take_while(|from| *from < 22.0);
    let points = turns.flat_map(|from| {
        let to = from + sun_s * hour;
        [(from, 0.0), (from + edge, 6000.0), (to, 6000.0), (to + edge, 0.0)]
    });
    Course::through(&points.collect::<Vec<_>>())
}

#[test]
fn below_clouds_float_comes_with_the_configured_time_at_the_charge_voltage() {
    let absorption_s = 900;
    for (sun_s, cloud_s) in [(120.0, 30.0), (300.0, 60.0), (240.0, 120.0), (400.0, 300.0), (700.0, 600.0)] {
        let mut setup = Setup { start_h: 10.0, hours: 1.5, sun: patches(sun_s, cloud_s), ..usual("sunny-day") };
        setup.load = Course::constant(500.0);
        setup.pack.soc_pct = 97.0;
        let (figures, samples) = record(&setup);
        let stood = |samples: &[Sample]| samples.iter().filter(|sample| sample.max_cell_v >= 3.44).count();
        let float = samples.iter().position(|sample| sample.mode == "Float");
        let float = float.unwrap_or_else(|| panic!("{sun_s}/{cloud_s} s: stood {} s, no float", stood(&samples)));
        let stood = stood(&samples[..float]);
        println!("{sun_s}/{cloud_s} s: float after {stood} s at the charge voltage, {} min in all", float / 60);
        // A cell within its noise of the charge voltage counts only occasionally.
        assert!(stood >= absorption_s * 8 / 10 && stood <= absorption_s * 12 / 10, "{sun_s}/{cloud_s} s: {stood} s");
        assert_eq!(figures.trips, 0);
    }
}

/// Two packs in parallel with a charger of 100 A that follows the charge voltage only, with a delay of 2 s.
struct TwoPacks {
    packs: [Pack; 2],
    batteries: [Battery; 2],
    bank: Bank,
    told: VecDeque<f64>,
    currents: [f64; 2],
}

impl TwoPacks {
    fn new(config: &dbus_bms::battery::charge::Config) -> Self {
        let pack = |seed, soc_pct| Pack::new(&PackConfig { seed, soc_pct, temperature_c: 4.0, ..PackConfig::default() });
        let battery = || Battery::new(config.clone(), PersistedState::default());
        let bank = Bank::new(dbus_bms::bank::Config::default(), Default::default());
        let (packs, batteries) = ([pack(1, 50.0), pack(2, 55.0)], [battery(), battery()]);
        Self { packs, batteries, bank, told: VecDeque::from([0.0, 0.0]), currents: [0.0; 2] }
    }

    /// A second at `ambient_c`; returns the limits of the bank.
    fn second(&mut self, second: u32, ambient_c: f64) -> Snapshot {
        let now = Now { at: Moment::from_secs(f64::from(second)), unix: None };
        let members = ["a", "b"].into_iter().zip(&mut self.batteries).zip(&mut self.packs).map(|((name, battery), pack)| {
            pack.set_ambient(ambient_c);
            let snapshot = battery.read(reading(pack.reported()), LinkStats::default(), now);
            Member::local(name, Arc::new(snapshot))
        });
        let members: Vec<Member> = members.collect();
        let shown = self.bank.step(&members, now);
        self.told.push_back(shown.limits.cvl.value.get());
        let cvl = self.told.pop_front().unwrap();
        for _ in 0..4 {
            self.quarter(cvl);
        }
        shown
    }

    /// The packs share one voltage: that at the sum of their currents, which the charger sets so that its terminals are at `cvl`.
    fn quarter(&mut self, cvl: f64) {
        let ohms = self.packs.each_ref().map(Pack::resistance_ohm);
        let at_rest = [0, 1].map(|i| self.packs[i].actual_cells_v().iter().sum::<f64>() - self.currents[i] * ohms[i]);
        let conductance = 1.0 / ohms[0] + 1.0 / ohms[1];
        let open = (at_rest[0] / ohms[0] + at_rest[1] / ohms[1]) / conductance;
        let charger = ((cvl - open) * conductance).clamp(0.0, 100.0);
        let shared = open + charger / conductance;
        self.currents = [0, 1].map(|i| (shared - at_rest[i]) / ohms[i]);
        for (pack, current) in self.packs.iter_mut().zip(self.currents) {
            pack.demand = Demand::Constant(current);
            pack.tick();
        }
    }
}

pub(crate) fn reading(shown: &ReportedState) -> Reading {
    Reading {
        voltage: Some(Volts::new(shown.voltage_v).rounded(2)),
        current: Some(Amps::new(shown.current_a).rounded(2)),
        soc: Some(Percent::new(shown.soc_pct).rounded(1)),
        capacity: Some(AmpHours::new(shown.capacity_ah)),
        cell_count: u8::try_from(shown.cells_v.len()).ok(),
        cells: shown.cells_v.iter().map(|volts| Volts::new(*volts).rounded(3)).collect(),
        temperatures: Temperatures {
            sensors: Some(shown.temperatures_c.iter().map(|celsius| Celsius::new(*celsius).rounded(1)).collect()),
            mos: None,
            ..Temperatures::default()
        },
        fets: Fets { charge: Some(shown.charge_fet), discharge: Some(shown.discharge_fet), ..Fets::default() },
        alarms: Some(Vec::new()),
        ..Reading::new("simulated", None)
    }
}

#[test]
fn in_frost_a_bank_of_two_is_held_by_the_voltage_too_and_charges_again_when_it_thaws() {
    let Control::Rules(config) = frost().control else { panic!("the rules are in force") };
    let mut plant = TwoPacks::new(&config);
    let (mut charged, mut before, mut most_a) = (0.0, None, 0.0f64);
    for second in 0..4 * 3600u32 {
        let cold = second < 2 * 3600;
        let limits = plant.second(second, if cold { 4.0 } else { 25.0 }).limits;
        let (cvl, ccl) = (limits.cvl.value.get(), limits.ccl.value.get());
        let into: f64 = plant.currents.iter().sum();
        if cold {
            assert!(ccl == 0.0, "{limits:?}");
            charged += into.max(0.0) / 3600.0;
        }
        assert!(before.is_none_or(|before| cvl - before <= 0.111), "by ramp: {before:?} {limits:?}");
        (before, most_a) = (Some(cvl), most_a.max(into));
    }
    assert!(charged <= 0.5, "{charged} Ah in two hours of frost");
    assert!(most_a > 90.0, "it charges again: {most_a} A");
}

/// A pack whose BMS reports no single cells, but limits of its own, with a charger of 100 A that follows the charge voltage only, with a
/// delay of 2 s. Its cells are seen by nobody but the test.
struct CellsUnseen {
    pack: Pack,
    battery: Battery,
    told: VecDeque<f64>,
    current: f64,
}

impl CellsUnseen {
    fn new(soc_pct: f64, imbalance_pct: f64) -> Self {
        let pack = Pack::new(&PackConfig { soc_pct, imbalance_pct, ..PackConfig::default() });
        let config = dbus_bms::battery::charge::Config { max_charge_current: Some(Amps::new(100.0)), ..Default::default() };
        Self { pack, battery: Battery::new(config, PersistedState::default()), told: VecDeque::from([0.0, 0.0]), current: 0.0 }
    }

    /// A second in which the BMS asks for `asked` (CVL and CCL) and reports the extremes of its cells or not.
    fn second(&mut self, second: u32, asked: [f64; 2], extremes: bool) -> Snapshot {
        let now = Now { at: Moment::from_secs(f64::from(second)), unix: None };
        let mut said = reading(self.pack.reported());
        let cells = std::mem::take(&mut said.cells);
        (said.without_cells, said.cell_count) = (true, None);
        if extremes {
            (said.highest_cell, said.lowest_cell) =
                (cells.iter().copied().reduce(Volts::max), cells.iter().copied().reduce(Volts::min));
        }
        said.settings.voltage_limit = Some(Volts::new(asked[0]));
        (said.settings.charge_limit, said.settings.discharge_limit) = (Some(Amps::new(asked[1])), Some(Amps::new(100.0)));
        let shown = self.battery.read(said, LinkStats::default(), now);
        self.told.push_back(shown.limits.cvl.value.get());
        let cvl = self.told.pop_front().unwrap();
        for _ in 0..4 {
            let ohm = self.pack.resistance_ohm();
            let open = self.pack.actual_cells_v().iter().sum::<f64>() - self.current * ohm;
            self.current = ((cvl - open) / ohm).clamp(0.0, 100.0);
            self.pack.demand = Demand::Constant(self.current);
            self.pack.tick();
        }
        shown
    }
}

#[test]
fn without_cells_the_batterys_zero_holds_a_charger_at_the_pack_voltage() {
    let mut plant = CellsUnseen::new(60.0, 1.0);
    let (mut before, mut forbidden, mut after) = (0.0, 0.0, 0.0f64);
    for second in 0..3 * 3600u32 {
        let is_forbidden = (1800..5400).contains(&second);
        let shown = plant.second(second, [56.0, if is_forbidden { 0.0 } else { 80.0 }], false);
        let limits = &shown.limits;
        assert!(limits.cvl.value <= Volts::new(56.0), "never raised: {limits:?}");
        if limits.ccl.value == Amps::ZERO {
            assert!(limits.cvl.value <= shown.reading.voltage.unwrap() + Volts::new(0.01), "safety rule 2: {limits:?}");
        }
        match second {
            0..1800 => before += plant.current / 3600.0,
            // The charger follows two seconds late.
            1803..5400 => forbidden += plant.current / 3600.0,
            _ => after = after.max(plant.current),
        }
    }
    assert!(before > 20.0 && after > 50.0, "it charges before and after: {before} Ah, {after} A");
    assert!(forbidden <= 0.5, "{forbidden} Ah in an hour without permission");
}

#[test]
fn without_cells_reported_extremes_keep_every_cell_below_its_limit() {
    let mut plant = CellsUnseen::new(90.0, 3.0);
    let mut highest = 0.0f64;
    for second in 0..3 * 3600u32 {
        plant.second(second, [58.0, 100.0], true);
        highest = plant.pack.actual_cells_v().iter().copied().fold(highest, f64::max);
    }
    assert!(highest < 3.55, "{highest} V, although the battery asks for 3.625 V on average");
    assert!(plant.pack.actual_soc_pct() > 95.0, "{} %", plant.pack.actual_soc_pct());
}

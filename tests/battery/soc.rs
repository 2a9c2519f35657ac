//! State of charge from outside: what the counter counts, what it never counts, and what a battery publishes of it.

use dbus_bms::base::units::{AmpHours, Amps, Moment, Percent, Volts};
use dbus_bms::battery::soc::{Config, Input, Memory, Outcome, SLEW_PCT_PER_S, Source, forecast, health, step};
use dbus_bms::model::{Fets, Reading};
use proptest::prelude::*;
use std::time::Duration;

const CAPACITY: f64 = 280.0;
const LONGEST: f64 = 10.0;

fn counting() -> Config {
    Config { source: Source::Counted, ..Config::default() }
}

/// A battery whose readings go directly to the counter.
#[derive(Clone)]
struct Bench {
    config: Config,
    memory: Memory,
    at: f64,
    bms: Option<f64>,
    cell: f64,
    /// Voltage of cell 1, if it differs from the others.
    weak_cell: Option<f64>,
    became_full: bool,
    fets: (bool, bool),
    certain: bool,
}

impl Bench {
    /// Counting from `soc` at t = 0, without current so far.
    fn new(config: Config, soc: f64) -> Self {
        let bench = Self {
            config,
            memory: Memory::default(),
            at: 0.0,
            bms: Some(soc),
            cell: 3.30,
            weak_cell: None,
            became_full: false,
            fets: (true, true),
            certain: true,
        };
        bench.started()
    }

    fn started(mut self) -> Self {
        for _ in 0..3 {
            self.after(0.0, Some(0.0));
        }
        self
    }

    /// A reading after `seconds`.
    fn after(&mut self, seconds: f64, current: Option<f64>) -> Outcome {
        self.at += seconds;
        let mut cells = vec![Volts::new(self.cell); 16];
        cells[0] = self.weak_cell.map_or(cells[0], Volts::new);
        let reading = Reading {
            soc: self.bms.map(Percent::new),
            current: current.map(Amps::new),
            cells,
            fets: Fets { charge: Some(self.fets.0), discharge: Some(self.fets.1), ..Fets::default() },
            ..Reading::new("jbd", None)
        };
        let input = Input {
            reading: &reading,
            capacity: Some(AmpHours::new(CAPACITY)),
            charge_cell: self.certain.then_some(Volts::new(3.45)),
            min_cell: self.certain.then_some(Volts::new(2.9)),
            became_full: std::mem::take(&mut self.became_full),
            external_soc: false,
            longest: Duration::from_secs_f64(LONGEST),
            now: Moment::from_secs(self.at),
        };
        step(&self.config, &input, &mut self.memory)
    }

    /// One reading per second with a constant current.
    fn for_seconds(&mut self, seconds: u32, current: f64) -> Outcome {
        (0..seconds).fold(Outcome::default(), |before, _| {
            let outcome = self.after(1.0, Some(current));
            Outcome { synced: outcome.synced || before.synced, ..outcome }
        })
    }

    fn counted(&self) -> f64 {
        self.memory.count.as_ref().expect("a count").soc()
    }

    /// The same battery in a new process.
    fn restarted(&self) -> Self {
        let file = serde_json::to_string(&self.memory).unwrap();
        Self { memory: serde_json::from_str::<Memory>(&file).unwrap().restored(), ..self.clone() }
    }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[test]
fn by_default_the_bms_is_shown_and_nothing_is_counted() {
    let mut bench = Bench::new(Config::default(), 62.0);
    bench.bms = Some(97.0);
    let outcome = bench.for_seconds(3600, -100.0);
    assert_eq!((outcome.soc, outcome.range, outcome.drift), (Some(Percent::new(97.0)), None, None));
    assert_eq!(serde_json::to_value(&bench.memory).unwrap(), serde_json::json!({"reached_full": false}));
    bench.bms = None;
    assert_eq!(bench.after(1.0, Some(0.0)).soc, None);
}

#[test]
fn counting_begins_when_three_readings_agree_on_the_bms() {
    let mut bench = Bench { bms: Some(0.0), ..Bench::new(counting(), 62.0) };
    bench.memory = Memory::default();
    assert_eq!(bench.after(1.0, Some(0.0)).soc, Some(Percent::ZERO), "until then the BMS is shown");
    bench.bms = Some(62.0);
    bench.after(1.0, Some(0.0));
    bench.after(1.0, Some(0.0));
    assert!(bench.memory.count.is_none(), "one wrong reading is not counted from");
    bench.after(1.0, Some(0.0));
    assert!(near(bench.counted(), 62.0));
    bench.after(0.0, Some(-28.0));
    let outcome = bench.for_seconds(3600, -28.0);
    assert!(near(bench.counted(), 52.0), "28 A for an hour are 10 % of 280 Ah: {}", bench.counted());
    assert_eq!(outcome.remaining.unwrap().rounded(6), AmpHours::new(145.6));
}

#[test]
fn without_capacity_the_bms_is_shown() {
    let reading = Reading { soc: Some(Percent::new(50.0)), current: Some(Amps::new(-10.0)), ..Reading::default() };
    let mut memory = Memory::default();
    for second in 0..100 {
        let input = Input {
            reading: &reading,
            capacity: None,
            charge_cell: None,
            min_cell: None,
            became_full: true,
            external_soc: false,
            longest: Duration::from_secs(10),
            now: Moment::from_secs(f64::from(second)),
        };
        assert_eq!(step(&counting(), &input, &mut memory).soc, Some(Percent::new(50.0)));
    }
}

#[test]
fn no_current_flows_through_a_fet_that_is_off() {
    for (fets, current, moves) in [
        ((true, true), 10.0, 1.0),
        ((false, true), 10.0, 0.0),
        ((false, true), -10.0, -1.0),
        ((true, false), -10.0, 0.0),
        ((true, false), 10.0, 1.0),
        ((false, false), 10.0, 0.0),
    ] {
        let mut bench = Bench { fets, ..Bench::new(counting(), 50.0) };
        bench.for_seconds(60, current);
        assert_eq!((bench.counted() - 50.0).partial_cmp(&0.0), moves.partial_cmp(&0.0), "{fets:?} {current}");
    }
}

#[test]
fn full_is_charge_voltage_and_small_current_for_three_minutes() {
    let mut bench = Bench { cell: 3.445, ..Bench::new(counting(), 93.0) };
    assert!(!bench.for_seconds(3000, 11.3).synced, "more than 4 % of the capacity still flows");
    bench.memory = Bench::new(counting(), 93.0).memory;
    bench.at = 0.0;
    let outcome = bench.for_seconds(180, 11.0);
    assert!(!outcome.synced, "not long enough");
    let outcome = bench.after(1.0, Some(11.0));
    assert!(outcome.synced && near(bench.counted(), 100.0));
    assert!(outcome.notices[0].starts_with("full: the counted SoC was 93."), "{:?}", outcome.notices);
    assert!(!bench.for_seconds(600, 5.0).synced, "the same full charge");
    bench.cell = 3.33;
    bench.for_seconds(1000, -28.0);
    assert!(bench.counted() < 98.0);
    bench.cell = 3.45;
    assert!(bench.for_seconds(181, 5.0).synced, "the next full charge");

    let mut low = Bench { cell: 3.439, ..Bench::new(counting(), 93.0) };
    assert!(!low.for_seconds(1000, 5.0).synced, "below the charge voltage");
    let mut uncertain = Bench { cell: 3.45, certain: false, ..Bench::new(counting(), 93.0) };
    assert!(!uncertain.for_seconds(1000, 5.0).synced, "another chemistry may be empty at this voltage");
    let mut gappy = Bench { cell: 3.45, ..Bench::new(counting(), 93.0) };
    for _ in 0..100 {
        assert!(!gappy.after(11.0, Some(5.0)).synced, "nobody knows what was in the gaps");
    }
}

#[test]
fn what_charge_control_takes_for_full_is_full_if_the_pack_is_near_its_charge_voltage() {
    let mut bench = Bench { became_full: true, cell: 3.41, ..Bench::new(counting(), 93.0) };
    assert!(bench.after(1.0, Some(20.0)).synced);
    assert!(near(bench.counted(), 100.0));
    bench.for_seconds(3600, -28.0);
    assert!(near(bench.counted().round(), 90.0), "full is a moment, not a state: {}", bench.counted());

    let mut one_high_cell = Bench { became_full: true, cell: 3.36, ..Bench::new(counting(), 80.0) };
    assert!(!one_high_cell.after(1.0, Some(1.0)).synced, "charge control ends a hopeless absorption as well");
    let mut uncertain = Bench { became_full: true, cell: 3.45, certain: false, ..Bench::new(counting(), 80.0) };
    assert!(!uncertain.after(1.0, Some(1.0)).synced);
}

#[test]
fn empty_is_a_lowest_cell_under_load_for_a_minute() {
    let mut bench = Bench { cell: 2.9, ..Bench::new(counting(), 7.0) };
    assert!(!bench.for_seconds(600, 0.0).synced, "no load, no end of discharge");
    assert!(!bench.for_seconds(60, -20.0).synced, "not long enough");
    let outcome = bench.after(1.0, Some(-20.0));
    assert!(outcome.synced && bench.counted() == 0.0);
    assert!(outcome.soc.unwrap().get() > 5.0, "what is shown follows slowly");
    assert_eq!(outcome.range.unwrap().0, Percent::ZERO, "charge control knows at once");
    bench.cell = 3.1;
    bench.for_seconds(3600, 28.0);
    assert!((bench.counted() - 10.0).abs() < 0.1, "{}", bench.counted());
}

#[test]
fn one_weak_cell_does_not_empty_the_pack() {
    for (weak, others, empty) in [(2.6, 3.2, false), (2.9, 3.13, false), (0.0, 3.0, false), (2.9, 3.09, true), (2.5, 2.9, true)] {
        let mut bench = Bench { cell: others, weak_cell: Some(weak), ..Bench::new(counting(), 30.0) };
        let outcome = bench.for_seconds(120, -20.0);
        assert_eq!((outcome.synced, bench.counted() == 0.0), (empty, empty), "{weak} V, the others {others} V");
    }
}

#[test]
fn what_is_shown_never_jumps() {
    let mut bench = Bench { became_full: true, cell: 3.45, ..Bench::new(counting(), 60.0) };
    let mut shown = bench.after(1.0, Some(0.0)).soc.unwrap().get();
    assert!(near(shown, 61.0), "{shown}");
    for _ in 0..39 {
        let next = bench.after(1.0, Some(0.0)).soc.unwrap().get();
        assert!(near(next, shown + SLEW_PCT_PER_S), "{shown} {next}");
        shown = next;
    }
    assert!(near(shown, 100.0));
}

#[test]
fn after_a_gap_the_bms_tells_whether_the_count_stands() {
    let mut little = Bench::new(counting(), 60.0);
    little.for_seconds(3600, -28.0);
    let (before, drift) = (little.counted(), little.after(1.0, Some(0.0)).drift.unwrap());
    little.bms = Some(57.0);
    let outcome = little.after(3600.0, Some(0.0));
    assert!(near(outcome.drift.unwrap().get(), drift.get() + 10.0), "0.1 C for an hour may have flowed");
    little.for_seconds(2, 0.0);
    assert!((little.counted() - before).abs() < 0.01, "nothing is counted in a gap");
    let known = little.after(1.0, Some(0.0)).drift.unwrap().get() - drift.get();
    assert!((3.0..3.01).contains(&known), "but the BMS saw only 3 % flow: {known}");

    let mut much = Bench::new(counting(), 60.0);
    much.bms = Some(30.0);
    much.after(3600.0, Some(0.0));
    much.after(1.0, Some(0.0));
    assert!(near(much.counted(), 60.0), "not before three readings agree");
    let outcome = much.after(1.0, Some(0.0));
    assert!(near(much.counted(), 30.0));
    assert!(outcome.notices[0].contains("starts again from the BMS's 30.0 %"), "{:?}", outcome.notices);
    assert!(outcome.soc.unwrap().get() > 55.0, "and what is shown follows slowly");
}

#[test]
fn a_file_with_nonsense_is_no_count() {
    for (charge, capacity, drift) in
        [(-1.0, 280.0, 1.0), (281.0, 280.0, 1.0), (0.0, 0.0, 1.0), (10.0, 280.0, 101.0), (0.0, -5.0, 1.0)]
    {
        let file = serde_json::json!({"count": {"charge_ah": charge, "capacity_ah": capacity, "drift_pct": drift}});
        assert!(serde_json::from_value::<Memory>(file).unwrap().restored().count.is_none(), "{charge} {capacity} {drift}");
    }
    let old: Memory = serde_json::from_str("{}").unwrap();
    assert_eq!(old, Memory::default(), "a file from before");
}

#[test]
fn another_capacity_leaves_the_soc() {
    let mut bench = Bench::new(counting(), 50.0);
    let file = serde_json::json!({"count": {"charge_ah": 50.0, "capacity_ah": 100.0, "drift_pct": 1.0}});
    bench.memory = serde_json::from_value::<Memory>(file).unwrap().restored();
    assert_eq!(bench.after(1.0, Some(0.0)).remaining.unwrap().get(), CAPACITY / 2.0);
}

#[test]
fn caps_hold_down_what_the_voltage_contradicts() {
    let caps = vec![(2.9, 5.0), (3.0, 15.0), (3.1, 30.0), (3.2, 100.0)];
    for (cell, bms, shown) in [(3.3, 60.0, 60.0), (3.1, 60.0, 30.0), (3.05, 60.0, 22.5), (2.5, 60.0, 5.0), (3.05, 10.0, 10.0)] {
        let config = Config { caps: Some(caps.clone()), ..Config::default() };
        let mut bench = Bench { config, memory: Memory::default(), cell, bms: Some(bms), ..Bench::new(Config::default(), 0.0) };
        let outcome = bench.after(1.0, Some(0.0));
        assert!(near(outcome.soc.unwrap().get(), shown), "{cell} V, BMS {bms} %: {outcome:?}");
        let (low, high) = outcome.range.unwrap();
        assert!(near(low.get(), shown) && near(high.get(), bms), "charge control sees both");
        assert_eq!(outcome.remaining.is_some(), shown < bms, "a capped SoC has its own charge left");
    }
}

#[test]
fn at_most_98_is_shown_before_the_first_full_charge() {
    let config = Config { hold_below_full: true, ..Config::default() };
    let mut bench = Bench { config, ..Bench::new(Config::default(), 99.0) };
    let shown = |bench: &mut Bench| bench.for_seconds(10, 5.0).soc.unwrap().get();
    assert_eq!(shown(&mut bench), 98.0);
    bench.bms = Some(100.0);
    assert_eq!(shown(&mut bench), 98.0);
    bench.cell = 3.45;
    bench.for_seconds(181, 5.0);
    bench.cell = 3.36;
    assert_eq!(shown(&mut bench), 100.0);
    assert_eq!(shown(&mut bench.restarted()), 100.0, "a restart does not forget the full charge");
    bench.bms = Some(97.0);
    shown(&mut bench);
    bench.bms = Some(99.0);
    assert_eq!(shown(&mut bench), 98.0, "after a discharge it takes another full charge");
}

#[test]
fn the_correction_goes_on_beyond_its_points() {
    let config = Config { correction: Some(vec![(-100.0, -98.0), (0.0, 0.5), (50.0, 49.5)]), ..Config::default() };
    for (reported, real) in [(-200.0, -196.5), (-100.0, -98.0), (-50.0, -48.75), (0.0, 0.5), (25.0, 25.0), (150.0, 147.5)] {
        assert!(near(config.correct(Amps::new(reported)).get(), real), "{reported}: {}", config.correct(Amps::new(reported)));
    }
    assert!(config.correct(Amps::new(f64::NAN)).get().is_nan(), "what is no number does not become one");
    assert_eq!(Config::default().correct(Amps::new(-7.0)), Amps::new(-7.0));
}

#[test]
fn times_go_with_the_smoothed_current_and_its_direction() {
    let (left, capacity) = (AmpHours::new(100.0), AmpHours::new(200.0));
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
    let flow = |average, present| forecast::BatteryCurrent { average: Amps::new(average), present: Amps::new(present) };
    let steady = |amps| flow(amps, amps);
    assert_eq!(seconds(forecast::time_to_go(left, steady(-50.0))), Some(7200));
    assert_eq!(seconds(forecast::time_to_go(AmpHours::new(-3.0), steady(-50.0))), Some(0), "under the floor");
    for idle in [50.0, 0.0, -0.05] {
        assert_eq!(forecast::time_to_go(left, steady(idle)), None, "{idle} A");
    }
    assert_eq!(seconds(forecast::time_to_go(left, steady(-0.06))), Some(864_000), "ten days at most");
    assert_eq!(seconds(forecast::time_to_go(left, flow(-50.0, -0.06))), Some(7200), "the length goes by the smoothed one");
    for present in [-0.05, 0.0, 40.0] {
        assert_eq!(forecast::time_to_go(left, flow(-50.0, present)), None, "nobody reads {present} A as discharging");
        assert_eq!(forecast::time_to_soc(20, Percent::new(50.0), capacity, flow(-50.0, present)), None, "{present}");
        assert_eq!(forecast::time_to_soc(80, Percent::new(50.0), capacity, flow(50.0, -present)), None, "{present}");
    }
    let to = |level, current| seconds(forecast::time_to_soc(level, Percent::new(50.0), capacity, steady(current)));
    assert_eq!((to(80, 60.0), to(20, -60.0), to(100, 50.0), to(0, -50.0)), (Some(3600), Some(3600), Some(7200), Some(7200)));
    assert_eq!((to(20, 60.0), to(80, -60.0), to(50, 60.0), to(80, 0.0)), (None, None, None, None), "the wrong way");
}

#[test]
fn the_average_is_a_mean_at_first_and_forgets_over_its_time() {
    let (over, longest) = (Duration::from_secs(300), Duration::from_secs(10));
    let mut average = forecast::Average::default();
    let mut second = 0;
    let mut feed = |average: &mut forecast::Average, current: f64, seconds: u32| {
        for _ in 0..seconds {
            second += 1;
            average.add(Some(Amps::new(current)), over, longest, Moment::from_secs(f64::from(second)));
        }
        average.get().unwrap().get()
    };
    feed(&mut average, -10.0, 1);
    feed(&mut average, -10.0, 50);
    let mean = feed(&mut average, -30.0, 50);
    assert!(near(mean, -20.0), "half and half: {mean}");
    feed(&mut average, -10.0, 3000);
    let later = feed(&mut average, 90.0, 300);
    assert!((later - (90.0 - 100.0 / std::f64::consts::E)).abs() < 0.2, "one time constant later: {later}");
    average.add(None, over, longest, Moment::from_secs(5000.0));
    average.add(Some(Amps::new(1.0)), over, longest, Moment::from_secs(9000.0));
    assert_eq!(average.get(), Some(Amps::new(1.0)), "after a gap it starts anew");
}

#[test]
fn health_is_the_bms_own_or_a_learned_capacity() {
    let of = |soh: Option<f64>, learned: Option<f64>, nominal: Option<f64>| {
        let reading = Reading {
            soh: soh.map(Percent::new),
            full_charge: learned.map(AmpHours::new),
            capacity: nominal.map(AmpHours::new),
            ..Reading::default()
        };
        health::state_of_health(&reading).map(Percent::get)
    };
    assert_eq!(of(Some(97.0), Some(200.0), Some(280.0)), Some(97.0));
    assert_eq!(of(None, Some(250.0), Some(280.0)), Some(89.3));
    assert_eq!(of(None, Some(290.0), Some(280.0)), Some(100.0), "better than its label");
    assert_eq!(of(None, Some(280.0), Some(280.0)), None, "never learned");
    assert_eq!(of(None, Some(28.0), Some(280.0)), None, "one of them was set wrong");
    assert_eq!(of(None, Some(250.0), None), None);
    assert_eq!(of(None, None, Some(280.0)), None);
}

/// Readings: time since the previous one in s, current in A.
fn readings(longest: f64) -> impl Strategy<Value = Vec<(f64, f64)>> {
    proptest::collection::vec((0.0..longest, -200.0..200.0f64), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// For any readings, all values stay percentages, and the published SoC keeps its maximum rate.
    #[test]
    fn soc_stays_between_0_and_100(
        readings in proptest::collection::vec(
            (0.0..40.0f64, proptest::option::of(-5000.0..5000.0f64), proptest::option::of(0.0..=100.0f64), 0.0..4.0f64, any::<bool>()),
            1..80,
        ),
        hold in any::<bool>(),
        caps in proptest::option::of(Just(vec![(3.0, 10.0), (3.2, 100.0)])),
    ) {
        let mut bench = Bench::new(Config { hold_below_full: hold, caps, ..counting() }, 50.0);
        let mut before = None;
        for (elapsed, current, bms, cell, full) in readings {
            (bench.bms, bench.cell, bench.became_full) = (bms, cell, full);
            let outcome = bench.after(elapsed, current);
            let shown = outcome.soc.unwrap().get();
            let (low, high) = outcome.range.unwrap();
            prop_assert!((0.0..=100.0).contains(&shown) && (0.0..=100.0).contains(&bench.counted()));
            prop_assert!((0.0..=100.0).contains(&outcome.drift.unwrap().get()));
            prop_assert!((0.0..=CAPACITY).contains(&outcome.remaining.unwrap().get()));
            prop_assert!(low.get() <= bench.counted() && bench.counted() <= high.get());
            prop_assert!(low.get() <= shown && shown <= high.get());
            if let Some(before) = before && elapsed <= LONGEST {
                let step: f64 = shown - before;
                prop_assert!(step.abs() <= SLEW_PCT_PER_S * elapsed + 1e-6, "{before} {shown} in {elapsed} s");
            }
            before = Some(shown);
        }
    }

    /// A piecewise linear current gives the same count for any division of the time.
    #[test]
    fn the_count_is_exact_over_any_cut(
        corners in readings(9.9),
        cuts in proptest::collection::vec(proptest::collection::vec(0.0..1.0f64, 0..4), 60),
    ) {
        let (mut coarse, mut fine) = (Bench::new(counting(), 50.0), Bench::new(counting(), 50.0));
        let (mut exact, mut before) = (50.0, 0.0);
        for ((elapsed, current), mut parts) in corners.into_iter().zip(cuts) {
            coarse.after(elapsed, Some(current));
            parts.sort_by(f64::total_cmp);
            parts.push(1.0);
            let mut last = 0.0;
            for part in parts {
                fine.after(elapsed * (part - last), Some(before + (current - before) * part));
                last = part;
            }
            exact += (before + current) / 2.0 * elapsed / 3600.0 / CAPACITY * 100.0;
            before = current;
            // Moments have a resolution of a nanosecond.
            prop_assert!((coarse.counted() - exact).abs() < 1e-6, "{} {exact}", coarse.counted());
            prop_assert!((fine.counted() - exact).abs() < 1e-6, "{} {exact}", fine.counted());
        }
    }

    /// Charging never lowers the count, discharging never raises it.
    #[test]
    fn the_count_goes_with_the_current(readings in readings(9.9), charging in any::<bool>()) {
        let sign = if charging { 1.0 } else { -1.0 };
        let mut bench = Bench::new(counting(), 50.0);
        let mut before = bench.counted();
        for (elapsed, current) in readings {
            bench.after(elapsed, Some(sign * current.abs()));
            prop_assert!((bench.counted() - before) * sign >= 0.0);
            before = bench.counted();
        }
    }

    /// A gap adds nothing, whatever its length and the currents at its ends; but the error may grow.
    #[test]
    fn gaps_are_never_counted(current in -200.0..200.0f64, gap in 10.001..1e6f64, after in -200.0..200.0f64) {
        let mut bench = Bench::new(counting(), 50.0);
        bench.after(1.0, Some(current));
        let (before, drift) = (bench.counted(), bench.after(0.0, Some(current)).drift.unwrap());
        let outcome = bench.after(gap, Some(after));
        prop_assert!(near(bench.counted(), before));
        prop_assert!(outcome.drift.unwrap() > drift);
    }

    /// A restart is just a gap.
    #[test]
    fn a_restart_equals_no_restart(earlier in readings(9.9), later in readings(9.9), pause in 10.001..1e5f64) {
        let mut stayed = Bench::new(counting(), 50.0);
        for (elapsed, current) in earlier {
            stayed.after(elapsed, Some(current));
        }
        let mut restarted = stayed.restarted();
        for bench in [&mut stayed, &mut restarted] {
            bench.after(pause, Some(1.0));
            bench.for_seconds(2, 1.0);
            for (elapsed, current) in &later {
                bench.after(*elapsed, Some(*current));
            }
        }
        prop_assert!((stayed.counted() - restarted.counted()).abs() < 1e-9);
        let drifts = [&stayed, &restarted].map(|bench| bench.memory.count.as_ref().unwrap().drift().get());
        prop_assert!((drifts[0] - drifts[1]).abs() < 1e-9, "{drifts:?}");
    }
}

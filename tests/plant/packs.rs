//! Packs in parallel of unequal charge, and the rule that switches one of them off for a while: in a plant with the diodes of the
//! switches, the resistances of the packs and the inrush when one returns.

use crate::plant::reading;
use dbus_bms::bank::{self, Bank, Layout, Member, PackSwitching, Switched};
use dbus_bms::base::time::Now;
use dbus_bms::base::units::{Amps, Moment};
use dbus_bms::battery::charge::{Config, PhaseConfig};
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{Alarm, AlarmName, Command, Freshness, History, Level, Limits, LinkStats, Switch, SwitchingState};
use dbus_bms::sim::pack::{Demand, Pack, PackConfig};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Voltage over the diode of a MOSFET that is off, V, and the cable of a pack, Ω.
const DIODE_V: f64 = 0.65;
const CABLE_OHM: f64 = 0.002;
/// Time of a command until the BMS has carried it out, and until its outcome is known, s.
const COMMAND_S: u32 = 3;
/// Time until chargers and inverter follow a limit, s.
const FOLLOW_S: usize = 3;

/// Sun less load at the batteries by second, A.
type Flow = fn(u32) -> f64;
/// Something that happens to the plant.
type Event = fn(&mut Plant, u32);

struct Plant {
    packs: Vec<Pack>,
    batteries: Vec<Battery>,
    currents: Vec<f64>,
    /// Packs whose BMS does not answer.
    silent: Vec<bool>,
    bank: Bank,
    switching: Option<PackSwitching>,
    /// A command under way: when, pack, switch, on; `obeys` tells whether a BMS carries it out.
    command: Option<(u32, usize, Switch, bool)>,
    obeys: bool,
    /// The pack that was switched on last, and when.
    returned: Option<(usize, u32)>,
    followed: VecDeque<[f64; 3]>,
}

#[derive(Debug, Default)]
struct Figures {
    spread_before_ah: f64,
    spread_after_ah: f64,
    /// Time until the spread was at most 2 % of the capacity, min.
    alike_after_min: Option<u32>,
    off_min: f64,
    switched: u32,
    /// Largest current of a pack above its own limit, A, and the highest cell.
    above_limit_a: f64,
    highest_cell_v: f64,
    lowest_cell_v: f64,
    /// Largest current through a diode, A, and the longest time above a tenth of the capacity, s.
    diode_a: f64,
    diode_over_s: f64,
    /// Largest current of the pack that returned, in the minute after, A.
    inrush_a: f64,
    /// The bank's limits above the sum of what the packs allow that are not switched, A.
    beyond_others_a: f64,
    /// Most packs off at once.
    most_off: usize,
    reasons: Vec<String>,
}

impl Plant {
    fn new(socs: &[f64], rule: bool) -> Self {
        let limits = Config {
            max_charge_current: Some(Amps::new(100.0)),
            max_discharge_current: Some(Amps::new(100.0)),
            phases: PhaseConfig { eases_float_current: false, ..PhaseConfig::default() },
            ..Config::default()
        };
        let pack = |(seed, soc): (u64, &f64)| Pack::new(&PackConfig { seed, soc_pct: *soc, ..PackConfig::default() });
        Self {
            packs: (1..).zip(socs).map(pack).collect(),
            batteries: socs.iter().map(|_| Battery::new(limits.clone(), PersistedState::default())).collect(),
            currents: vec![0.0; socs.len()],
            silent: vec![false; socs.len()],
            bank: Bank::new(bank::Config::default(), History::default()),
            switching: rule.then(PackSwitching::default),
            command: None,
            obeys: true,
            returned: None,
            followed: VecDeque::new(),
        }
    }

    fn spread_ah(&self) -> f64 {
        let of = |pick: fn(f64, f64) -> f64, start| self.packs.iter().map(Pack::actual_soc_pct).fold(start, pick);
        (of(f64::max, f64::MIN) - of(f64::min, f64::MAX)) / 100.0 * 280.0
    }

    /// The current of a pack at this voltage of the busbar.
    fn current(&self, number: usize, bus_v: f64) -> f64 {
        let pack = &self.packs[number];
        let own = pack.resistance_ohm();
        let source = pack.actual_cells_v().iter().sum::<f64>() - self.currents[number] * own;
        let over = bus_v - source;
        let shown = pack.reported();
        let through = |drop: f64| (over.abs() - drop).max(0.0).copysign(over) / (own + CABLE_OHM);
        match (over > 0.0, shown.charge_fet, shown.discharge_fet) {
            (true, false, _) | (false, _, false) => 0.0,
            (true, true, false) | (false, false, true) => through(DIODE_V),
            (_, true, true) => through(0.0),
        }
    }

    /// The busbar's voltage at which the packs carry this current together.
    fn bus_v(&self, amps: f64) -> f64 {
        let (mut low, mut high) = (30.0, 70.0);
        for _ in 0..40 {
            let middle = (low + high) / 2.0;
            let sum: f64 = (0..self.packs.len()).map(|number| self.current(number, middle)).sum();
            if sum < amps { low = middle } else { high = middle }
        }
        (low + high) / 2.0
    }

    fn members(&mut self, now: Now) -> Vec<Member> {
        let mut members = Vec::new();
        for (number, (battery, pack)) in self.batteries.iter_mut().zip(&self.packs).enumerate() {
            let mut shown = match self.silent[number] {
                true => battery.tick(LinkStats::default(), now),
                false => {
                    let mut reading = reading(pack.reported());
                    let alarm = |name: &AlarmName| Alarm { name: *name, level: Level::Warning };
                    reading.alarms = Some(pack.reported().alarms.iter().map(alarm).collect());
                    battery.read(reading, LinkStats::default(), now)
                }
            };
            // All were charged to full the day before.
            shown.since_full = Some(Duration::from_secs(86_400));
            members.push(Member::local(["a", "b", "c", "d"][number], Arc::new(shown)));
        }
        members
    }

    /// A second: readings, limits, commands, and the currents that follow.
    fn second(&mut self, second: u32, flow: f64, figures: &mut Figures) {
        let now = Now { at: Moment::from_secs(f64::from(second)), unix: None };
        let mut members = self.members(now);
        if let Some(switching) = &mut self.switching {
            let before = switching.shown();
            let order = switching.step(Layout::Parallel, &members, |_, _| true, now.at);
            let shown = switching.shown();
            if shown.state != before.state {
                figures.reasons.push(format!("{second} s {}: {}", shown.state.key(), shown.reason));
            }
            switching.mark(&mut members);
            if let Some(order) = order {
                let number = members.iter().position(|member| member.name == order.member).unwrap();
                let Command::Switch(switch, on) = order.command else { panic!("a switch") };
                self.command = Some((second + COMMAND_S, number, switch, on));
            }
        }
        let shown = self.bank.step(&members, now);
        for switch in [Switch::Charge, Switch::Discharge] {
            let of = |limits: &Limits| if switch == Switch::Charge { limits.ccl.value.get() } else { limits.dcl.value.get() };
            let others = members.iter().filter(|member| member.switched == Switched::No);
            let sum: f64 = others.map(|member| of(&member.snapshot.as_ref().unwrap().limits)).sum();
            figures.beyond_others_a = figures.beyond_others_a.max(of(&shown.limits) - sum);
        }
        self.execute(second, figures);
        let limits = &shown.limits;
        self.followed.push_back([limits.cvl.value.get(), limits.ccl.value.get(), limits.dcl.value.get()]);
        if self.followed.len() > FOLLOW_S {
            self.followed.pop_front();
        }
        let [cvl, ccl, dcl] = self.followed[0];
        for _ in 0..4 {
            let bus_v = self.bus_v(flow.clamp(-dcl, ccl)).min(cvl.max(30.0));
            let currents: Vec<f64> = (0..self.packs.len()).map(|number| self.current(number, bus_v)).collect();
            for (pack, current) in self.packs.iter_mut().zip(&currents) {
                pack.demand = Demand::Constant(*current);
                pack.tick();
            }
            self.currents = currents;
        }
        self.measure(&members, second, figures);
    }

    fn execute(&mut self, second: u32, figures: &mut Figures) {
        let Some((at, number, switch, on)) = self.command else { return };
        if second < at {
            return;
        }
        self.command = None;
        if self.obeys {
            let pack = &mut self.packs[number];
            pack.execute(|pack| if switch == Switch::Charge { pack.charge_off = !on } else { pack.discharge_off = !on });
            figures.switched += u32::from(!on);
            self.returned = on.then_some((number, second));
        }
        if let Some(switching) = &mut self.switching {
            switching.answered(self.obeys);
        }
    }

    fn measure(&self, members: &[Member], second: u32, figures: &mut Figures) {
        let off = self.packs.iter().filter(|pack| pack.charge_off || pack.discharge_off).count();
        figures.most_off = figures.most_off.max(off);
        figures.off_min += if off > 0 { 1.0 / 60.0 } else { 0.0 };
        for (number, pack) in self.packs.iter().enumerate() {
            let (current, limits) = (self.currents[number], &members[number].snapshot.as_ref().unwrap().limits);
            // Its own limit rises slowly from 0, the limit while it was off.
            let returned = self.returned.is_some_and(|(pack, at)| pack == number && second < at + 60);
            if returned {
                figures.inrush_a = figures.inrush_a.max(current.abs());
            } else if !self.silent[number] && second > 30 {
                let over = (current - limits.ccl.value.get()).max(-current - limits.dcl.value.get());
                figures.above_limit_a = figures.above_limit_a.max(over);
            }
            if pack.charge_off && current < 0.0 || pack.discharge_off && current > 0.0 {
                figures.diode_a = figures.diode_a.max(current.abs());
                figures.diode_over_s += if current.abs() > 28.0 { 1.0 } else { 0.0 };
            }
            for volts in pack.actual_cells_v() {
                figures.highest_cell_v = figures.highest_cell_v.max(*volts);
                figures.lowest_cell_v = figures.lowest_cell_v.min(*volts);
            }
        }
    }
}

fn run(socs: &[f64], rule: bool, seconds: u32, flow: Flow, event: Event) -> (Figures, Plant) {
    let mut plant = Plant::new(socs, rule);
    let mut figures = Figures { spread_before_ah: plant.spread_ah(), lowest_cell_v: 9.0, ..Figures::default() };
    for second in 0..seconds {
        event(&mut plant, second);
        plant.second(second, flow(second), &mut figures);
        if plant.spread_ah() <= 0.02 * 280.0 {
            figures.alike_after_min.get_or_insert(second / 60);
        }
    }
    figures.spread_after_ah = plant.spread_ah();
    (figures, plant)
}

fn nothing(_: &mut Plant, _: u32) {}

fn sun(_: u32) -> f64 {
    75.0
}

fn load(_: u32) -> f64 {
    -75.0
}

/// Rules that hold in every run.
fn check(name: &str, figures: &Figures) {
    assert!(figures.beyond_others_a <= 0.101, "{name}: a pack that is off does not count: {figures:#?}");
    assert!(figures.above_limit_a <= 1.0, "{name}: no pack above its own limit: {figures:#?}");
    assert!(figures.highest_cell_v < 3.60 && figures.lowest_cell_v > 2.85, "{name}: {figures:#?}");
    assert!(figures.most_off <= 1, "{name}: one at a time: {figures:#?}");
}

#[test]
fn the_spread_shrinks_while_one_pack_is_off_and_no_limit_is_exceeded() {
    let cases: [(&str, &[f64], Flow, u32); 4] = [
        ("three packs, sun, one fuller", &[86.0, 72.0, 73.0], sun, 6600),
        ("three packs, load, one emptier", &[60.0, 59.0, 46.0], load, 6600),
        ("two packs, sun", &[86.0, 74.0], |_| 45.0, 6600),
        ("three packs, clouds", &[86.0, 74.0, 74.0], |second| if second % 600 < 420 { 75.0 } else { -20.0 }, 3 * 3600),
    ];
    for (name, socs, flow, seconds) in cases {
        let (without, _) = run(socs, false, seconds, flow, nothing);
        let (with, plant) = run(socs, true, seconds, flow, nothing);
        println!(
            "{name}: spread {:.1} Ah, after {} min {:.1} Ah without and {:.1} Ah with the rule; at most 2 % after {:?} min (without: {:?}); \
             off for {:.0} min, {} times, diode at most {:.1} A, inrush {:.1} A, highest cell {:.3} V, above own limit {:.1} A",
            with.spread_before_ah,
            seconds / 60,
            without.spread_after_ah,
            with.spread_after_ah,
            with.alike_after_min,
            without.alike_after_min,
            with.off_min,
            with.switched,
            with.diode_a,
            with.inrush_a,
            with.highest_cell_v,
            with.above_limit_a
        );
        println!("  {}", with.reasons.join("\n  "));
        check(name, &with);
        assert!(with.switched >= 1 && with.spread_after_ah < 8.0, "{name}: {with:#?}");
        assert!(with.spread_after_ah < 0.6 * without.spread_after_ah, "{name}: {without:#?} {with:#?}");
        assert!(with.off_min <= 135.0 && with.diode_over_s <= 5.0 && with.inrush_a < 42.0, "{name}: {with:#?}");
        assert!(plant.packs.iter().all(|pack| !pack.charge_off && !pack.discharge_off), "{name}: on at the end: {with:#?}");
        assert_eq!(plant.switching.unwrap().shown().state, SwitchingState::Waiting, "{name}: {with:#?}");
    }
}

#[test]
fn every_doubt_brings_the_pack_back() {
    let silent: Event = |plant, second| plant.silent[1] = second > 1200;
    let full: Event = |plant, second| {
        if second == 1200 {
            plant.packs[2].forced_alarms = vec![AlarmName::CellImbalance];
        }
    };
    let other_off: Event = |plant, second| {
        if second == 1200 {
            plant.packs[1].execute(|pack| pack.discharge_off = true);
        }
    };
    let cases: [(&str, Flow, Event, &str); 4] = [
        ("a kettle draws through the diode", |second| if second > 1200 { -250.0 } else { 75.0 }, nothing, "diode"),
        ("another pack is silent", sun, silent, "silent"),
        ("an alarm", sun, full, "an alarm"),
        ("another pack switches off", sun, other_off, "b: switched off"),
    ];
    for (name, flow, event, why) in cases {
        let (figures, plant) = run(&[86.0, 72.0, 73.0], true, 1500, flow, event);
        println!(
            "{name}: diode at most {:.1} A, above 28 A for {} s, inrush {:.1} A\n  {}",
            figures.diode_a,
            figures.diode_over_s,
            figures.inrush_a,
            figures.reasons.join("\n  ")
        );
        assert!(figures.beyond_others_a <= 0.101 && figures.most_off <= 2, "{name}: {figures:#?}");
        assert!(figures.switched == 1 && !plant.packs[0].charge_off, "{name}: off and on again: {figures:#?}");
        assert!(figures.reasons.iter().any(|reason| reason.contains(why)), "{name}: {figures:#?}");
        assert!(figures.diode_over_s <= 8.0, "{name}: {figures:#?}");
    }
}

#[test]
fn without_certainty_or_with_one_pack_nothing_is_switched() {
    let cases: [(&str, &[f64], Flow); 4] = [
        ("alike", &[60.0, 57.0, 58.0], sun),
        ("alone", &[60.0], sun),
        ("no current", &[70.0, 50.0], |_| 0.0),
        ("more than the others can carry", &[62.0, 50.0], |_| 150.0),
    ];
    for (name, socs, flow) in cases {
        let (figures, plant) = run(socs, true, 1800, flow, nothing);
        assert_eq!((figures.switched, plant.switching.unwrap().is_off()), (0, false), "{name}: {figures:#?}");
    }
}

#[test]
fn a_bms_that_does_not_obey_is_asked_to_be_on_and_then_left_alone() {
    let deaf: Event = |plant, second| plant.obeys = second > 400;
    let (figures, plant) = run(&[86.0, 72.0, 73.0], true, 900, sun, deaf);
    println!("{}", figures.reasons.join("\n"));
    assert!(figures.reasons.iter().any(|reason| reason.contains("not confirmed")), "{figures:#?}");
    assert!(plant.packs.iter().all(|pack| !pack.charge_off), "{figures:#?}");
    assert_eq!(plant.switching.unwrap().shown().state, SwitchingState::Waiting);
    assert_eq!(figures.switched, 0, "a pause of half an hour: {figures:#?}");
}

#[test]
fn at_the_end_of_the_program_what_is_off_is_switched_on() {
    let mut plant = Plant::new(&[86.0, 72.0, 73.0], true);
    let mut figures = Figures::default();
    for second in 0..600 {
        plant.second(second, 75.0, &mut figures);
    }
    assert!(plant.packs[0].charge_off, "{figures:#?}");
    let switching = plant.switching.as_mut().unwrap();
    let order = switching.stop(Moment::from_secs(600.0)).unwrap();
    assert_eq!((order.member.as_str(), order.command), ("a", Switch::Charge.to(true)));
    assert!(switching.is_off());
    plant.command = Some((600 + COMMAND_S, 0, Switch::Charge, true));
    for second in 600..606 {
        plant.second(second, 75.0, &mut figures);
    }
    assert!(!plant.packs[0].charge_off && !plant.switching.as_ref().unwrap().is_off());
    assert_eq!(
        plant.members(Now { at: Moment::from_secs(606.0), unix: None })[0].snapshot.as_ref().unwrap().freshness,
        Freshness::Fresh
    );
}

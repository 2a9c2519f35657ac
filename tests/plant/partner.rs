//! Two inverters, each with a battery and both regulating the power of one grid connection to zero, and a house: with the rule for a
//! partner inverter the batteries do not charge each other, and a house that needs power gets it.

use crate::plant::reading;
use dbus_bms::base::time::Now;
use dbus_bms::base::units::{Amps, Moment, Watts};
use dbus_bms::battery::charge::Config;
use dbus_bms::battery::partner::PartnerValue;
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{LinkStats, Snapshot};
use dbus_bms::sim::pack::{Demand, Pack, PackConfig};
use std::collections::VecDeque;

/// What the partner does, by second: its power if it does not regulate, positive charges.
type Partner = fn(u32) -> Option<f64>;

/// The house: its load less its sun by second, W.
type House = fn(u32) -> f64;

/// Figures of a run.
#[derive(Debug, Default)]
struct Figures {
    /// Longest time in which both exchanged more than 100 W, s.
    longest_against_s: u32,
    /// Energy that went from one battery into the other, Wh.
    exchanged_wh: f64,
    /// Longest time from the moment when the house needs more than 1 kW from the grid to our covering it, s.
    longest_unserved_s: u32,
    reasons: std::collections::BTreeSet<&'static str>,
}

struct Plant {
    pack: Pack,
    battery: Battery,
    /// Battery powers, positive charges.
    ours: f64,
    partner: f64,
    /// Grid powers that the inverters have measured, the newest last.
    seen: VecDeque<f64>,
    shared: bool,
    guarded: bool,
}

impl Plant {
    fn new(guarded: bool, shared: bool) -> Self {
        let config = Config {
            max_charge_current: Some(Amps::new(60.0)),
            max_discharge_current: Some(Amps::new(60.0)),
            partner: dbus_bms::battery::partner::PartnerConfig { shares_battery: shared },
            ..Config::default()
        };
        let pack = Pack::new(&PackConfig { seed: 5, soc_pct: 60.0, ..PackConfig::default() });
        let battery = Battery::new(config, PersistedState::default());
        Self { pack, battery, ours: 0.0, partner: 0.0, seen: VecDeque::from([0.0; 3]), shared, guarded }
    }

    /// A second: measurements, limits, and what both inverters make of them two seconds late. Returns our limits and the grid power.
    fn second(&mut self, second: u32, house: f64, fixed: Option<f64>) -> (Snapshot, f64) {
        let now = Now { at: Moment::from_secs(f64::from(second)), unix: None };
        let grid = house + self.ours + self.partner;
        self.seen.push_back(grid);
        let old = self.seen.pop_front().unwrap();
        if self.guarded {
            // A source that tells the partner every five seconds.
            if second.is_multiple_of(5) {
                self.battery.partner_value(PartnerValue::Power(Watts::new(self.partner)), now.at);
            }
            self.battery.grid_power(Watts::new(grid), now.at);
        }
        let snapshot = self.battery.read(reading(self.pack.reported()), LinkStats::default(), now);
        let volts = self.pack.actual_cells_v().iter().sum::<f64>();
        let (ccl, dcl) = (snapshot.limits.ccl.value.get(), snapshot.limits.dcl.value.get());
        self.ours = (self.ours - 0.25 * old).clamp(-dcl * volts, ccl * volts);
        self.partner = fixed.unwrap_or_else(|| (self.partner - 0.2 * old).clamp(-3000.0, 3000.0));
        let through = self.ours + if self.shared { self.partner } else { 0.0 };
        for _ in 0..4 {
            self.pack.demand = Demand::Constant(through / volts);
            self.pack.tick();
        }
        (snapshot, grid)
    }
}

fn run(guarded: bool, shared: bool, seconds: u32, house: House, partner: Partner) -> Figures {
    let mut plant = Plant::new(guarded, shared);
    let (mut figures, mut against_s, mut unserved_s) = (Figures::default(), 0u32, 0u32);
    for second in 0..seconds {
        let need = house(second);
        let (snapshot, grid) = plant.second(second, need, partner(second));
        // What one discharges and the house does not take, while the other charges.
        let from_ours = (-plant.ours).max(0.0).min(plant.partner.max(0.0)).min((-plant.ours - need.max(0.0)).max(0.0));
        let from_partner = (-plant.partner).max(0.0).min(plant.ours.max(0.0)).min((plant.ours - (-need).max(0.0)).max(0.0));
        let exchanged = from_ours.max(from_partner);
        figures.exchanged_wh += exchanged / 3600.0;
        against_s = if exchanged > 100.0 { against_s + 1 } else { 0 };
        figures.longest_against_s = figures.longest_against_s.max(against_s);
        // More than the partner's own charging is drawn from the grid although we could give it.
        unserved_s = if grid - plant.partner.max(0.0) > 1000.0 { unserved_s + 1 } else { 0 };
        figures.longest_unserved_s = figures.longest_unserved_s.max(unserved_s);
        figures.reasons.extend([snapshot.limits.ccl.why, snapshot.limits.dcl.why]);
    }
    figures
}

/// A house with an evening of kettles, 300 W otherwise.
fn kettles(second: u32) -> f64 {
    if second % 400 > 250 && second > 500 { 2500.0 } else { 300.0 }
}

/// The partner charges at 2 kW from the grid for a quarter of an hour, as by a timer.
fn charges(second: u32) -> Option<f64> {
    (120..1020).contains(&second).then_some(2000.0)
}

/// The partner discharges at 2 kW, whatever the grid says.
fn discharges(second: u32) -> Option<f64> {
    (120..1020).contains(&second).then_some(-2000.0)
}

#[test]
fn the_batteries_do_not_charge_each_other_and_the_house_is_served() {
    let cases: [(&str, bool, House, Partner); 5] = [
        ("partner charges by a timer, kettles", false, kettles, charges),
        ("partner discharges by force, kettles", false, kettles, discharges),
        ("partner discharges by force, sun", false, |second| if second % 600 > 300 { -1500.0 } else { 200.0 }, discharges),
        ("both regulate, kettles", false, kettles, |_| None),
        ("one battery, partner charges by a timer", true, kettles, charges),
    ];
    for (name, shared, house, partner) in cases {
        let [without, with] = [false, true].map(|guarded| run(guarded, shared, 1500, house, partner));
        println!(
            "{name}: against each other for {} s and {:.0} Wh without, {} s and {:.0} Wh with the rule; unserved for {} s without, {} s with",
            without.longest_against_s,
            without.exchanged_wh,
            with.longest_against_s,
            with.exchanged_wh,
            without.longest_unserved_s,
            with.longest_unserved_s
        );
        assert!(with.longest_against_s <= 60, "{name}: {with:?}");
        assert!(with.longest_unserved_s <= 10, "{name}: {with:?}");
        if !name.starts_with("both") {
            assert!(without.longest_against_s > 300, "without the rule they work against each other: {name}: {without:?}");
            assert!(with.exchanged_wh < without.exchanged_wh / 4.0, "{name}: {without:?} {with:?}");
        }
    }
}

//! Chargers and inverters on the battery's DC bus, as controlled by a GX device with DVCC.
//!
//! They receive new limits with a delay of some seconds and follow them with a lag. The charge current sent to chargers is the
//! battery's limit plus the loads' current; when a load ends, its current flows into the battery until the chargers have followed.
//! They regulate the voltage themselves, immediately: each keeps its terminals at the charge voltage at most.

use super::limits::ChargeLimits;
use std::collections::VecDeque;

/// Behaviour of chargers and inverter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChargerConfig {
    /// Delay until a limit reaches them, s.
    pub delay_s: f64,
    /// Time constant of following a limit, s.
    pub lag_s: f64,
    /// Maximum current of the chargers, whatever the sun provides, A.
    pub most_a: f64,
    /// The chargers follow the charge current limit; otherwise only the charge voltage limits them.
    pub obeys_current: bool,
}

/// Time constant of a charger's own output regulation, s.
const REGULATION_S: f64 = 0.5;

/// State of the bus.
#[derive(Debug, Clone, Copy)]
pub(super) struct DcBus {
    /// Voltage at the battery's terminals, V.
    pub voltage_v: f64,
    /// Current into the battery, A.
    pub current_a: f64,
    /// Resistance of the battery, Ω.
    pub resistance_ohm: f64,
    /// Available power of the modules, W.
    pub sun_w: f64,
    /// Requested power of the house, W.
    pub load_w: f64,
}

/// All chargers combined, and the inverter.
#[derive(Debug)]
pub(super) struct Chargers {
    config: ChargerConfig,
    /// Limits in transit, with the time of arrival.
    coming: VecDeque<(f64, ChargeLimits)>,
    arrived: Option<ChargeLimits>,
    /// The limits as followed so far.
    followed: Option<ChargeLimits>,
    output_a: f64,
}

impl Chargers {
    pub(super) fn new(config: ChargerConfig) -> Self {
        Self { config, coming: VecDeque::new(), arrived: None, followed: None, output_a: 0.0 }
    }

    /// Sends limits at `t`; `load_a` is the inverter's current.
    pub(super) fn set_limits(&mut self, t: f64, limits: ChargeLimits, load_a: f64) {
        self.coming.push_back((t + self.config.delay_s, ChargeLimits { ccl_a: limits.ccl_a + load_a, ..limits }));
    }

    /// Current drawn by the inverter, A: the house's, limited by battery and chargers.
    pub(super) fn load_a(&self, bus: DcBus) -> f64 {
        let from_battery = self.followed.map_or(0.0, |limits| limits.dcl_a);
        (bus.load_w / bus.voltage_v.max(1.0)).min(self.output_a + from_battery).max(0.0)
    }

    /// Current into the battery after another `dt` seconds at `t`, A.
    pub(super) fn step(&mut self, t: f64, dt: f64, bus: DcBus) -> f64 {
        self.follow(t, dt);
        let load_a = self.load_a(bus);
        let Some(limits) = self.followed else { return -load_a };
        // The current into the battery at which its terminals reach the charge voltage.
        let for_voltage = bus.current_a + (limits.cvl_v - bus.voltage_v) / bus.resistance_ohm.max(1e-4);
        let wanted = (bus.sun_w / bus.voltage_v.max(1.0)).min(self.config.most_a).min(for_voltage + load_a);
        let wanted = if self.config.obeys_current { wanted.min(limits.ccl_a) } else { wanted };
        self.output_a += (wanted.max(0.0) - self.output_a) * share(dt, REGULATION_S);
        self.output_a - load_a
    }

    fn follow(&mut self, t: f64, dt: f64) {
        while self.coming.front().is_some_and(|(at, _)| *at <= t) {
            self.arrived = self.coming.pop_front().map(|(_, limits)| limits);
        }
        let share = share(dt, self.config.lag_s);
        self.followed = match (self.followed, self.arrived) {
            (Some(followed), Some(arrived)) => Some(followed.toward(arrived, share)),
            (None, arrived) => arrived,
            (followed, None) => followed,
        };
    }
}

/// Fraction of the distance that a first-order lag covers in `dt`.
fn share(dt: f64, time_constant: f64) -> f64 {
    if time_constant > 0.0 { 1.0 - (-dt / time_constant).exp() } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: ChargerConfig = ChargerConfig { delay_s: 3.0, lag_s: 2.0, most_a: 200.0, obeys_current: true };
    const LIMITS: ChargeLimits = ChargeLimits { cvl_v: 55.2, ccl_a: 40.0, dcl_a: 60.0 };

    fn bus(sun_w: f64, load_w: f64) -> DcBus {
        DcBus { voltage_v: 53.0, current_a: 0.0, resistance_ohm: 0.01, sun_w, load_w }
    }

    /// Current after each quarter of a second.
    fn run(chargers: &mut Chargers, from_s: f64, seconds: u32, bus: DcBus) -> Vec<f64> {
        (0..seconds * 4).map(|quarter| chargers.step(from_s + f64::from(quarter) / 4.0, 0.25, bus)).collect()
    }

    #[test]
    fn nothing_flows_before_the_limits_have_arrived() {
        let mut chargers = Chargers::new(CONFIG);
        chargers.set_limits(0.0, LIMITS, 0.0);
        let current = run(&mut chargers, 0.0, 10, bus(10_000.0, 500.0));
        assert!(current[..12].iter().all(|a| *a == 0.0), "{current:?}");
        assert!((current[39] - (40.0 - 500.0 / 53.0)).abs() < 0.1, "charger at the limit, the load draws: {current:?}");
    }

    #[test]
    fn a_lower_limit_is_followed_late_and_slowly() {
        let mut chargers = Chargers::new(CONFIG);
        chargers.set_limits(0.0, LIMITS, 0.0);
        run(&mut chargers, 0.0, 20, bus(10_000.0, 0.0));
        chargers.set_limits(20.0, ChargeLimits { ccl_a: 0.0, ..LIMITS }, 0.0);
        let current = run(&mut chargers, 20.0, 20, bus(10_000.0, 0.0));
        assert!(current[11] > 39.9 && current[24] < 20.0 && current[79] < 0.1, "{current:?}");
    }

    #[test]
    fn the_voltage_holds_a_charger_that_ignores_the_current_limit() {
        let mut chargers = Chargers::new(ChargerConfig { obeys_current: false, ..CONFIG });
        chargers.set_limits(0.0, ChargeLimits { ccl_a: 0.0, ..LIMITS }, 0.0);
        assert!(run(&mut chargers, 0.0, 20, bus(10_000.0, 0.0))[79] > 180.0);
        let full = DcBus { voltage_v: 55.3, current_a: 15.0, ..bus(10_000.0, 0.0) };
        let current = run(&mut chargers, 20.0, 20, full)[79];
        assert!((current - 5.0).abs() < 0.1, "10 A less bring 10 mΩ down by 0.1 V: {current}");
    }

    #[test]
    fn without_sun_the_load_draws_what_the_discharge_limit_lets_it() {
        let mut chargers = Chargers::new(CONFIG);
        chargers.set_limits(0.0, ChargeLimits { dcl_a: 30.0, ..LIMITS }, 0.0);
        assert_eq!(run(&mut chargers, 0.0, 20, bus(0.0, 5000.0))[79], -30.0);
    }
}

//! One battery over time: turns readings into snapshots for the outputs. Pure; the caller provides the time.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

pub(crate) mod cadence;
mod cell_health;
pub mod charge;
pub(crate) mod counters;
pub mod direction;
pub mod external;
mod full_forecast;
pub mod guard;
pub(crate) mod link_quality;
mod notices;
pub mod partner;
mod sensor_notes;
mod snapshot;
pub mod soc;

use crate::base::time::Now;
use crate::base::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts, Watts};
use crate::battery::cadence::Cadence;
use crate::battery::cell_health::HealthWatch;
use crate::battery::charge::charger_watch::ChargerWatch;
use crate::battery::charge::chemistry::preset;
use crate::battery::charge::oscillation::OscillationGuard;
use crate::battery::charge::{ChargeInputs, DataAge};
use crate::battery::direction::Direction;
use crate::battery::external::{ExternalQuantity, ExternalSensors};
use crate::battery::full_forecast::{FullForecast, FullInput};
use crate::battery::guard::Guard;
use crate::battery::link_quality::LineStatus;
use crate::battery::notices::Notices;
use crate::battery::partner::{OwnBattery, Partner, PartnerValue};
use crate::battery::sensor_notes::SensorNotes;
use crate::battery::soc::{SocState, forecast, health};
use crate::health::Health;
use crate::model::{Alarm, ByDirection, Chemistry, Freshness, History, Limits, LinkStats, MemberInfo, Reading, Snapshot};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// State of a battery that survives a restart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PersistedState {
    /// Counters over the battery's life.
    pub history: History,
    /// Chemistry confirmed by a reading.
    pub chemistry: Option<Chemistry>,
    /// Number of cells of the battery with that chemistry; without it the chemistry is ignored.
    pub chemistry_cells: Option<u8>,
    /// Counted SoC and related state.
    pub soc: soc::Memory,
    /// Charging phase.
    pub phases: charge::Phases,
    /// Direction of the current, if the charge had to decide it.
    pub direction: direction::Memory,
    /// Durations of the last charges' ends, s, by which the time to full is forecast.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub full_tails_s: Vec<u32>,
}

/// A value that is impossible from the start and for this long stays so; the battery is published without it.
const MAX_WAIT_FOR_POSSIBLE: Duration = Duration::from_secs(10);

/// One battery.
#[derive(Debug)]
pub struct Battery {
    config: charge::Config,
    guard: Guard,
    memory: charge::Memory,
    soc: SocState,
    direction: Direction,
    /// Charge control has found the battery full since the previous reading.
    became_full: bool,
    history: History,
    reading: Reading,
    inputs: ChargeInputs,
    /// The inputs without doubtful values, if they differ.
    accepted: Option<ChargeInputs>,
    sensors: TemperatureSensors,
    /// Quantities that are missing because the BMS reports an impossible value.
    missing: Vec<&'static str>,
    /// Time of the first reading.
    first_read_at: Option<Moment>,
    line: LineStatus,
    read_at: Option<Moment>,
    cadence: Cadence,
    current_avg: forecast::Average,
    full: FullForecast,
    own_alarms: Vec<Alarm>,
    cell_count: Option<u8>,
    member_info: MemberInfo,
    /// The most that the currents may be by configuration.
    maximum: ByDirection<Option<Amps>>,
    /// Log messages since the last [`take_notices`](Self::take_notices).
    notices: Notices,
    oscillation_guard: OscillationGuard,
    partner: Partner,
    charger_watch: ChargerWatch,
    external: ExternalSensors,
    cell_health: HealthWatch,
    /// Temporary limits set by the owner: charge and discharge current.
    owner_limits: ByDirection<Option<Amps>>,
}

/// The temperature sensors of a battery.
#[derive(Debug, Default)]
struct TemperatureSensors {
    /// By position.
    values: Vec<Option<Celsius>>,
    /// Indices of those that limit nothing.
    ignored: Vec<usize>,
    names: Arc<[String]>,
    notes: SensorNotes,
}

impl Battery {
    /// A battery without any reading so far.
    pub fn new(config: charge::Config, saved: PersistedState) -> Self {
        let mut guard = Guard::default();
        guard.configure(config.sensors.clone());
        Self {
            sensors: TemperatureSensors { names: config.sensors.names.0.as_slice().into(), ..TemperatureSensors::default() },
            config,
            guard,
            memory: charge::Memory::restored(saved.chemistry.zip(saved.chemistry_cells), saved.phases),
            soc: SocState::restored(saved.soc),
            direction: Direction::restored(&saved.direction),
            became_full: false,
            history: saved.history.restored(),
            reading: Reading::default(),
            inputs: ChargeInputs::default(),
            accepted: None,
            missing: Vec::new(),
            first_read_at: None,
            line: LineStatus::default(),
            read_at: None,
            cadence: Cadence::default(),
            current_avg: forecast::Average::default(),
            full: FullForecast::restored(&saved.full_tails_s),
            own_alarms: Vec::new(),
            cell_count: None,
            member_info: MemberInfo::default(),
            maximum: ByDirection::default(),
            notices: Notices::default(),
            oscillation_guard: OscillationGuard::default(),
            partner: Partner::default(),
            charger_watch: ChargerWatch::default(),
            external: ExternalSensors::default(),
            cell_health: HealthWatch::default(),
            owner_limits: ByDirection::default(),
        }
    }

    /// The same battery with other settings for SoC and forecasts.
    pub fn with_soc(mut self, soc_config: soc::Config) -> Self {
        self.soc.configure(soc_config);
        self
    }

    /// The same battery with the saved estimators of its cells' health.
    pub fn with_health(mut self, saved: Option<Health>) -> Self {
        self.cell_health = saved.map(HealthWatch::restored).unwrap_or_default();
        self
    }

    /// Applies other settings. Lower limits take effect at once; higher ones are reached by the slow ramp, as after any reduction.
    pub fn reconfigure(&mut self, config: charge::Config, soc_config: soc::Config) {
        self.guard.configure(config.sensors.clone());
        self.sensors.names = config.sensors.names.0.as_slice().into();
        self.config = config;
        self.soc.configure(soc_config);
    }

    /// Handles a reading.
    pub fn read(&mut self, reading: Reading, link: LinkStats, now: Now) -> Snapshot {
        let longest = self.config.silence.stale_after(self.cadence.period());
        let capacity = self.config.capacity.or(reading.capacity);
        self.notices.extend(self.direction.observe(&reading, capacity, &self.config.assume, longest, now.at));
        let mut reading = reading.assuming(&self.config.assume).deciding(self.direction.answers());
        // A BMS that repeats identical values although current flows counts as silent.
        let (frozen, notice) = self.line.is_frozen(&reading, self.config.capacity.or(reading.capacity), now.at);
        self.notices.extend(notice);
        if frozen {
            return self.tick(link, now);
        }
        let was_silent = self.read_at.is_some() && self.freshness(now.at) != Freshness::Fresh;
        if was_silent {
            // Let charge control see the gap even if `tick` was not called in it (suspended process), so that no limit jumps up.
            self.decide(now.at);
        }
        let elapsed = self.read_at.map(|at| now.at.since(at));
        if let Some(elapsed) = elapsed {
            self.cadence.add(elapsed);
        }
        // Before the guard, so that all later steps use the same current and state of health.
        reading.current = reading.current.map(|current| self.soc.config().correct(current));
        let undirected = reading.undirected_current().map(|amps| {
            let config = self.soc.config();
            config.correct(amps).max(config.correct(Amps::new(-amps.get())))
        });
        reading.soh = health::state_of_health(&reading);
        let guarded = self.guard.check(reading.multiplied(self.config.parallel_blocks), now.at);
        self.notices.held(&guarded.held);
        self.notices.missing(&guarded.missing);
        self.missing = guarded.missing;
        self.first_read_at.get_or_insert(now.at);
        self.notices.extend(self.line.answered(link, was_silent, now.at));
        self.read_at = Some(now.at);
        self.member_info.readings = self.member_info.readings.wrapping_add(1);
        self.reading = guarded.reading;
        (self.inputs, self.accepted) = (guarded.inputs, guarded.accepted);
        (self.sensors.values, self.sensors.ignored) = (guarded.sensors, guarded.ignored_sensors);
        let fitted = self.sensors.values.len();
        let note = self.sensors.notes.check(&self.config.sensors, fitted, &self.sensors.ignored, &mut self.reading);
        self.notices.extend(note);
        self.both_views(|inputs| inputs.unix = now.unix);
        // Energy that flowed during a gap is unknown and not counted.
        let longest = self.config.silence.stale_after(self.cadence.period());
        self.assume_charging(undirected);
        self.use_external_current(now.at);
        self.follow_health(now);
        self.current_avg.add(self.reading.current, self.soc.config().average_over, longest, now.at);
        self.watch_chargers(longest, now.at);
        self.judge_soc(longest, now.at);
        let limits = self.decide(now.at);
        self.foresee_full(now.at);
        let derived = self.derive(Freshness::Fresh);
        let counted = elapsed.filter(|elapsed| *elapsed <= longest);
        let alarms = self.alarms();
        counters::count(&mut self.history, &self.reading, &derived, &alarms, counted, now.unix);
        if self.became_full {
            // Also for batteries whose SoC never reaches 100 %.
            self.history.last_full_unix = now.unix.or(self.history.last_full_unix);
        }
        self.snapshot(Freshness::Fresh, derived, limits, now)
    }

    fn foresee_full(&mut self, now: Moment) {
        let capacity = self.capacity();
        let input = FullInput {
            soc: self.reading.soc,
            left: self.reading.charge_left(capacity),
            capacity,
            average: self.current_avg.get(),
            present: self.reading.current,
            is_full: self.became_full,
        };
        self.full.observe(&input, now);
    }

    /// Takes a value of another device, see [`soc::Config::external`].
    pub fn external_value(&mut self, quantity: ExternalQuantity, value: f64, now: Moment) {
        self.external.receive(quantity, value, now);
    }

    fn follow_health(&mut self, now: Now) {
        let found = self.cell_health.observe(&self.reading, self.capacity(), now);
        self.notices.extend(found);
        self.cell_health.complete(&mut self.reading);
    }

    /// Lets the limits take a current of unknown direction as charging, which delays the end of a charge and lowers the voltage while
    /// charging is forbidden. The published current stays unknown.
    fn assume_charging(&mut self, strength: Option<Amps>) {
        let Some(strength) =
            strength.map(|amps| amps * f64::from(self.config.parallel_blocks)).filter(|amps| amps.get().is_finite())
        else {
            return;
        };
        self.both_views(|inputs| inputs.current = Some(inputs.current.map_or(strength, |before| before.max(strength))));
    }

    /// Replaces the BMS's current by that of another device, if it is configured and usable. The limits use the higher of both: a
    /// higher charge current delays the end of a charge and lowers the voltage while charging is forbidden.
    fn use_external_current(&mut self, now: Moment) {
        if !self.soc.config().external.current {
            return;
        }
        let Some(external) = self.external.current(self.reading.current, self.capacity(), now) else { return };
        self.both_views(|inputs| inputs.current = Some(inputs.current.map_or(external, |bms| bms.max(external))));
        self.reading.current = Some(external);
        self.reading.power = None;
        self.reading.derive_power();
    }

    /// Compares the current with the limit that was published until now.
    fn watch_chargers(&mut self, longest: Duration, now: Moment) {
        if !self.config.limits_are_published {
            self.charger_watch = ChargerWatch::default();
            return;
        }
        let Some(last) = self.memory.last else { return };
        self.notices.extend(self.charger_watch.observe(self.reading.current, last.limits.ccl, longest, now));
        if let Some(excess) = self.charger_watch.excess() {
            self.reading.note(excess.sentence());
        }
    }

    /// Handles the power at the grid connection, positive from the grid; an oscillation reduces the limits with the next reading.
    pub fn grid_power(&mut self, power: Watts, now: Moment) {
        let own = self.own_battery(now);
        self.partner.observe_grid(power, &self.config.partner, &own, now);
        let Some(limits) = self.memory.last.map(|last| last.limits) else { return };
        if self.oscillation_guard.observe(&self.config.oscillation, power, limits.currents(), now) {
            let notice = "the grid power keeps changing sides: inverters fight; current limits are cut for a while";
            self.notices.extend([notice]);
        }
    }

    /// Handles a value of the partner inverter's battery, see [`partner`].
    pub fn partner_value(&mut self, value: PartnerValue, now: Moment) {
        let own = self.own_battery(now);
        self.partner.observe(value, &own, now);
    }

    /// The battery as the rule for a partner inverter sees it.
    fn own_battery(&self, now: Moment) -> OwnBattery {
        let fresh = self.freshness(now) == Freshness::Fresh;
        OwnBattery {
            voltage: self.reading.voltage.filter(|_| fresh),
            current: self.reading.current.filter(|_| fresh),
            rise: self.config.recovery.amps_per_s,
            floors: ByDirection { charge: self.config.min_charge_current, discharge: self.config.min_discharge_current },
        }
    }

    /// Sets temporary charge and discharge current limits of the owner, effective from the next decision on.
    pub fn set_owner_limits(&mut self, limits: ByDirection<Option<Amps>>) {
        self.owner_limits = limits;
    }

    /// The temporary limits of the owner.
    pub fn owner_limits(&self) -> ByDirection<Option<Amps>> {
        self.owner_limits
    }

    /// Starts a full charge now, as if float had ended. All limits stay in force.
    pub fn charge_up(&mut self) {
        self.memory.phases.begin_charge();
    }

    /// Starts a balancing charge now; false if none are configured. All limits stay in force.
    pub fn balance(&mut self) -> bool {
        let configured = self.config.phases.enabled && self.config.phases.balance_every_days.is_some();
        if configured {
            self.memory.phases.balance_by_hand();
        }
        configured
    }

    /// Ends a balancing charge that [`Self::balance`] has started.
    pub fn end_balance(&mut self) {
        self.memory.phases.end_balancing_by_hand();
    }

    /// Advances time without a reading.
    pub fn tick(&mut self, link: LinkStats, now: Now) -> Snapshot {
        let freshness = self.freshness(now.at);
        self.line.tick(link, freshness != Freshness::Fresh, now.at);
        // Before the first reading there are no values to derive limits from, and charge control must not remember anything.
        let known = self.read_at.is_some();
        let limits = if known { self.decide(now.at) } else { charge::off(Volts::ZERO, &self.inputs, "no reading yet") };
        if freshness != Freshness::Fresh {
            self.full.forget();
        }
        let derived = self.derive(freshness);
        self.snapshot(freshness, derived, limits, now)
    }

    /// The last snapshot before shutdown: limits of 0, unknown values.
    pub fn stop(&mut self, why: &'static str, now: Now) -> Snapshot {
        let cvl = self.decide(now.at).cvl.value;
        let limits = charge::off(cvl, &self.inputs, why);
        let derived = self.derive(Freshness::Stale);
        self.snapshot(Freshness::Stale, derived, limits, now)
    }

    /// When to call `tick` if no reading arrives: at the next silence stage, and every second while limits change.
    pub fn next_tick(&self, now: Moment) -> Moment {
        let Some(read_at) = self.read_at else { return now.after(Duration::from_secs(60)) };
        let silence = &self.config.silence;
        let begin = |stage| read_at.after(silence.begin(stage, self.cadence.period()));
        let (just_after, second) = (Duration::from_millis(1), Duration::from_secs(1));
        let moving_from = begin(Freshness::Stale).after(just_after);
        let moving_to = begin(Freshness::Stale).after(silence.charge_fade).after(second);
        let stages = [moving_from, begin(Freshness::Silent), begin(Freshness::Lost)];
        let step = (moving_from..=moving_to).contains(&now).then(|| now.after(second));
        let next = stages.into_iter().filter(|stage| *stage > now).chain(step).min();
        next.unwrap_or_else(|| now.after(Duration::from_secs(60)))
    }

    /// Age of the data at `now`; `None` before the first reading.
    pub fn age(&self, now: Moment) -> Option<Duration> {
        self.read_at.map(|at| now.since(at))
    }

    /// State to save for a restart.
    pub fn persisted_state(&self) -> PersistedState {
        PersistedState {
            history: self.history.clone(),
            chemistry: self.memory.confirmed_chemistry(),
            chemistry_cells: self.memory.confirmed.map(|(_, cells)| cells),
            phases: self.memory.phases.clone(),
            soc: self.soc.memory().clone(),
            direction: self.direction.memory(),
            full_tails_s: self.full.tails(),
        }
    }

    /// The estimators of the cells' health, to save them.
    pub fn health(&self) -> Option<&Health> {
        self.cell_health.estimators()
    }

    /// SoC of the driver's own count, if it counts.
    pub fn counted_soc(&self) -> Option<Percent> {
        self.soc.counted()
    }

    /// Resets the counters on the owner's request.
    pub fn clear_history(&mut self) {
        self.history = History::default();
    }

    /// The counters, to add those of another driver.
    pub fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    /// Log messages since the last call; each appears once per episode.
    pub fn take_notices(&mut self) -> Vec<String> {
        self.notices.take()
    }

    /// The reading of the last snapshot.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Whether the data is complete enough to publish: voltage, current, SoC and every cell (if the BMS reports cells), except for
    /// values that the BMS permanently reports as impossible, and for a current whose direction is still to be decided: the limits hold
    /// without it.
    pub fn is_presentable(&self, now: Moment) -> bool {
        let Reading { voltage, current, soc, .. } = &self.reading;
        let waited = self.first_read_at.is_some_and(|first| now.since(first) >= MAX_WAIT_FOR_POSSIBLE);
        let known = |known: bool, name: &str| known || (waited && self.missing.contains(&name));
        known(voltage.is_some(), "pack voltage")
            && (known(current.is_some(), "current") || self.reading.open_direction().is_some())
            && known(soc.is_some(), "SoC")
            && self.reading.has_its_cells()
    }

    fn freshness(&self, now: Moment) -> Freshness {
        self.age(now).map_or(Freshness::Lost, |age| self.config.silence.stage(age, self.cadence.period()))
    }

    fn decide(&mut self, now: Moment) -> Limits {
        let (oscillation_cut, owner_limits) = (self.oscillation_guard.cut(&self.config.oscillation, now), self.owner_limits);
        self.both_views(|inputs| {
            inputs.oscillation_cut = oscillation_cut;
            inputs.owner_limits = owner_limits;
        });
        let age = DataAge { age: self.age(now).unwrap_or_default(), period: self.cadence.period() };
        let outcome = charge::step(&self.config, &self.inputs, self.accepted.as_ref(), age, &mut self.memory, now);
        self.became_full |= outcome.full;
        self.own_alarms = outcome.alarms;
        self.cell_count = outcome.cell_count.or(self.cell_count);
        self.maximum = outcome.maximum.map(Some);
        (self.member_info.ceiling, self.member_info.float) = (Some(outcome.ceiling), outcome.float.or(self.member_info.float));
        self.notices.extend(outcome.notices);
        let own = self.own_battery(now);
        let limits = self.partner.lower(outcome.limits, &self.config.partner, &own, now);
        self.notices.extend(self.partner.take_notices());
        limits
    }

    /// Determines the SoC to publish and to use in charge control.
    fn judge_soc(&mut self, longest: Duration, now: Moment) {
        let settings = &self.inputs.settings;
        let known = self.config.chemistry.or(settings.chemistry).or(self.memory.confirmed_chemistry()).map(preset);
        let highest = settings.cell_ovp.map_or(f64::INFINITY, |ovp| ovp.get() - 0.05);
        let charge_cell = known.map(|preset| self.config.cell_voltage(preset).map_or(preset.max_cell, Volts::get).min(highest));
        self.soc.observe(&self.reading);
        let min_cell = known.map(|preset| Volts::new(preset.min_cell));
        let external_soc = self.use_external_soc(min_cell, now);
        let input = soc::Input {
            reading: &self.reading,
            capacity: self.capacity(),
            charge_cell: charge_cell.map(Volts::new),
            min_cell,
            became_full: std::mem::take(&mut self.became_full),
            external_soc,
            longest,
            now,
        };
        let outcome = self.soc.judge(&input, self.config.capacity);
        self.soc.publish(&outcome, &mut self.reading);
        if let Some((low, high)) = outcome.range {
            self.both_views(|inputs| {
                inputs.low_soc = Some(inputs.low_soc.map_or(low, |bms| bms.min(low)));
                inputs.high_soc = Some(inputs.high_soc.map_or(high, |bms| bms.max(high)));
            });
        }
        self.history.automatic_syncs = self.history.automatic_syncs.saturating_add(u32::from(outcome.synced));
        self.notices.extend(outcome.notices);
    }

    /// Replaces the BMS's SoC by that of another device, if it is configured and usable.
    fn use_external_soc(&mut self, empty_cell: Option<Volts>, now: Moment) -> bool {
        let external = self.soc.config().external;
        let soc = external.soc.then(|| self.external.soc(self.inputs.low_cell, empty_cell, now)).flatten();
        if let Some(soc) = soc {
            self.reading.soc = Some(soc);
        }
        self.notices.extend(self.external.take_notices());
        for note in self.external.notes() {
            self.reading.note(note);
        }
        soc.is_some()
    }

    /// Sets an input in both views of the battery, the cautious and the accepted one.
    fn both_views(&mut self, set: impl Fn(&mut ChargeInputs)) {
        [&mut self.inputs].into_iter().chain(&mut self.accepted).for_each(set);
    }

    fn capacity(&self) -> Option<AmpHours> {
        self.config.capacity.or(self.reading.capacity)
    }
}

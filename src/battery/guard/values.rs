//! Guard for all measured and counted values of a reading.

use super::cells::Cells;
use super::channel::{
    BALANCE, CELL, CHARGE, COUNTER, EXACT, GuardedValue, HEATER, HUMIDITY, MOS_TEMPERATURE, PERCENT, ReadingContext, THROUGHPUT,
    VOLTAGE,
};
use super::current::CurrentEvidence;
use super::sensors::Temperatures;
use super::{Guard, Settings, percent_of_full};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::battery::charge::cells;
use crate::model::{Balancing, Reading};

/// Result of the guard for the values of a reading.
pub(super) struct Values {
    pub voltage: GuardedValue,
    pub current: GuardedValue,
    pub soc: GuardedValue,
    pub soh: GuardedValue,
    pub remaining: GuardedValue,
    pub capacity: GuardedValue,
    pub full_charge: GuardedValue,
    pub design: GuardedValue,
    pub cycles: GuardedValue,
    pub throughput: GuardedValue,
    pub stated: GuardedValue,
    pub mos: GuardedValue,
    pub board: GuardedValue,
    pub environment: GuardedValue,
    pub balance_current: GuardedValue,
    pub heating_current: GuardedValue,
    pub humidity: GuardedValue,
    pub cells: Cells,
    pub highest_cell: GuardedValue,
    pub lowest_cell: GuardedValue,
    pub temperatures: Temperatures,
    pub settings: Settings,
}

/// Collects the names of held and missing quantities.
#[derive(Default)]
pub(super) struct Names {
    pub held: Vec<&'static str>,
    pub missing: Vec<&'static str>,
    /// A doubtful value counts: the cautious view differs.
    pub doubtful: bool,
    /// An input of charge control is held.
    pub in_doubt: bool,
}

impl Names {
    /// Records an input of charge control.
    fn record(&mut self, judged: GuardedValue, what: &'static str) -> GuardedValue {
        self.in_doubt |= judged.held;
        self.doubtful |= judged.doubtful.is_some() || (judged.broken && judged.held);
        self.record_aside(judged, what)
    }

    /// Records a value that no limit depends on.
    fn record_aside(&mut self, judged: GuardedValue, what: &'static str) -> GuardedValue {
        let add = |names: &mut Vec<&'static str>| {
            if !names.contains(&what) {
                names.push(what);
            }
        };
        if judged.held {
            add(&mut self.held);
        }
        if judged.is_missing() {
            add(&mut self.missing);
        }
        judged
    }
}

impl Guard {
    /// Checks all measured and counted values. Every field of a reading is named, so that a new one cannot be forgotten.
    #[rustfmt::skip]
    pub(super) fn judge_values(&mut self, reading: &Reading, context: ReadingContext, names: &mut Names) -> Values {
        let Reading {
            voltage, current, soc, soh, remaining, capacity, full_charge, design, cycles, cell_count, cells,
            heating_current, throughput, humidity, settings, highest_cell, lowest_cell,
            temperatures: crate::model::Temperatures { sensors, mos, board, environment },
            // Computed from the guarded values; checked separately.
            power: _, alarms: _,
            // What the BMS permits or does at present: never held.
            fets: _, heating: _,
            balancing: Balancing { current: balance_current, active: _, cells: _, allowed: _ },
            // Names and texts, which must be repeated on the line before they count (`link::agreement`).
            bms: _, address: _, device: _, label: _, notes: _,
            // Set by the decoder about the reading itself.
            cells_complete: _, awaited: _, without_cells: _,
            // Decided before, or unknown.
            open: _,
        } = reading;
        let moved = self.moved(reading);
        let voltage = names.record(self.voltage.check(voltage.map(Volts::get), VOLTAGE, context), "pack voltage");
        let cells = self.cells.check(cells, context);
        names.record(cells.worst, "cell voltages");
        let highest_cell = names.record(self.highest_cell.check(highest_cell.map(Volts::get), CELL, context), "highest cell");
        let lowest_cell = names.record(self.lowest_cell.check(lowest_cell.map(Volts::get), CELL, context), "lowest cell");
        // A strong current moves the voltages, so doubt about them does not speak against it.
        let by_voltage = std::mem::take(&mut names.in_doubt);
        let soc = names.record(self.soc.check(soc.map(percent_of_full), PERCENT, context), "SoC");
        let soh = names.record(self.soh.check(soh.map(Percent::get), PERCENT, context), "SoH");
        let remaining = names.record(self.remaining.check(remaining.map(AmpHours::get), CHARGE, context), "remaining capacity");
        let capacity = names.record(self.capacity.check(capacity.map(AmpHours::get), EXACT, context), "capacity");
        let full_charge = names.record(self.full_charge.check(full_charge.map(AmpHours::get), CHARGE, context), "full charge");
        let design = names.record(self.design.check(design.map(AmpHours::get), EXACT, context), "design capacity");
        let cycles = names.record_aside(self.cycles.check(cycles.map(f64::from), COUNTER, context), "cycle count");
        let stated = names.record(self.stated_cells.check(cell_count.map(f64::from), EXACT, context), "cell count");
        let mos = self.mos.check(mos.map(Celsius::get), MOS_TEMPERATURE, context);
        let mos = names.record(mos.shifted(self.sensors.config.mos_offset), "MOSFET temperature");
        let board = self.board.check(board.map(Celsius::get), MOS_TEMPERATURE, context);
        let board = names.record_aside(board, "board temperature");
        let environment = self.environment.check(environment.map(Celsius::get), MOS_TEMPERATURE, context);
        let environment = names.record_aside(environment, "temperature of the case");
        let balance_current = self.balance_current.check(balance_current.map(Amps::get), BALANCE, context);
        let balance_current = names.record_aside(balance_current, "balancing current");
        let heating_current = self.heating_current.check(heating_current.map(Amps::get), HEATER, context);
        let heating_current = names.record_aside(heating_current, "heater current");
        let throughput = self.throughput.check(throughput.map(AmpHours::get), THROUGHPUT, context);
        let throughput = names.record_aside(throughput, "throughput");
        let humidity = names.record_aside(self.humidity.check(humidity.map(Percent::get), HUMIDITY, context), "humidity");
        let temperatures = self.sensors.check(sensors.as_deref(), context);
        for judged in &temperatures.judged {
            names.record(*judged, "temperature");
        }
        let settings = self.judge_settings(settings, context);
        names.record(settings.worst, "protection settings");
        let beside = CurrentEvidence { moved, capacity: self.capacity.last(), in_doubt: names.in_doubt || cycles.held };
        names.in_doubt |= by_voltage;
        let current = names.record(self.current.check(current.map(Amps::get), beside, context), "current");
        Values {
            voltage, current, soc, soh, remaining, capacity, full_charge, design, cycles, throughput, stated, mos, board, environment,
            balance_current, heating_current, humidity, cells, highest_cell, lowest_cell, temperatures, settings,
        }
    }

    /// Relative change of pack voltage and mean cell since they were accepted.
    fn moved(&self, reading: &Reading) -> [Option<f64>; 2] {
        let part = |now: f64, before: f64| (now - before) / before;
        let mean = cells::mean(reading.cells.iter().map(|cell| cell.get()));
        [
            reading.voltage.zip(self.voltage.last()).map(|(now, before)| part(now.get(), before)),
            mean.zip(self.cells.mean()).map(|(now, before)| part(now, before)),
        ]
    }
}

impl Values {
    /// Writes the accepted values into the reading.
    pub(super) fn publish(&self, reading: &mut Reading) {
        reading.voltage = self.voltage.published.map(Volts::new);
        reading.current = self.current.published.map(Amps::new);
        reading.soc = self.soc.published.map(Percent::new);
        reading.soh = self.soh.published.map(Percent::new);
        reading.remaining = self.remaining.published.map(AmpHours::new);
        reading.capacity = self.capacity.published.map(AmpHours::new);
        reading.full_charge = self.full_charge.published.map(AmpHours::new);
        reading.design = self.design.published.map(AmpHours::new);
        reading.cycles = self.cycles.published.and_then(whole);
        reading.throughput = self.throughput.published.map(AmpHours::new);
        reading.cell_count = self.stated.published.and_then(cell_count);
        reading.temperatures.mos = self.mos.published.map(Celsius::new);
        reading.temperatures.board = self.board.published.map(Celsius::new);
        reading.temperatures.environment = self.environment.published.map(Celsius::new);
        reading.balancing.current = self.balance_current.published.map(Amps::new);
        reading.heating_current = self.heating_current.published.map(Amps::new);
        reading.humidity = self.humidity.published.map(Percent::new);
        reading.cells.clone_from(&self.cells.published);
        reading.highest_cell = self.highest_cell.published.map(Volts::new);
        reading.lowest_cell = self.lowest_cell.published.map(Volts::new);
        if let Some(listed) = &mut reading.temperatures.sensors {
            *listed = self.temperatures.in_place.iter().flatten().copied().collect();
        }
        reading.settings.clone_from(&self.settings.published);
        // Derived from the guarded values with their sign, whatever the BMS reports as power.
        reading.power = None;
        reading.derive_power();
    }
}

/// A count that has passed a channel.
fn whole(value: f64) -> Option<u32> {
    #[allow(clippy::cast_possible_truncation, reason = "within the range of u32")]
    (0.0..=f64::from(u32::MAX)).contains(&value).then_some(value as u32)
}

/// A number of cells that has passed a channel.
pub(super) fn cell_count(value: f64) -> Option<u8> {
    whole(value).and_then(|count| u8::try_from(count).ok())
}

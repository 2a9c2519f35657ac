//! GoodWe inverters with a battery, read over the local network.
//!
//! ```text
//! ES, EM, BP   request  AA55 C07F type 2 bytes | length 0 | sum16       reply  AA55 7FC0 type | length | data | sum16
//! ET, EH, BT…  request  Modbus RTU to F7, function 03                   reply  AA55 | Modbus RTU
//! ```
//! All numbers have their high byte first. The sum includes the header, the CRC does not include `AA55`. UDP port 8899; newer dongles
//! answer the second family over Modbus TCP, port 502. Nothing is ever written.
//!
//! Sources: marcelblijleven/goodwe (register names), and recordings of six inverters, which agree with it.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::base::units::round;
use crate::bms::bytes::{crc16_modbus, sum16};
use crate::bms::modbus::{Read, Registers};
use crate::model::{DeviceValue, Quantity, quantity};

/// UDP port of the inverters.
pub const UDP_PORT: u16 = 8899;
/// TCP port of dongles with Modbus TCP.
pub const TCP_PORT: u16 = 502;
/// UDP port of the search.
pub const SEARCH_PORT: u16 = 48_899;
/// Text of the search, sent to the broadcast address; the answer begins with the address of the dongle.
pub const SEARCH: &[u8] = b"WIFIKIT-214028-READ";
/// Modbus address of the inverters.
const UNIT: u8 = 0xF7;
const ET_RUNNING: Read = Read::holding(35_100, 125);
const ET_METER: Read = Read::holding(36_000, 45);
const ET_BATTERY: Read = Read::holding(37_000, 24);
const ES_RUNNING: [u8; 9] = [0xAA, 0x55, 0xC0, 0x7F, 0x01, 0x06, 0x00, 0x02, 0x45];
const ES_REPLY: [u8; 6] = [0xAA, 0x55, 0x7F, 0xC0, 0x01, 0x86];

/// A dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// ES, EM, BP.
    Es,
    /// ET, EH, BT, BH, and ES of the second generation.
    Et,
}

impl Family {
    /// What is asked in one round. The first is required.
    pub fn queries(self) -> &'static [Query] {
        match self {
            Self::Es => &[Query::EsRunning],
            Self::Et => &[Query::EtRunning, Query::EtMeter, Query::EtBattery],
        }
    }
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// Everything of the first family.
    EsRunning,
    /// Panels, grid, battery.
    EtRunning,
    /// The meter at the grid connection.
    EtMeter,
    /// The BMS as the inverter sees it.
    EtBattery,
}

impl Query {
    fn read(self) -> Option<Read> {
        match self {
            Self::EsRunning => None,
            Self::EtRunning => Some(ET_RUNNING),
            Self::EtMeter => Some(ET_METER),
            Self::EtBattery => Some(ET_BATTERY),
        }
    }

    /// The datagram to send.
    pub fn datagram(self) -> Vec<u8> {
        self.read().map_or_else(|| ES_RUNNING.to_vec(), |read| read.request(UNIT))
    }

    /// The request over Modbus TCP with this transaction number; `None` for the first family.
    pub fn modbus_tcp(self, transaction: u16) -> Option<Vec<u8>> {
        let read = self.read()?;
        let [[t1, t2], [f1, f2], [c1, c2]] = [transaction, read.first, read.count].map(u16::to_be_bytes);
        Some(vec![t1, t2, 0, 0, 0, 6, UNIT, read.function.code(), f1, f2, c1, c2])
    }

    /// The data in a complete reply over UDP at the start of `bytes`. `Ok(None)`: more bytes are needed.
    ///
    /// # Errors
    /// [`NoReply`] for damaged bytes and replies to something else.
    pub fn reply(self, bytes: &[u8]) -> Result<Option<&[u8]>, NoReply> {
        let Some(read) = self.read() else {
            let common = bytes.len().min(ES_REPLY.len());
            if bytes.get(..common) != ES_REPLY.get(..common) {
                return Err(NoReply);
            }
            let Some(length) = bytes.get(6).copied().map(usize::from) else { return Ok(None) };
            let end = length.saturating_add(7);
            let Some(sum) = bytes.get(end..end.saturating_add(2)) else { return Ok(None) };
            let good = bytes.get(..end).is_some_and(|summed| sum16(summed).to_be_bytes() == sum);
            return if good { Ok(bytes.get(7..end)) } else { Err(NoReply) };
        };
        let length = u8::try_from(read.count.saturating_mul(2)).map_err(|_| NoReply)?;
        let head = [0xAA, 0x55, UNIT, read.function.code(), length];
        let common = bytes.len().min(head.len());
        if bytes.get(..common) != head.get(..common) {
            return Err(NoReply);
        }
        let end = usize::from(length).saturating_add(head.len());
        let Some(crc) = bytes.get(end..end.saturating_add(2)) else { return Ok(None) };
        let good = bytes.get(2..end).is_some_and(|frame| crc16_modbus(frame).to_le_bytes() == crc);
        if good { Ok(bytes.get(head.len()..end)) } else { Err(NoReply) }
    }

    /// The data in a reply over Modbus TCP, and its length. `Ok(None)`: more bytes are needed.
    ///
    /// # Errors
    /// [`NoReply`] for anything else.
    pub fn reply_tcp(self, transaction: u16, bytes: &[u8]) -> Result<Option<&[u8]>, NoReply> {
        let read = self.read().ok_or(NoReply)?;
        let length = u8::try_from(read.count.saturating_mul(2)).map_err(|_| NoReply)?;
        let [t1, t2] = transaction.to_be_bytes();
        let [l1, l2] = u16::from(length).saturating_add(3).to_be_bytes();
        let head = [t1, t2, 0, 0, l1, l2, UNIT, read.function.code(), length];
        let common = bytes.len().min(head.len());
        if bytes.get(..common) != head.get(..common) {
            return Err(NoReply);
        }
        Ok(bytes.get(head.len()..usize::from(length).saturating_add(head.len())))
    }
}

/// Bytes that are no reply to the request: another program's, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoReply;

/// Puts a reply together from datagrams, which may be pieces, doubled, or another program's.
#[derive(Debug, Default)]
pub struct Collector(Vec<u8>);

impl Collector {
    /// Takes a datagram; returns the data once the reply to `query` is complete.
    pub fn take(&mut self, query: Query, datagram: &[u8]) -> Option<Vec<u8>> {
        if datagram.starts_with(&[0xAA, 0x55]) && query.reply(datagram).is_ok() {
            self.0.clear();
        }
        if self.0.is_empty() && query.reply(datagram).is_err() {
            return None;
        }
        self.0.extend(datagram.iter().take(MAX_REPLY.saturating_sub(self.0.len())));
        match query.reply(&self.0) {
            Ok(Some(data)) => Some(data.to_vec()),
            Ok(None) => None,
            Err(NoReply) => {
                self.0.clear();
                None
            }
        }
    }
}

/// More bytes are no reply.
const MAX_REPLY: usize = 512;

macro_rules! quantities {
    ($($name:ident: $new:ident($key:literal, $text:literal, $unit:literal);)*) => { $(
        #[doc = $text]
        pub const $name: Quantity = Quantity::$new($key, $text, $unit);
    )*
        /// Quantities of these inverters beside the shared ones, for the documentation.
        pub const QUANTITIES: &[&Quantity] = &[$(&$name),*];
    };
}
quantities! {
    PV1_VOLTAGE: new("pv1_voltage_v", "Panels 1, voltage", "V");
    PV1_CURRENT: new("pv1_current_a", "Panels 1, current", "A");
    PV2_VOLTAGE: new("pv2_voltage_v", "Panels 2, voltage", "V");
    PV2_CURRENT: new("pv2_current_a", "Panels 2, current", "A");
    BATTERY_CURRENT_AVERAGE: new("battery_current_avg_a", "Battery current, mean of six values", "A");
    BATTERY_TEMPERATURE: new("battery_temperature_c", "Battery temperature", "°C");
    BATTERY_SOH: new("battery_soh_pct", "Battery health", "%");
    CHARGE_LIMIT: new("battery_charge_limit_a", "Charge current limit", "A");
    DISCHARGE_LIMIT: new("battery_discharge_limit_a", "Discharge current limit", "A");
    GRID_VOLTAGE: new("grid_voltage_v", "Grid voltage", "V");
    GRID_CURRENT: new("grid_current_a", "Grid current", "A");
    GRID_FREQUENCY: new("grid_frequency_hz", "Grid frequency", "Hz");
    INVERTER_POWER: new("inverter_power_w", "Inverter power", "W");
    BACKUP_POWER: new("backup_power_w", "Back-up power", "W");
    INVERTER_TEMPERATURE: new("inverter_temperature_c", "Inverter temperature", "°C");
    WORK_MODE: new("work_mode", "Work mode", "");
    ENERGY_TOTAL: counter("energy_total_kwh", "Energy in total", "kWh");
    ENERGY_DAY: new("energy_day_kwh", "Energy today", "kWh");
    BATTERY_CHARGED: counter("battery_charged_kwh", "Battery charged in total", "kWh");
    BATTERY_DISCHARGED: counter("battery_discharged_kwh", "Battery discharged in total", "kWh");
}

/// Known values.
pub type Values = Vec<(&'static Quantity, DeviceValue)>;

/// Adds values if they are known.
struct Adder(Values);

impl Adder {
    fn add(&mut self, quantity: &'static Quantity, number: Option<f64>, digits: u32) {
        self.0.extend(number.map(|number| (quantity, round(number, digits).into())));
    }
}

/// The values in the data of replies, in the order of their queries.
pub fn values(replies: &[(Query, Vec<u8>)]) -> Values {
    let mut adder = Adder(Vec::new());
    for (query, data) in replies {
        match query {
            Query::EsRunning => es(data, &mut adder),
            Query::EtRunning => et_running(&Registers { first: ET_RUNNING.first, data }, &mut adder),
            Query::EtMeter => et_meter(&Registers { first: ET_METER.first, data }, &mut adder),
            Query::EtBattery => et_battery(&Registers { first: ET_BATTERY.first, data }, &mut adder),
        }
    }
    adder.0
}

/// The first family: unsigned currents and powers whose direction is in a byte of its own. Shorter replies lack the later values.
fn es(data: &[u8], to: &mut Adder) {
    let byte = |at: usize| data.get(at).copied();
    let word = |at: usize| data.get(at..)?.first_chunk().copied().map(u16::from_be_bytes);
    let deci = |at: usize| word(at).map(|raw| f64::from(raw) / 10.0);
    let signed = |at: usize| word(at).map(|raw| f64::from(raw.cast_signed()));
    let panels = [0, 5].map(|at| deci(at).zip(deci(at.saturating_add(2))));
    for ((volts, amps), panel) in [(&PV1_VOLTAGE, &PV1_CURRENT), (&PV2_VOLTAGE, &PV2_CURRENT)].into_iter().zip(panels) {
        to.add(volts, panel.map(|(volts, _)| volts), 1);
        to.add(amps, panel.map(|(_, amps)| amps), 1);
    }
    let pv = panels.into_iter().try_fold(0.0, |sum, panel| panel.map(|(volts, amps)| sum + volts * amps));
    to.add(&quantity::PV_POWER, pv, 0);
    // 2 discharges, 3 charges; otherwise only 0 has a sign.
    let battery_sign = match byte(30) {
        Some(3) => Some(1.0),
        Some(2) => Some(-1.0),
        _ => None,
    };
    let amps = deci(18).and_then(|amps| if amps == 0.0 { Some(0.0) } else { battery_sign.map(|sign| sign * amps) });
    to.add(&quantity::BATTERY_VOLTAGE, deci(10), 1);
    to.add(&quantity::BATTERY_CURRENT, amps, 1);
    to.add(&quantity::BATTERY_POWER, deci(10).zip(amps).map(|(volts, amps)| volts * amps), 0);
    to.add(&BATTERY_TEMPERATURE, signed(16).map(|raw| raw / 10.0), 1);
    to.add(&CHARGE_LIMIT, word(20).map(f64::from), 0);
    to.add(&DISCHARGE_LIMIT, word(22).map(f64::from), 0);
    to.add(&quantity::BATTERY_SOC, byte(26).map(f64::from), 0);
    to.add(&BATTERY_SOH, byte(29).map(f64::from), 0);
    // Without a meter the power at the grid connection means nothing; 2 imports.
    let import = if byte(80) == Some(2) { 1.0 } else { -1.0 };
    let grid = byte(33).filter(|meter| *meter == 1).and(byte(80)).and(signed(38)).map(|watts| import * watts.abs());
    to.add(&quantity::GRID_POWER, grid.map(|watts| watts + 0.0), 0);
    to.add(&GRID_VOLTAGE, deci(34), 1);
    to.add(&GRID_CURRENT, deci(36), 1);
    to.add(&GRID_FREQUENCY, word(40).map(|raw| f64::from(raw) / 100.0), 2);
    to.add(&quantity::LOAD_POWER, word(47).map(f64::from), 0);
    to.add(&WORK_MODE, byte(52).map(f64::from), 0);
    to.add(&INVERTER_TEMPERATURE, signed(53).map(|raw| raw / 10.0), 1);
    let total = data.get(59..).and_then(|rest| rest.first_chunk()).copied().map(u32::from_be_bytes);
    to.add(&ENERGY_TOTAL, total.map(|raw| f64::from(raw) / 10.0), 1);
    to.add(&ENERGY_DAY, deci(67), 1);
    to.add(&INVERTER_POWER, signed(75), 0);
    to.add(&BACKUP_POWER, word(81).map(f64::from), 0);
}

fn et_running(from: &Registers<'_>, to: &mut Adder) {
    let deci = |register: u16| from.u16(register).map(|raw| f64::from(raw) / 10.0);
    let deci_signed = |register: u16| from.i16(register).map(|raw| f64::from(raw) / 10.0);
    let signed = |register: u16| from.u32_high_first(register).map(|raw| f64::from(raw.cast_signed()));
    let energy = |register: u16| from.u32_high_first(register).map(|raw| f64::from(raw) / 10.0);
    for (quantity, register) in
        [(&PV1_VOLTAGE, 35_103), (&PV1_CURRENT, 35_104), (&PV2_VOLTAGE, 35_107), (&PV2_CURRENT, 35_108), (&GRID_VOLTAGE, 35_121)]
    {
        to.add(quantity, deci(register), 1);
    }
    // An input that is not fitted tells -1.
    let pv = [35_105, 35_109, 35_113, 35_117]
        .into_iter()
        .try_fold(0.0, |sum, register| signed(register).map(|watts| sum + watts.max(0.0)));
    let (battery, active) = (signed(35_182), from.i16(35_140).map(f64::from));
    to.add(&quantity::PV_POWER, pv, 0);
    to.add(&GRID_FREQUENCY, from.u16(35_123).map(|raw| f64::from(raw) / 100.0), 2);
    to.add(&INVERTER_POWER, active, 0);
    to.add(&BACKUP_POWER, from.i16(35_170).map(f64::from), 0);
    to.add(&INVERTER_TEMPERATURE, deci_signed(35_176), 1);
    to.add(&quantity::BATTERY_VOLTAGE, deci(35_180), 1);
    // Positive discharges there.
    to.add(&quantity::BATTERY_CURRENT, deci_signed(35_181).map(|amps| 0.0 - amps), 1);
    to.add(&quantity::BATTERY_POWER, battery.map(|watts| 0.0 - watts), 0);
    let load = pv.zip(battery).zip(active).map(|((pv, battery), active)| pv + battery - active);
    to.add(&quantity::LOAD_POWER, load, 0);
    to.add(&WORK_MODE, from.u16(35_187).map(f64::from), 0);
    to.add(&ENERGY_TOTAL, energy(35_191), 1);
    to.add(&ENERGY_DAY, energy(35_193), 1);
    to.add(&BATTERY_CHARGED, energy(35_206), 1);
    to.add(&BATTERY_DISCHARGED, energy(35_209), 1);
}

fn et_meter(from: &Registers<'_>, to: &mut Adder) {
    // 1 = the meter answers the inverter.
    let told = from.u16(36_004).filter(|status| *status == 1);
    let exported = told.and(from.u32_high_first(36_025)).map(|raw| f64::from(raw.cast_signed()));
    to.add(&quantity::GRID_POWER, exported.map(|watts| 0.0 - watts), 0);
}

fn et_battery(from: &Registers<'_>, to: &mut Adder) {
    to.add(&BATTERY_TEMPERATURE, from.i16(37_003).map(|raw| f64::from(raw) / 10.0), 1);
    for (quantity, register) in
        [(&CHARGE_LIMIT, 37_004), (&DISCHARGE_LIMIT, 37_005), (&quantity::BATTERY_SOC, 37_007), (&BATTERY_SOH, 37_008)]
    {
        to.add(quantity, from.u16(register).map(f64::from), 0);
    }
}

/// The address in an answer to the search: `192.168.1.30,MAC,name`.
pub fn found(answer: &[u8]) -> Option<std::net::Ipv4Addr> {
    std::str::from_utf8(answer).ok()?.split(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_datagram_panics(datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..4)) {
            for query in [Query::EsRunning, Query::EtRunning, Query::EtMeter, Query::EtBattery] {
                let mut collector = Collector::default();
                for datagram in &datagrams {
                    let _ = collector.take(query, datagram);
                    let _ = query.reply_tcp(1, datagram);
                    let _ = found(datagram);
                    for (_, value) in values(&[(query, datagram.clone())]) {
                        prop_assert!(matches!(value, DeviceValue::Number(number) if number.is_finite()));
                    }
                }
            }
        }
    }
}

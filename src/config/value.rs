//! How each type of setting is read from a raw value, and written back.

use super::raw_value::RawValue;
use super::settings::DbusValue;
use crate::bank::Layout;
use crate::base::secret::Secret;
use crate::base::units::{AmpHours, Amps, Percent, Volts, Watts};
use crate::battery::charge::chemistry::Curve;
use crate::battery::charge::{Caution, LimitsPreset, SensorNames};
use crate::battery::soc::Source;
use crate::bms::DRIVERS;
use crate::generator::QuietHours;
use crate::link::relay::{PLACES, Place};
use crate::model::{Assumption, Chemistry};
use crate::output::can::{AlarmPolicy, CurrentSign, PROFILES, Profile, profile};
use crate::output::rs485::{self, PROTOCOLS, Protocol};
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Longest name of a temperature sensor, characters.
const MAX_SENSOR_NAME: usize = 40;

/// Restrictions on a key's value beyond its type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Allowed {
    /// Any value of its type.
    Any,
    /// Numbers from the first to the second, both included.
    Between(f64, f64),
    /// A curve over inputs of this range and unit, with this shape.
    Curve(f64, f64, &'static str, Shape),
    /// `system`, `session` or a D-Bus address.
    Bus,
    /// Text that never appears in a message.
    Secret,
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any | Self::Secret => Ok(()),
            Self::Between(least, most) => write!(f, "{least} to {most}"),
            Self::Curve(least, most, unit, shape) => {
                write!(f, "pairs: {least} to {most} {unit}, {}", shape.values().1)
            }
            Self::Bus => f.write_str("system, session or an address"),
        }
    }
}

/// Allowed shapes of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Never rising, and 0 at its end: the last point is where charging stops.
    FallingToZero,
    /// Never rising.
    Falling,
    /// Never falling.
    Rising,
    /// Rising and falling.
    Free,
    /// Percentages that never fall and end at 100.
    RisingTo100,
    /// Real current over the reported one: rising, never at less than half or more than twice the rate.
    Correction,
}

impl Shape {
    /// Range and meaning of the second numbers.
    fn values(self) -> (RangeInclusive<f64>, &'static str) {
        match self {
            Self::RisingTo100 => (0.0..=100.0, "SoC in % from 0 to 100"),
            Self::Correction => (-3000.0..=3000.0, "real current in A"),
            _ => (0.0..=1.0, "share of the current from 0 to 1"),
        }
    }
}

/// A field of `Settings` set by a key.
pub(super) trait Setting {
    /// Sets it from a raw value; the error says what is allowed instead.
    fn set(&mut self, raw: &RawValue, allowed: Allowed) -> Result<(), String>;
    /// The value as written in a file; `None` if it is not set.
    fn raw(&self) -> Option<RawValue>;
}

/// A type of value.
trait Value: Sized {
    fn read(raw: &RawValue, allowed: Allowed) -> Result<Self, String>;
    fn write(&self) -> RawValue;
}

impl<T: Value> Setting for T {
    fn set(&mut self, raw: &RawValue, allowed: Allowed) -> Result<(), String> {
        *self = T::read(raw, allowed)?;
        Ok(())
    }
    fn raw(&self) -> Option<RawValue> {
        Some(self.write())
    }
}

impl<T: Value> Setting for Option<T> {
    fn set(&mut self, raw: &RawValue, allowed: Allowed) -> Result<(), String> {
        *self = Some(T::read(raw, allowed)?);
        Ok(())
    }
    fn raw(&self) -> Option<RawValue> {
        self.as_ref().map(Value::write)
    }
}

impl Value for DbusValue {
    fn read(raw: &RawValue, _: Allowed) -> Result<Self, String> {
        let RawValue::Text(text) = raw else { return Err(DBUS_VALUE.to_owned()) };
        let Some((service, path)) = text.split_once('/').map(|(service, path)| (service, format!("/{path}"))) else {
            return Err(DBUS_VALUE.to_owned());
        };
        let word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let name = service.strip_suffix('*').unwrap_or(service);
        let fine = name.contains('.') && name.chars().all(word) && zbus::ObjectPath::try_from(path.as_str()).is_ok() && path != "/";
        if fine { Ok(Self { service: service.to_owned(), path }) } else { Err(DBUS_VALUE.to_owned()) }
    }
    fn write(&self) -> RawValue {
        RawValue::Text(format!("{}{}", self.service, self.path))
    }
}

const DBUS_VALUE: &str = "a service and a path of it, such as \"com.victronenergy.grid.*/Ac/Power\"";

impl Value for bool {
    fn read(raw: &RawValue, _: Allowed) -> Result<Self, String> {
        match raw {
            RawValue::Flag(flag) => Ok(*flag),
            _ => Err("true or false".to_owned()),
        }
    }
    fn write(&self) -> RawValue {
        RawValue::Flag(*self)
    }
}

impl Value for f64 {
    fn read(raw: &RawValue, allowed: Allowed) -> Result<Self, String> {
        let number = raw.number().filter(|number| number.is_finite());
        match (number, allowed) {
            (Some(number), Allowed::Between(least, most)) if (least..=most).contains(&number) => Ok(number),
            (_, Allowed::Between(least, most)) => Err(format!("a number from {least} to {most}")),
            (Some(number), _) => Ok(number),
            (None, _) => Err("a number".to_owned()),
        }
    }
    fn write(&self) -> RawValue {
        RawValue::Number(*self)
    }
}

/// Types that are a number with a unit.
macro_rules! numbers {
    ($($name:ty: $from:expr, $to:expr;)*) => { $(
        impl Value for $name {
            fn read(raw: &RawValue, allowed: Allowed) -> Result<Self, String> { f64::read(raw, allowed).map($from) }
            fn write(&self) -> RawValue { RawValue::Number($to(self)) }
        }
    )* };
}
numbers! {
    Volts: Volts::new, |volts: &Volts| volts.get();
    Amps: Amps::new, |amps: &Amps| amps.get();
    AmpHours: AmpHours::new, |hours: &AmpHours| hours.get();
    Watts: Watts::new, |watts: &Watts| watts.get();
    Percent: Percent::new, |percent: &Percent| percent.get();
    // Every time's range in the table is finite and not negative.
    Duration: |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default(), Duration::as_secs_f64;
}

fn whole<T: TryFrom<i64>>(raw: &RawValue, least: f64, most: f64) -> Result<T, String> {
    let in_range = raw.number().filter(|number| (least..=most).contains(number));
    let number = in_range.and_then(|_| raw.whole());
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| format!("a whole number from {least} to {most}"))
}

/// Types that are a whole number; the last is the largest that the type holds.
macro_rules! whole_numbers {
    ($($name:ty),*) => { $(
        impl Value for $name {
            fn read(raw: &RawValue, allowed: Allowed) -> Result<Self, String> {
                let (least, most) = match allowed {
                    Allowed::Between(least, most) => (least, most),
                    _ => (f64::from(<$name>::MIN), f64::from(<$name>::MAX)),
                };
                whole(raw, least, most)
            }
            fn write(&self) -> RawValue { RawValue::Whole(i64::from(*self)) }
        }
    )* };
}
whole_numbers!(u8, u16, u32);

impl Value for String {
    fn read(raw: &RawValue, allowed: Allowed) -> Result<Self, String> {
        match raw {
            RawValue::Text(text) if allowed == Allowed::Bus => bus(text),
            RawValue::Text(text) if !text.trim().is_empty() && !text.chars().any(char::is_control) => Ok(text.clone()),
            _ => Err("quoted text of at least one letter on one line".to_owned()),
        }
    }
    fn write(&self) -> RawValue {
        RawValue::Text(self.clone())
    }
}

impl Value for Secret {
    fn read(raw: &RawValue, allowed: Allowed) -> Result<Self, String> {
        String::read(raw, allowed).map(Self::new)
    }
    fn write(&self) -> RawValue {
        RawValue::Text(self.reveal().to_owned())
    }
}

/// A bus by name, or by an address such as `unix:path=/run/dbus/system_bus_socket` or `tcp:host=venus,port=78`.
fn bus(text: &str) -> Result<String, String> {
    let address = text.split_once(':').is_some_and(|(transport, rest)| !transport.is_empty() && rest.contains('='));
    if address || text == "system" || text == "session" {
        return Ok(text.to_owned());
    }
    Err("\"system\", \"session\" or a D-Bus address such as \"unix:path=/run/dbus/system_bus_socket\"".to_owned())
}

impl Value for SocketAddr {
    fn read(raw: &RawValue, _: Allowed) -> Result<Self, String> {
        let address = if let RawValue::Text(text) = raw { text.parse().ok() } else { None };
        address.ok_or_else(|| "a quoted address with a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"".to_owned())
    }
    fn write(&self) -> RawValue {
        RawValue::Text(self.to_string())
    }
}

impl Value for PathBuf {
    fn read(raw: &RawValue, allowed: Allowed) -> Result<Self, String> {
        let path = String::read(raw, allowed).map(PathBuf::from).ok().filter(|path| path.is_absolute());
        path.ok_or_else(|| "a quoted path that begins with /".to_owned())
    }
    fn write(&self) -> RawValue {
        RawValue::Text(self.to_string_lossy().into_owned())
    }
}

impl Value for QuietHours {
    fn read(raw: &RawValue, _: Allowed) -> Result<Self, String> {
        let hours = if let RawValue::Text(text) = raw { text.parse().ok() } else { None };
        hours.ok_or_else(|| "two times of the day, such as \"22:00-07:00\"".to_owned())
    }
    fn write(&self) -> RawValue {
        RawValue::Text(self.to_string())
    }
}

impl Value for Place {
    fn read(raw: &RawValue, _: Allowed) -> Result<Self, String> {
        let place = if let RawValue::Text(text) = raw { text.parse().ok() } else { None };
        place.ok_or_else(|| PLACES.to_owned())
    }
    fn write(&self) -> RawValue {
        RawValue::Text(self.to_string())
    }
}

/// Types with a few named values. A word after `|` is accepted as well: the name in an earlier version, or another usual one.
macro_rules! words {
    ($($name:ident { $($word:literal $(| $other:literal)* => $variant:ident),* })*) => { $(
        impl Value for $name {
            fn read(raw: &RawValue, _: Allowed) -> Result<Self, String> {
                match raw {
                    $(RawValue::Text(text) if text == $word $(|| text == $other)* => Ok($name::$variant),)*
                    _ => Err(format!("one of {}", [$(concat!("\"", $word, "\"")),*].join(", "))),
                }
            }
            fn write(&self) -> RawValue {
                RawValue::Text(match self { $($name::$variant => $word),* }.to_owned())
            }
        }
    )* };
}
words! {
    Chemistry { "lfp" => Lfp, "nmc" => Nmc, "lto" => Lto, "sodium" | "sodium-ion" | "na-ion" => Sodium }
    Caution { "gentle" => Gentle, "strict" => Strict }
    Source { "bms" => Bms, "counted" => Counted }
    Layout { "parallel" => Parallel, "series" => Series }
    AlarmPolicy { "alarms" => Alarms, "warnings" => Warnings }
    CurrentSign { "charge" => Charge, "discharge-positive" | "seed" => DischargePositive }
    LimitsPreset { "curves" => Curves, "serialbattery-soc-steps" | "seed-soc-steps" => SerialbatterySocSteps, "cell-steps" => CellSteps }
}

/// Name of an inverter profile.
impl Value for &'static Profile {
    fn read(raw: &RawValue, _: Allowed) -> Result<Self, String> {
        let found = if let RawValue::Text(name) = raw { profile(name) } else { None };
        found.ok_or_else(|| format!("one of {}", PROFILES.map(|profile| format!("\"{}\"", profile.name)).join(", ")))
    }
    fn write(&self) -> RawValue {
        RawValue::Text(self.name.to_owned())
    }
}

/// Name of a protocol of an inverter on RS485.
impl Value for &'static Protocol {
    fn read(raw: &RawValue, _: Allowed) -> Result<Self, String> {
        let found = if let RawValue::Text(name) = raw { rs485::protocol(name) } else { None };
        found.ok_or_else(|| format!("one of {}", PROTOCOLS.map(|protocol| format!("\"{}\"", protocol.name)).join(", ")))
    }
    fn write(&self) -> RawValue {
        RawValue::Text(self.name.to_owned())
    }
}

/// Names of BMS families.
impl Value for Vec<&'static str> {
    fn read(raw: &RawValue, _: Allowed) -> Result<Self, String> {
        let known =
            |item: &RawValue| DRIVERS.iter().map(|driver| driver.name).find(|name| *item == RawValue::Text((*name).to_owned()));
        list(raw, known).ok_or_else(|| {
            let names: Vec<_> = DRIVERS.iter().map(|driver| format!("\"{}\"", driver.name)).collect();
            format!("a list [\"…\"] of different names from {}", names.join(", "))
        })
    }
    fn write(&self) -> RawValue {
        RawValue::texts(self.iter().copied())
    }
}

/// Names of answers; two to the same question contradict each other.
impl Value for Vec<Assumption> {
    fn read(raw: &RawValue, _: Allowed) -> Result<Self, String> {
        let known = |item: &RawValue| Assumption::all().find(|known| *item == RawValue::Text(known.name().to_owned()));
        let answers = list(raw, known).ok_or_else(|| {
            let names: Vec<_> = Assumption::all().map(|known| format!("\"{}\"", known.name())).collect();
            format!("a list [\"…\"] of different names from {}", names.join(", "))
        })?;
        let twice = answers.iter().find(|answer| answers.contains(&answer.opposite()));
        match twice {
            Some(answer) => Err(format!("a list without both of \"{}\" and \"{}\"", answer.name(), answer.opposite().name())),
            None => Ok(answers),
        }
    }
    fn write(&self) -> RawValue {
        RawValue::texts(self.iter().map(|answer| answer.name()))
    }
}

/// Corrections, one per sensor.
impl Value for Vec<f64> {
    fn read(raw: &RawValue, allowed: Allowed) -> Result<Self, String> {
        let wrong = |wrong: String| format!("a list such as [0, -1.5] with, for each sensor, {wrong}");
        let RawValue::List(items) = raw else { return Err(wrong(f64::read(raw, allowed).err().unwrap_or_default())) };
        items.iter().map(|item| f64::read(item, allowed)).collect::<Result<_, _>>().map_err(wrong)
    }
    fn write(&self) -> RawValue {
        RawValue::List(self.iter().map(Value::write).collect())
    }
}

/// Names by place: the same one twice and none (`""`) are allowed.
impl Value for SensorNames {
    fn read(raw: &RawValue, _: Allowed) -> Result<Self, String> {
        let name = |item: &RawValue| match item {
            RawValue::Text(text) if text.chars().count() <= MAX_SENSOR_NAME && !text.chars().any(char::is_control) => {
                Some(text.trim().to_owned())
            }
            _ => None,
        };
        let names = if let RawValue::List(items) = raw { items.iter().map(name).collect() } else { None };
        names
            .map(Self)
            .ok_or_else(|| format!("a list of quoted names of up to {MAX_SENSOR_NAME} characters, such as [\"Cells\", \"Fuse\"]"))
    }
    fn write(&self) -> RawValue {
        RawValue::texts(self.0.iter().map(String::as_str))
    }
}

/// Ports, or names of services.
impl Value for Vec<String> {
    fn read(raw: &RawValue, _: Allowed) -> Result<Self, String> {
        let text = |item: &RawValue| match item {
            RawValue::Text(text) if !text.trim().is_empty() => Some(text.clone()),
            _ => None,
        };
        list(raw, text).ok_or_else(|| "a list of different quoted texts, such as [\"/dev/ttyUSB0\", \"/dev/ttyUSB1\"]".to_owned())
    }
    fn write(&self) -> RawValue {
        RawValue::texts(self.iter().map(String::as_str))
    }
}

/// Bus addresses, SoC levels.
impl Value for Vec<u8> {
    fn read(raw: &RawValue, allowed: Allowed) -> Result<Self, String> {
        let (least, most) = if let Allowed::Between(least, most) = allowed { (least, most) } else { (0.0, 255.0) };
        let allowed = || format!("a list such as [1, 2] of different whole numbers from {least} to {most}");
        let RawValue::List(items) = raw else { return Err(allowed()) };
        let mut values = Vec::new();
        for item in items {
            match whole(item, least, most) {
                Ok(value) if values.contains(&value) => return Err(format!("{}, but {item} appears twice", allowed())),
                Ok(value) => values.push(value),
                Err(_) => return Err(format!("{}, but {item} is not", allowed())),
            }
        }
        Ok(values)
    }
    fn write(&self) -> RawValue {
        RawValue::List(self.iter().map(Value::write).collect())
    }
}

/// A list without repetition; `None` when an item is wrong.
fn list<T: PartialEq>(raw: &RawValue, read: impl Fn(&RawValue) -> Option<T>) -> Option<Vec<T>> {
    let RawValue::List(items) = raw else { return None };
    let mut values = Vec::new();
    for item in items {
        let value = read(item)?;
        if values.contains(&value) {
            return None;
        }
        values.push(value);
    }
    Some(values)
}

impl Value for Curve {
    fn read(raw: &RawValue, allowed: Allowed) -> Result<Self, String> {
        let Allowed::Curve(least, most, unit, shape) = allowed else { return Err("a curve".to_owned()) };
        let RawValue::List(items) = raw else { return Err("a list of pairs such as [[3.4, 1.0], [3.6, 0.0]]".to_owned()) };
        let (values, what) = shape.values();
        let points = items.iter().map(|item| point(item, &values)).collect::<Option<Curve>>();
        let Some(points) = points.filter(|points| points.len() >= 2) else {
            return Err(format!("two or more pairs [{unit}, {what}]"));
        };
        if !points.iter().all(|(x, _)| (least..=most).contains(x)) {
            return Err(format!("a curve whose first numbers lie from {least} to {most} {unit}"));
        }
        shaped(points, shape)
    }
    fn write(&self) -> RawValue {
        RawValue::List(self.iter().map(|(x, y)| RawValue::List(vec![RawValue::Number(*x), RawValue::Number(*y)])).collect())
    }
}

fn point(raw: &RawValue, values: &RangeInclusive<f64>) -> Option<(f64, f64)> {
    match raw {
        RawValue::List(pair) => match pair.as_slice() {
            [x, y] => Some((x.number()?, y.number().filter(|y| values.contains(y))?)),
            _ => None,
        },
        _ => None,
    }
}

fn shaped(points: Curve, shape: Shape) -> Result<Curve, String> {
    let steps = || points.iter().zip(points.iter().skip(1));
    if !steps().all(|((x, _), (next, _))| x < next) {
        return Err("a curve whose first numbers rise from pair to pair".to_owned());
    }
    let falls = steps().all(|((_, y), (_, next))| y >= next);
    let rises = steps().all(|((_, y), (_, next))| y <= next);
    match shape {
        Shape::FallingToZero if !falls || points.last().is_none_or(|(_, share)| *share > 0.0) => {
            Err("a curve whose shares never rise and end at 0 (where charging stops)".to_owned())
        }
        Shape::Falling if !falls => Err("a curve whose shares never rise".to_owned()),
        Shape::Rising if !rises => Err("a curve whose shares never fall".to_owned()),
        Shape::RisingTo100 if !rises || points.last().is_none_or(|(_, percent)| *percent < 100.0) => {
            Err("a curve whose SoC never falls and ends at 100".to_owned())
        }
        Shape::Correction if !steps().all(|((x, y), (next_x, next_y))| (0.5..=2.0).contains(&((next_y - y) / (next_x - x)))) => {
            Err("a curve whose real current rises with the reported one, at half to twice its rate".to_owned())
        }
        _ => Ok(points),
    }
}

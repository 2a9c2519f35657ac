//! How each type of setting is read from what was written, and written back.

use super::secret::Secret;
use super::settings::DbusPower;
use super::written::Written;
use crate::bank::Layout;
use crate::bms::DRIVERS;
use crate::charge::chemistry::Curve;
use crate::charge::{Caution, Preset};
use crate::model::Chemistry;
use crate::sink::can::{AlarmPolicy, CurrentSign, PROFILES, Profile, profile};
use crate::soc::Source;
use crate::units::{AmpHours, Amps, Percent, Volts, Watts};
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// What a key allows beyond its type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Allowed {
    /// Every value of its type.
    Any,
    /// Numbers from the first to the second, both included.
    Between(f64, f64),
    /// A curve over inputs of this range and unit, with this shape.
    Curve(f64, f64, &'static str, Shape),
    /// `system`, `session` or a D-Bus address.
    Bus,
    /// Text that no message repeats.
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

/// Which way a curve may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Never rising, and 0 at its end: the last point is where charging stops.
    FallingToZero,
    /// Never rising.
    Falling,
    /// Never falling.
    Rising,
    /// Up and down.
    Free,
    /// Per cent that never fall and end at 100.
    RisingTo100,
    /// Real current over the reported one: rising, never at less than half or more than twice the rate.
    Correction,
}

impl Shape {
    /// What the second numbers may be, and what they are.
    fn values(self) -> (RangeInclusive<f64>, &'static str) {
        match self {
            Self::RisingTo100 => (0.0..=100.0, "SoC in % from 0 to 100"),
            Self::Correction => (-3000.0..=3000.0, "real current in A"),
            _ => (0.0..=1.0, "share of the current from 0 to 1"),
        }
    }
}

/// A place in `Settings` that a key fills.
pub(super) trait Setting {
    /// Takes over what was written; the error says what is allowed instead.
    fn take(&mut self, written: &Written, allowed: Allowed) -> Result<(), String>;
    /// The value as it would be written; `None` when it is not set.
    fn written(&self) -> Option<Written>;
}

/// A type of value.
trait Value: Sized {
    fn read(written: &Written, allowed: Allowed) -> Result<Self, String>;
    fn write(&self) -> Written;
}

impl<T: Value> Setting for T {
    fn take(&mut self, written: &Written, allowed: Allowed) -> Result<(), String> {
        *self = T::read(written, allowed)?;
        Ok(())
    }
    fn written(&self) -> Option<Written> {
        Some(self.write())
    }
}

impl<T: Value> Setting for Option<T> {
    fn take(&mut self, written: &Written, allowed: Allowed) -> Result<(), String> {
        *self = Some(T::read(written, allowed)?);
        Ok(())
    }
    fn written(&self) -> Option<Written> {
        self.as_ref().map(Value::write)
    }
}

impl Value for DbusPower {
    fn read(written: &Written, _: Allowed) -> Result<Self, String> {
        let Written::Text(text) = written else { return Err(DBUS_POWER.to_owned()) };
        let Some((service, path)) = text.split_once('/').map(|(service, path)| (service, format!("/{path}"))) else {
            return Err(DBUS_POWER.to_owned());
        };
        let word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let name = service.strip_suffix('*').unwrap_or(service);
        let fine = name.contains('.') && name.chars().all(word) && zbus::ObjectPath::try_from(path.as_str()).is_ok() && path != "/";
        if fine { Ok(Self { service: service.to_owned(), path }) } else { Err(DBUS_POWER.to_owned()) }
    }
    fn write(&self) -> Written {
        Written::Text(format!("{}{}", self.service, self.path))
    }
}

const DBUS_POWER: &str = "a service and a path of it, such as \"com.victronenergy.grid.*/Ac/Power\"";

impl Value for bool {
    fn read(written: &Written, _: Allowed) -> Result<Self, String> {
        match written {
            Written::Flag(flag) => Ok(*flag),
            _ => Err("true or false".to_owned()),
        }
    }
    fn write(&self) -> Written {
        Written::Flag(*self)
    }
}

impl Value for f64 {
    fn read(written: &Written, allowed: Allowed) -> Result<Self, String> {
        let number = written.number().filter(|number| number.is_finite());
        match (number, allowed) {
            (Some(number), Allowed::Between(least, most)) if (least..=most).contains(&number) => Ok(number),
            (_, Allowed::Between(least, most)) => Err(format!("a number from {least} to {most}")),
            (Some(number), _) => Ok(number),
            (None, _) => Err("a number".to_owned()),
        }
    }
    fn write(&self) -> Written {
        Written::Number(*self)
    }
}

/// Types that are a number with a unit.
macro_rules! numbers {
    ($($name:ty: $from:expr, $to:expr;)*) => { $(
        impl Value for $name {
            fn read(written: &Written, allowed: Allowed) -> Result<Self, String> { f64::read(written, allowed).map($from) }
            fn write(&self) -> Written { Written::Number($to(self)) }
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

fn whole<T: TryFrom<i64>>(written: &Written, least: f64, most: f64) -> Result<T, String> {
    let in_range = written.number().filter(|number| (least..=most).contains(number));
    let number = in_range.and_then(|_| written.whole());
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| format!("a whole number from {least} to {most}"))
}

/// Types that are a whole number; the last is the largest that the type holds.
macro_rules! whole_numbers {
    ($($name:ty),*) => { $(
        impl Value for $name {
            fn read(written: &Written, allowed: Allowed) -> Result<Self, String> {
                let (least, most) = match allowed {
                    Allowed::Between(least, most) => (least, most),
                    _ => (f64::from(<$name>::MIN), f64::from(<$name>::MAX)),
                };
                whole(written, least, most)
            }
            fn write(&self) -> Written { Written::Whole(i64::from(*self)) }
        }
    )* };
}
whole_numbers!(u8, u16, u32);

impl Value for String {
    fn read(written: &Written, allowed: Allowed) -> Result<Self, String> {
        match written {
            Written::Text(text) if allowed == Allowed::Bus => bus(text),
            Written::Text(text) if !text.trim().is_empty() && !text.chars().any(char::is_control) => Ok(text.clone()),
            _ => Err("quoted text of at least one letter on one line".to_owned()),
        }
    }
    fn write(&self) -> Written {
        Written::Text(self.clone())
    }
}

impl Value for Secret {
    fn read(written: &Written, allowed: Allowed) -> Result<Self, String> {
        String::read(written, allowed).map(Self::new)
    }
    fn write(&self) -> Written {
        Written::Text(self.reveal().to_owned())
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
    fn read(written: &Written, _: Allowed) -> Result<Self, String> {
        let address = if let Written::Text(text) = written { text.parse().ok() } else { None };
        address.ok_or_else(|| "a quoted address with a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"".to_owned())
    }
    fn write(&self) -> Written {
        Written::Text(self.to_string())
    }
}

impl Value for PathBuf {
    fn read(written: &Written, allowed: Allowed) -> Result<Self, String> {
        let path = String::read(written, allowed).map(PathBuf::from).ok().filter(|path| path.is_absolute());
        path.ok_or_else(|| "a quoted path that begins with /".to_owned())
    }
    fn write(&self) -> Written {
        Written::Text(self.to_string_lossy().into_owned())
    }
}

/// Types that are one of a few words.
macro_rules! words {
    ($($name:ident { $($word:literal => $variant:ident),* })*) => { $(
        impl Value for $name {
            fn read(written: &Written, _: Allowed) -> Result<Self, String> {
                match written {
                    $(Written::Text(text) if text == $word => Ok($name::$variant),)*
                    _ => Err(format!("one of {}", [$(concat!("\"", $word, "\"")),*].join(", "))),
                }
            }
            fn write(&self) -> Written {
                Written::Text(match self { $($name::$variant => $word),* }.to_owned())
            }
        }
    )* };
}
words! {
    Chemistry { "lfp" => Lfp, "nmc" => Nmc, "lto" => Lto }
    Caution { "gentle" => Gentle, "strict" => Strict }
    Source { "bms" => Bms, "counted" => Counted }
    Layout { "parallel" => Parallel, "series" => Series }
    AlarmPolicy { "alarms" => Alarms, "warnings" => Warnings }
    CurrentSign { "charge" => Charge, "seed" => Seed }
    Preset { "curves" => Curves, "seed-soc-steps" => SeedSocSteps, "cell-steps" => CellSteps }
}

/// The name of a profile for inverters.
impl Value for &'static Profile {
    fn read(written: &Written, _: Allowed) -> Result<Self, String> {
        let found = if let Written::Text(name) = written { profile(name) } else { None };
        found.ok_or_else(|| format!("one of {}", PROFILES.map(|profile| format!("\"{}\"", profile.name)).join(", ")))
    }
    fn write(&self) -> Written {
        Written::Text(self.name.to_owned())
    }
}

/// Names of BMS families.
impl Value for Vec<&'static str> {
    fn read(written: &Written, _: Allowed) -> Result<Self, String> {
        let known =
            |item: &Written| DRIVERS.iter().map(|driver| driver.name).find(|name| *item == Written::Text((*name).to_owned()));
        list(written, known).ok_or_else(|| {
            let names: Vec<_> = DRIVERS.iter().map(|driver| format!("\"{}\"", driver.name)).collect();
            format!("a list [\"…\"] of different names out of {}", names.join(", "))
        })
    }
    fn write(&self) -> Written {
        Written::texts(self.iter().copied())
    }
}

/// Ports, or names of services.
impl Value for Vec<String> {
    fn read(written: &Written, _: Allowed) -> Result<Self, String> {
        let text = |item: &Written| match item {
            Written::Text(text) if !text.trim().is_empty() => Some(text.clone()),
            _ => None,
        };
        list(written, text).ok_or_else(|| "a list of different texts, such as [\"/dev/ttyUSB0\", \"/dev/ttyUSB1\"]".to_owned())
    }
    fn write(&self) -> Written {
        Written::texts(self.iter().map(String::as_str))
    }
}

/// Bus addresses, SoC levels.
impl Value for Vec<u8> {
    fn read(written: &Written, allowed: Allowed) -> Result<Self, String> {
        let (least, most) = if let Allowed::Between(least, most) = allowed { (least, most) } else { (0.0, 255.0) };
        let allowed = || format!("a list such as [1, 2] of different whole numbers from {least} to {most}");
        let Written::List(items) = written else { return Err(allowed()) };
        let mut values = Vec::new();
        for item in items {
            match whole(item, least, most) {
                Ok(value) if values.contains(&value) => return Err(format!("{}, and {item} stands in it twice", allowed())),
                Ok(value) => values.push(value),
                Err(_) => return Err(format!("{}, and {item} is none", allowed())),
            }
        }
        Ok(values)
    }
    fn write(&self) -> Written {
        Written::List(self.iter().map(Value::write).collect())
    }
}

/// A list without repetition; `None` when an item is wrong.
fn list<T: PartialEq>(written: &Written, read: impl Fn(&Written) -> Option<T>) -> Option<Vec<T>> {
    let Written::List(items) = written else { return None };
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
    fn read(written: &Written, allowed: Allowed) -> Result<Self, String> {
        let Allowed::Curve(least, most, unit, shape) = allowed else { return Err("a curve".to_owned()) };
        let Written::List(items) = written else { return Err("a list of pairs such as [[3.4, 1.0], [3.6, 0.0]]".to_owned()) };
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
    fn write(&self) -> Written {
        Written::List(self.iter().map(|(x, y)| Written::List(vec![Written::Number(*x), Written::Number(*y)])).collect())
    }
}

fn point(written: &Written, values: &RangeInclusive<f64>) -> Option<(f64, f64)> {
    match written {
        Written::List(pair) => match pair.as_slice() {
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

//! `override`: temporary limits, and a full charge now.

use super::Failure;
use super::control::{Battery, carry_out};
use super::options::ConfigFile;
use crate::base::calendar::parse_utc;
use crate::base::runtime;
use crate::base::units::Amps;
use crate::control::{ControlRequest, Override};
use clap::{Args, Subcommand};
use std::io::Write;
use std::time::Duration;

/// Set temporary limits, or request a full charge
#[derive(Debug, Clone, Subcommand)]
pub enum OverrideCommand {
    /// Charge to 100 % now, as if float had ended; all limits stay in force
    #[command(name = "charge-to-100")]
    ChargeTo100(Target),
    /// Charge to the voltage of a balancing charge now, as if one were due (`phases.balance_every_days`); all limits stay in force
    Balance(Target),
    /// Limit the charge current to AMPS for a while
    Ccl(LimitArgs),
    /// Limit the discharge current to AMPS for a while
    Dcl(LimitArgs),
    /// End all overrides of a battery
    Clear(Target),
}

/// A battery.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// Serial port, the D-Bus service of the battery (com.victronenergy.battery.…), or its name
    #[arg(value_name = "PORT|SERVICE")]
    pub battery: String,
    /// How to reach it.
    #[command(flatten)]
    pub reach: Battery,
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// A limit, its duration and a battery.
#[derive(Debug, Clone, Args)]
pub struct LimitArgs {
    /// Current in A, such as 20A; 0 stops it
    #[arg(value_name = "AMPS", value_parser = amps)]
    pub amps: f64,
    /// Which battery.
    #[command(flatten)]
    pub target: Target,
    /// For how long: 90s, 30m, 12h, 2d
    #[arg(long = "for", value_name = "TIME", value_parser = time, required_unless_present = "until", conflicts_with = "until")]
    pub time: Option<Duration>,
    /// Until when, in UTC: 2026-11-27 or 2026-11-27T08:00
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub until: Option<u64>,
}

impl OverrideCommand {
    /// Sends the request and prints the outcome.
    ///
    /// # Errors
    /// [`Failure`] if it was not carried out.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let (target, wanted) = match self {
            Self::ChargeTo100(target) => (target, Override::ChargeTo100),
            Self::Balance(target) => (target, Override::Balance),
            Self::Clear(target) => (target, Override::Clear),
            Self::Ccl(limit) => (&limit.target, Override::Ccl(Amps::new(limit.amps), limit.lasts()?)),
            Self::Dcl(limit) => (&limit.target, Override::Dcl(Amps::new(limit.amps), limit.lasts()?)),
        };
        let config = target.file.load()?;
        carry_out(out, &config, &target.battery, &target.reach, ControlRequest::Override(wanted))
    }
}

impl LimitArgs {
    fn lasts(&self) -> Result<Duration, Failure> {
        let wrong = |text: &str| Failure::Request(text.to_owned());
        let time = match (self.time, self.until, runtime::now().unix) {
            (Some(time), ..) => time,
            (None, Some(until), Some(now)) => Duration::from_secs(until.saturating_sub(now)),
            _ => return Err(wrong("this device's clock is not set yet: use --for instead of --until")),
        };
        let seconds = time.as_secs();
        if seconds == 0 {
            return Err(wrong("this time has already passed"));
        }
        if seconds > Override::MAX_SECONDS {
            return Err(wrong("at most 31 days; set a permanent limit in the configuration"));
        }
        Ok(time)
    }
}

fn amps(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches(['A', 'a']).trim().parse::<f64>().ok();
    number.filter(|amps| (0.0..=5000.0).contains(amps)).ok_or_else(|| "a current such as 20A".to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "a time such as 90s, 30m, 12h or 2d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number = text.trim_end_matches(unit).parse::<u64>().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

fn date(text: &str) -> Result<u64, String> {
    parse_utc(text).ok_or_else(|| "a date such as 2026-11-27, or 2026-11-27T08:00 (UTC)".to_owned())
}

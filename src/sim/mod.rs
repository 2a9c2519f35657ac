//! Simulated batteries: a physical pack model behind the real protocol, for `simulate`, `demo` and the tests.
//!
//! ```text
//! scenario ──▶ pack (cells, BMS) ──shown──▶ responder (protocol) ──▶ faults ──▶ line (latency, byte times) ──▶ pty
//! ```
//! Everything but [`simulate`] is pure; a new protocol is one file with a [`Responder`] and one line in [`BOARDS`].

pub mod ant;
pub mod battery;
pub mod daly;
pub mod daly_modbus;
mod encode;
pub mod fault;
pub mod jbd;
pub mod jk;
pub mod jk_chain;
pub mod jk_pb;
pub mod line;
pub mod plant;
pub mod port;
pub mod random;
mod requests;
pub mod scenario;
pub mod topbms;

use crate::bms::Line;
use crate::link::pty::{Pty, PtyError};
use crate::runtime::SystemClock;
use battery::{Pack, PackConfig, TICK};
use fault::Faults;
use line::ServeOptions;
use scenario::{Scenario, ScenarioError};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use thiserror::Error;

/// The protocol side of a simulated BMS: requests in, replies out.
pub trait Responder: Send {
    /// The line settings that the BMS listens on.
    fn line(&self) -> Line;
    /// Requests carry an address, so that several batteries can share a line.
    fn addressed(&self) -> bool;
    /// Takes bytes as they come (pieces of requests, several at once, garbage) and gives the replies that are due, in order.
    /// What it does not understand is ignored, as a board does.
    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply>;
    /// The line was quiet for a while: a request that was begun is forgotten.
    fn quiet(&mut self);
    /// How many requests so far would change the BMS.
    fn writes(&self) -> usize;
    /// What is said unasked at this time since the start; to be called at [`Responder::next_word`], and whenever time is to be
    /// known.
    fn unasked(&mut self, now: Duration, units: &mut [Unit]) -> Vec<Reply> {
        let _ = (now, units);
        Vec::new()
    }
    /// When, since the start, something is said unasked the next time.
    fn next_word(&self) -> Option<Duration> {
        None
    }
}

/// Bytes that a BMS sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// How much later than the BMS's usual latency, or than the reply before, they start.
    pub after: Duration,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A simulated board.
#[derive(Debug)]
pub struct Board {
    /// Its name for `simulate`: the protocol's, with a suffix for variants.
    pub name: &'static str,
    /// The driver that reads it, as in [`crate::bms::DRIVERS`].
    pub driver: &'static str,
    /// The addresses of its batteries if no others are asked for.
    pub addresses: &'static [u8],
    /// A fresh one.
    pub new: fn() -> Box<dyn Responder>,
}

/// All simulated boards.
pub const BOARDS: &[Board] = &[
    Board { name: "jbd", driver: "jbd", addresses: &[1], new: || Box::new(jbd::Jbd::new(false)) },
    Board { name: "jbd-2022", driver: "jbd", addresses: &[1], new: || Box::new(jbd::Jbd::new(true)) },
    Board { name: "jk", driver: "jk", addresses: &[1], new: || Box::new(jk::Jk::new(false)) },
    Board { name: "jk-2020", driver: "jk", addresses: &[1], new: || Box::new(jk::Jk::new(true)) },
    Board { name: "jk-pb", driver: "jk-pb", addresses: &[1], new: || Box::new(jk_pb::JkPb::new(false)) },
    Board { name: "jk-pb-15.41", driver: "jk-pb", addresses: &[1], new: || Box::new(jk_pb::JkPb::new(true)) },
    Board { name: "jk-pb-chain", driver: "jk-pb", addresses: &[0, 1, 2, 3], new: || Box::new(jk_chain::JkChain::default()) },
    Board { name: "daly", driver: "daly", addresses: &[1], new: || Box::new(daly::Daly::default()) },
    Board { name: "daly-newer", driver: "daly", addresses: &[1], new: || Box::new(daly::Daly::new(daly::NEWER)) },
    Board { name: "daly-modbus", driver: "daly-modbus", addresses: &[1], new: || Box::new(daly_modbus::DalyModbus::default()) },
    Board { name: "topbms", driver: "topbms", addresses: &[1], new: || Box::new(topbms::TopBms::default()) },
    Board { name: "ant", driver: "ant", addresses: &[1], new: || Box::new(ant::Ant::default()) },
];

/// A fresh responder of the board called `name`.
pub fn responder(name: &str) -> Option<Box<dyn Responder>> {
    BOARDS.iter().find(|board| board.name == name).map(|board| (board.new)())
}

/// One battery on a line.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its address; without meaning where the protocol has none.
    pub address: u8,
    /// The battery.
    pub pack: Pack,
    scenario: Scenario,
    /// Simulated time so far, whole ticks.
    elapsed: Duration,
    /// Time that is not yet a whole tick.
    rest: Duration,
}

impl Unit {
    /// A battery to which `scenario` happens.
    pub fn new(address: u8, config: &PackConfig, scenario: Scenario) -> Self {
        let mut pack = Pack::new(config);
        scenario.apply(None, Duration::ZERO, address, &mut pack);
        pack.tick();
        Self { address, pack, scenario, elapsed: Duration::ZERO, rest: Duration::ZERO }
    }

    /// Lets time pass. However it is cut into pieces, the same things happen at the same time; of a gap longer than an hour
    /// (a suspended computer) only an hour counts.
    pub fn advance(&mut self, time: Duration) {
        self.rest = self.rest.saturating_add(time.min(Duration::from_secs(3600)));
        while let Some(rest) = self.rest.checked_sub(TICK) {
            self.rest = rest;
            let now = self.elapsed.saturating_add(TICK);
            self.scenario.apply(Some(self.elapsed), now, self.address, &mut self.pack);
            self.elapsed = now;
            self.pack.tick();
        }
    }
}

/// What `simulate` is asked for.
#[derive(Debug, Clone, Default)]
pub struct SimulateOptions {
    /// A name from [`BOARDS`].
    pub bms: String,
    /// Where the symbolic link to the pty goes.
    pub link: PathBuf,
    /// One battery at each of these addresses; empty: one battery.
    pub addresses: Vec<u8>,
    /// Bytes take their time on the wire, and another baud rate is not understood.
    pub pace: bool,
    /// Cells in series; 16 when not given.
    pub cells: Option<usize>,
    /// What happens to the batteries.
    pub scenario: Option<PathBuf>,
    /// What goes wrong on the line.
    pub faults: Faults,
    /// Chooses imbalance, noise and faults.
    pub seed: u64,
}

/// Why there is no simulation.
#[derive(Debug, Error)]
pub enum SimError {
    /// No board of that name.
    #[error("no simulated BMS is called {name:?}; there are {known}")]
    UnknownBms {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// More cells than any of the boards has.
    #[error("--cells {cells}: give 1 to 32 cells")]
    Cells {
        /// What was asked for.
        cells: usize,
    },
    /// Addresses where the protocol has none.
    #[error("{name} has no addresses: one battery per line; leave --addresses out")]
    Addresses {
        /// The board.
        name: String,
    },
    /// The scenario file cannot be read.
    #[error("{path}: {error}; give a TOML file with [[step]] tables")]
    ReadScenario {
        /// The file.
        path: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// The scenario file is wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// No pty, or no link to it.
    #[error(transparent)]
    Pty(#[from] PtyError),
    /// The line broke.
    #[error("the simulated line broke: {0}; start the simulation again")]
    Line(#[from] io::Error),
}

/// Simulates a BMS on a pty until `stop`; says on stderr where it listens.
///
/// # Errors
/// [`SimError`] says what to change.
pub fn simulate(options: &SimulateOptions, stop: &AtomicBool) -> Result<(), SimError> {
    let mut responder = responder(&options.bms).ok_or_else(|| SimError::UnknownBms {
        name: options.bms.clone(),
        known: BOARDS.iter().map(|board| board.name).collect::<Vec<_>>().join(", "),
    })?;
    if !options.addresses.is_empty() && !responder.addressed() {
        return Err(SimError::Addresses { name: options.bms.clone() });
    }
    let mut units = units(options)?;
    let mut pty = Pty::open(&options.link)?;
    let baud = responder.line().baud;
    // Nobody need listen to where it listens.
    let _ = writeln!(
        io::stderr(),
        "a simulated {} with {} cells listens on {} ({baud} baud)",
        options.bms,
        cells(options),
        options.link.display()
    );
    let serve = ServeOptions { pace: options.pace, faults: options.faults.clone(), seed: options.seed, ..ServeOptions::default() };
    Ok(line::serve(&mut pty, &SystemClock, responder.as_mut(), &mut units, &serve, stop)?)
}

fn cells(options: &SimulateOptions) -> usize {
    options.cells.unwrap_or(PackConfig::default().cells)
}

/// The batteries that `options` describes, each with its own imbalance and state of charge.
fn units(options: &SimulateOptions) -> Result<Vec<Unit>, SimError> {
    let cells = cells(options);
    if !(1..=32).contains(&cells) {
        return Err(SimError::Cells { cells });
    }
    let scenario = match &options.scenario {
        None => Scenario::default(),
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| SimError::ReadScenario { path: name.clone(), error })?;
            Scenario::parse(&name, &text, cells)?
        }
    };
    let usual = BOARDS.iter().find(|board| board.name == options.bms).map_or(&[1][..], |board| board.addresses);
    let addresses = if options.addresses.is_empty() { usual } else { options.addresses.as_slice() };
    let numbered = addresses.iter().zip(0u8..);
    let unit = |(address, number): (&u8, u8)| {
        let standard = PackConfig::default();
        let soc_pct = standard.soc_pct - f64::from(number % 16);
        let config = PackConfig { cells, soc_pct, seed: options.seed.wrapping_add(u64::from(*address)), ..standard };
        let mut unit = Unit::new(*address, &config, scenario.clone());
        unit.pack.obedience = options.faults.obedience;
        unit
    };
    Ok(numbered.map(unit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn time_may_be_cut_anywhere(cuts in prop::collection::vec(0u64..900, 1..40)) {
            let mut pieces = Unit::new(1, &PackConfig::default(), Scenario::default());
            let mut whole = pieces.clone();
            cuts.iter().for_each(|ms| pieces.advance(Duration::from_millis(*ms)));
            whole.advance(Duration::from_millis(cuts.iter().sum()));
            prop_assert_eq!(pieces.pack.shown(), whole.pack.shown());
        }
    }

    #[test]
    fn mistakes_say_what_there_is() {
        let stop = AtomicBool::new(true);
        let error = |options| simulate(&options, &stop).unwrap_err().to_string();
        let jbd = || SimulateOptions { bms: "jbd".into(), link: "/nonexistent/bms".into(), ..SimulateOptions::default() };
        assert!(error(SimulateOptions { bms: "jdb".into(), ..jbd() }).contains("there are jbd"));
        assert!(error(SimulateOptions { cells: Some(0), ..jbd() }).contains("1 to 32 cells"));
        assert!(error(SimulateOptions { addresses: vec![1, 2], ..jbd() }).contains("leave --addresses out"));
        assert!(error(SimulateOptions { scenario: Some("/nonexistent/s".into()), ..jbd() }).contains("/nonexistent/s"));
        assert!(error(jbd()).contains("/nonexistent/bms"));
    }
}

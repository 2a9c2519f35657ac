//! Simulated batteries: a physical pack model behind the real protocol, for `simulate`, `demo` and the tests.
//!
//! ```text
//! scenario ──▶ pack (cells, BMS) ─reported─▶ responder (protocol) ──▶ faults ──▶ line (latency, byte times) ──▶ pty
//! ```
//! Everything but [`simulate`] is pure; a new protocol is one file with a [`Responder`] and one line in [`BOARDS`].

pub mod ant;
pub mod ant_old;
mod ascii;
mod broadcast;
pub mod daly;
pub mod daly_can;
pub mod daly_modbus;
pub mod daren;
pub mod eg4_ll;
mod encode;
pub mod fault;
pub mod felicity;
pub mod heltec;
pub mod jbd;
pub mod jbd_up16s;
pub mod jk;
pub mod jk_can;
pub mod jk_chain;
pub mod jk_pb;
mod json;
pub mod lifepower4;
pub mod line;
mod modbus;
pub mod months;
pub mod pace;
mod pace_modbus;
pub mod pack;
pub mod plant;
pub mod port;
pub mod pylontech;
pub mod pylontech_can;
pub mod random;
pub mod renogy;
mod requests;
pub mod rv_c;
pub mod scenario;
pub mod seplos;
pub mod seplos_v3;
pub mod sinowealth;
pub mod tianpower;
pub mod topbms;

use crate::base::runtime::SystemClock;
use crate::bms::{Line, Transport};
use crate::link::pty::{Pty, PtyError};
use crate::link::{OpenError, Port, PortOptions, open, transport};
use crate::model::AlarmName;
use fault::Faults;
use line::ServeOptions;
use pack::{Pack, PackConfig, TICK, WeakCell};
use scenario::{Scenario, ScenarioError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use thiserror::Error;

/// The protocol of a simulated BMS: requests in, replies out.
pub trait Responder: Send {
    /// Line settings of the BMS.
    fn line(&self) -> Line;
    /// Requests contain an address, so several batteries can share a line.
    fn addressed(&self) -> bool;
    /// Handles bytes as they arrive (parts of requests, several at once, garbage) and returns the replies in order. Anything else
    /// is ignored, as a board does.
    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply>;
    /// The line was idle for a while: an incomplete request is dropped.
    fn quiet(&mut self);
    /// The alarm that this board shows for one of the pack: the nearest one if it has no bit of its own for it, `None` if it shows
    /// none at all.
    fn shown_as(&self, alarm: AlarmName) -> Option<AlarmName> {
        Some(alarm)
    }
    /// What the protocol tells of these states of the charge and discharge FET; `None`: unknown.
    fn shown_fets(&self, charge: bool, discharge: bool) -> [Option<bool>; 2] {
        [charge, discharge].map(|on| self.shows_fets().then_some(on))
    }
    /// The protocol has the states of the charge and discharge FET.
    fn shows_fets(&self) -> bool {
        true
    }
    /// The protocol has a flag for balancing.
    fn shows_balancing(&self) -> bool {
        true
    }
    /// Step of the cell voltages in the protocol, V.
    fn cell_step_v(&self) -> f64 {
        0.001
    }
    /// Most cells in series that the protocol has a place for.
    fn most_cells(&self) -> usize {
        32
    }
    /// Number of requests so far that would change the BMS.
    fn writes(&self) -> usize;
    /// Returns what is sent unsolicited at this time since the start; call at [`Responder::next_unsolicited_at`], and whenever the
    /// time must be updated.
    fn unsolicited(&mut self, now: Duration, units: &mut [Unit]) -> Vec<Reply> {
        let _ = (now, units);
        Vec::new()
    }
    /// Time since the start of the next unsolicited transmission.
    fn next_unsolicited_at(&self) -> Option<Duration> {
        None
    }
}

/// Bytes sent by a BMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Delay in addition to the BMS's usual latency, or after the previous reply.
    pub after: Duration,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A simulated board.
#[derive(Debug)]
pub struct Board {
    /// Name for `simulate`: that of the protocol, with a suffix for variants.
    pub name: &'static str,
    /// Driver for it, as in [`crate::bms::DRIVERS`].
    pub driver: &'static str,
    /// Default addresses of its batteries.
    pub addresses: &'static [u8],
    /// Creates a board.
    pub new: fn() -> Box<dyn Responder>,
}

impl Board {
    /// The usual pack, with fewer cells if the board cannot have as many.
    pub fn pack(&self) -> PackConfig {
        let usual = PackConfig::default();
        PackConfig { cells: usual.cells.min((self.new)().most_cells()), ..usual }
    }
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
    Board { name: "daly-can", driver: "daly", addresses: &[1], new: || Box::new(daly_can::DalyCan::default()) },
    Board { name: "daly-modbus", driver: "daly-modbus", addresses: &[1], new: || Box::new(daly_modbus::DalyModbus::default()) },
    Board { name: "topbms", driver: "topbms", addresses: &[1], new: || Box::new(topbms::TopBms::default()) },
    Board { name: "ant", driver: "ant", addresses: &[1], new: || Box::new(ant::Ant::default()) },
    Board { name: "pace", driver: "pace", addresses: &[1], new: pace::packs },
    Board { name: "seplos-v3", driver: "seplos-v3", addresses: &[0], new: || seplos_v3::board() },
    Board { name: "seplos", driver: "seplos", addresses: &[0], new: seplos::packs },
    Board { name: "pylontech", driver: "pylontech", addresses: &[2], new: pylontech::packs },
    Board { name: "daren", driver: "daren", addresses: &[1], new: daren::packs },
    Board { name: "lifepower4", driver: "lifepower4", addresses: &[1], new: lifepower4::packs },
    Board { name: "jbd-up16s", driver: "jbd-up16s", addresses: &[1], new: || Box::new(jbd_up16s::Up16s::default()) },
    Board { name: "renogy", driver: "renogy", addresses: &[0x30], new: || renogy::board() },
    Board { name: "eg4-ll", driver: "eg4-ll", addresses: &[1], new: || eg4_ll::board() },
    Board { name: "pace-modbus", driver: "pace-modbus", addresses: &[1], new: || pace_modbus::board() },
    Board { name: "ant-old", driver: "ant-old", addresses: &[1], new: || Box::new(ant_old::AntOld::default()) },
    Board { name: "felicity", driver: "felicity", addresses: &[1], new: || felicity::board() },
    Board { name: "heltec", driver: "heltec", addresses: &[1], new: || heltec::board() },
    Board { name: "sinowealth", driver: "sinowealth", addresses: &[1], new: || Box::new(sinowealth::Sinowealth::default()) },
    Board { name: "tianpower", driver: "tianpower", addresses: &[1], new: || Box::new(tianpower::TianPower::default()) },
    Board { name: "jk-can", driver: "jk-can", addresses: &[0], new: jk_can::boards },
    Board { name: "pylontech-can", driver: "pylontech-can", addresses: &[1], new: pylontech_can::battery },
    Board { name: "json", driver: "json", addresses: &[1], new: json::battery },
    Board { name: "rv-c", driver: "rv-c", addresses: &[1], new: rv_c::battery },
];

/// Creates the responder of the board called `name`.
pub fn responder(name: &str) -> Option<Box<dyn Responder>> {
    BOARDS.iter().find(|board| board.name == name).map(|board| (board.new)())
}

/// One battery on a line.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Address; unused if the protocol has none.
    pub address: u8,
    /// The battery.
    pub pack: Pack,
    scenario: Scenario,
    /// Simulated time in whole ticks.
    elapsed: Duration,
    /// Remaining time of less than a tick.
    rest: Duration,
}

impl Unit {
    /// A battery with the events of `scenario`.
    pub fn new(address: u8, config: &PackConfig, scenario: Scenario) -> Self {
        let mut pack = Pack::new(config);
        scenario.apply(None, Duration::ZERO, address, &mut pack);
        pack.tick();
        Self { address, pack, scenario, elapsed: Duration::ZERO, rest: Duration::ZERO }
    }

    /// Whether it answers a request to `address`: a silent battery answers none.
    pub fn answers_to(&self, address: u8) -> bool {
        self.address == address && !self.pack.silent
    }

    /// Advances time. The result does not depend on the size of the steps; a gap of more than an hour (suspended computer) counts
    /// as one hour.
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

/// Options of `simulate`.
#[derive(Debug, Clone, Default)]
pub struct SimulateOptions {
    /// A name from [`BOARDS`].
    pub bms: String,
    /// Path of the symbolic link to the pty, or `can://INTERFACE` for a BMS on a CAN bus.
    pub link: PathBuf,
    /// One battery per address; empty: one battery.
    pub addresses: Vec<u8>,
    /// Bytes take their transmission time, and another baud rate is not understood.
    pub pace: bool,
    /// Cells in series; 16 by default, or as many as the board has a place for.
    pub cells: Option<usize>,
    /// Events of the batteries.
    pub scenario: Option<PathBuf>,
    /// Faults of the line.
    pub faults: Faults,
    /// Chooses imbalance, noise and faults.
    pub seed: u64,
    /// A cell of each battery that is weaker than the others.
    pub weak: Option<WeakCell>,
}

/// The names of all simulated boards.
pub fn names() -> impl Iterator<Item = &'static str> {
    BOARDS.iter().map(|board| board.name)
}

/// Why the simulation failed.
#[derive(Debug, Error)]
pub enum SimError {
    /// No board has this name.
    #[error("unknown simulated BMS {name:?}; use one of {known}")]
    UnknownBms {
        /// The requested name.
        name: String,
        /// The known names.
        known: String,
    },
    /// More cells than the board supports.
    #[error("--cells {cells}: give 1 to {most} cells")]
    Cells {
        /// The requested number.
        cells: usize,
        /// The most that the board has a place for.
        most: usize,
    },
    /// Addresses for a protocol without addresses.
    #[error("{name} has no bus addresses, only one battery per line; leave out --addresses")]
    Addresses {
        /// The board.
        name: String,
    },
    /// The scenario file cannot be read.
    #[error("{path}: {error}; give a TOML file with [[step]] tables")]
    ReadScenario {
        /// The file.
        path: String,
        /// Error of the operating system.
        error: io::Error,
    },
    /// The scenario file is invalid.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The pty or the link to it cannot be created.
    #[error(transparent)]
    Pty(#[from] PtyError),
    /// The CAN interface cannot be opened.
    #[error(transparent)]
    Can(#[from] OpenError),
    /// The line failed.
    #[error("the simulated line failed: {0}; start the simulation again")]
    Line(#[from] io::Error),
}

/// Simulates a BMS on a pty until `stop`; prints its path to stderr.
///
/// # Errors
/// [`SimError`] contains the remedy.
pub fn simulate(options: &SimulateOptions, stop: &AtomicBool) -> Result<(), SimError> {
    let mut responder = responder(&options.bms)
        .ok_or_else(|| SimError::UnknownBms { name: options.bms.clone(), known: names().collect::<Vec<_>>().join(", ") })?;
    if !options.addresses.is_empty() && !responder.addressed() {
        return Err(SimError::Addresses { name: options.bms.clone() });
    }
    let mut units = units(options)?;
    let line = responder.line();
    let mut port = port(&options.link, line)?;
    // stderr may be closed; ignore the error.
    let _ = writeln!(
        io::stderr(),
        "a simulated {} with {} cells listens on {} ({line})",
        options.bms,
        cells(options),
        options.link.display()
    );
    // The interface takes care of the times of a CAN bus.
    let pace = options.pace && !line.is_can();
    let serve = ServeOptions { pace, faults: options.faults.clone(), seed: options.seed, ..ServeOptions::default() };
    Ok(line::serve(port.as_mut(), &SystemClock, responder.as_mut(), &mut units, &serve, stop)?)
}

/// The BMS's end of the line: a pty with a link to it, or a CAN interface.
fn port(link: &Path, line: Line) -> Result<Box<dyn Port>, SimError> {
    match link.to_str() {
        Some(name) if line.is_can() && transport(name) == Transport::Can => Ok(open(name, &PortOptions::default())?),
        _ => Ok(Box::new(Pty::open(link)?)),
    }
}

/// The board of this name.
fn board(options: &SimulateOptions) -> Option<&'static Board> {
    BOARDS.iter().find(|board| board.name == options.bms)
}

fn cells(options: &SimulateOptions) -> usize {
    options.cells.unwrap_or_else(|| board(options).map_or(PackConfig::default(), Board::pack).cells)
}

/// The batteries of `options`, each with its own imbalance and state of charge.
fn units(options: &SimulateOptions) -> Result<Vec<Unit>, SimError> {
    let cells = cells(options);
    let most = board(options).map_or(0, |board| (board.new)().most_cells());
    if !(1..=most).contains(&cells) {
        return Err(SimError::Cells { cells, most });
    }
    let scenario = match &options.scenario {
        None => Scenario::default(),
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| SimError::ReadScenario { path: name.clone(), error })?;
            Scenario::parse(&name, &text, cells)?
        }
    };
    let usual = board(options).map_or(&[1][..], |board| board.addresses);
    let addresses = if options.addresses.is_empty() { usual } else { options.addresses.as_slice() };
    let numbered = addresses.iter().zip(0u8..);
    let unit = |(address, number): (&u8, u8)| {
        let standard = PackConfig::default();
        let soc_pct = standard.soc_pct - f64::from(number % 16);
        let seed = options.seed.wrapping_add(u64::from(*address));
        let config = PackConfig { cells, soc_pct, seed, weak: options.weak, ..standard };
        let mut unit = Unit::new(*address, &config, scenario.clone());
        unit.pack.command_behaviour = options.faults.command_behaviour;
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
            prop_assert_eq!(pieces.pack.reported(), whole.pack.reported());
        }
    }

    #[test]
    fn mistakes_say_what_there_is() {
        let stop = AtomicBool::new(true);
        let error = |options| simulate(&options, &stop).unwrap_err().to_string();
        let jbd = || SimulateOptions { bms: "jbd".into(), link: "/nonexistent/bms".into(), ..SimulateOptions::default() };
        assert!(error(SimulateOptions { bms: "jdb".into(), ..jbd() }).contains("use one of jbd"));
        assert!(error(SimulateOptions { cells: Some(0), ..jbd() }).contains("1 to 32 cells"));
        assert!(error(SimulateOptions { addresses: vec![1, 2], ..jbd() }).contains("leave out --addresses"));
        assert!(error(SimulateOptions { scenario: Some("/nonexistent/s".into()), ..jbd() }).contains("/nonexistent/s"));
        assert!(error(jbd()).contains("/nonexistent/bms"));
    }
}

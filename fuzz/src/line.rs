//! The other end of a line with any faults: received bytes, times and pieces come from the input.

use crate::draw::Draw;
use dbus_bms::bms::{Driver, Line, Request};
use dbus_bms::recording::replay_port::TimedBytes;
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{BOARDS, Responder, Unit};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

/// The packs of the simulated boards, the usual one and a smaller one; created once, because that takes longer than anything else.
static UNIT: LazyLock<Unit> = LazyLock::new(|| Unit::new(1, &PackConfig::default(), Scenario::default()));
static SMALL: LazyLock<Unit> = LazyLock::new(|| Unit::new(1, &PackConfig { cells: 8, ..PackConfig::default() }, Scenario::default()));

/// Maximum quiet time required before a request, and the additional time for a line that is never quiet, beyond twice of it:
/// src/link/lag.rs and src/link/exchange.rs.
const QUIET: Duration = Duration::from_millis(700);
const STALE: Duration = Duration::from_millis(100);
/// Time that a request waits for a lagging line to settle; then it is sent once in vain and once for its reply.
const SETTLING: Duration = Duration::from_secs(2);

/// Time limit of an exchange. A multi-frame reply may take twice its timeout.
pub fn longest_exchange(driver: &Driver, request: &Request) -> Duration {
    let once = request.timeout * 2 + driver.gap.max(QUIET) * 2 + STALE + Duration::from_millis(50);
    SETTLING + once * 2
}

/// The other end of the line.
pub struct Other {
    draw: Draw,
    /// None for a family that is known from recordings alone.
    board: Option<Box<dyn Responder>>,
    unit: Arc<Mutex<Vec<Unit>>>,
    last: Vec<u8>,
}

impl Other {
    /// With the simulated board of this family; without one the line has noise and echoes, and what was heard before, but no true
    /// answer.
    pub fn new(driver: &Driver, address: Option<u8>, draw: Draw) -> Self {
        let board = BOARDS.iter().find(|board| board.driver == driver.name).map(|board| (board.new)());
        let is_small = board.as_ref().is_some_and(|board| board.most_cells() < UNIT.pack.reported().cells_v.len());
        let mut unit = if is_small { SMALL.clone() } else { UNIT.clone() };
        unit.address = address.unwrap_or(1);
        Self { draw, board, unit: Arc::new(Mutex::new(vec![unit])), last: Vec::new() }
    }

    /// Bytes after `sent`: zero to seven pieces, each noise, an echo, the genuine reply or a damaged one.
    pub fn hear(&mut self, sent: &[u8], line: Line) -> Vec<TimedBytes> {
        let mut units = self.unit.lock().expect("one thread");
        let replies = self.board.as_mut().map(|board| board.answer(sent, &mut units));
        let answer: Vec<u8> = replies.into_iter().flatten().flat_map(|reply| reply.bytes).collect();
        let draw = &mut self.draw;
        let mut sounds = Vec::new();
        for _ in 0..draw.below(8) {
            let after = Duration::from_millis(match draw.byte() {
                ms @ 0..=127 => u64::from(ms / 4),
                ms => u64::from(ms - 127) * 20,
            });
            let kind = draw.byte();
            let mut bytes = match kind % 8 {
                0 | 1 => {
                    let length = usize::from(draw.byte()) * 2;
                    draw.bytes(length)
                }
                2 => sent.to_vec(),
                3 => self.last.clone(),
                _ => answer.clone(),
            };
            match kind % 8 {
                5 => {
                    let (at, change) = (usize::from(draw.byte()) + usize::from(draw.byte()), draw.byte());
                    let length = bytes.len().max(1);
                    bytes.get_mut(at % length).into_iter().for_each(|byte| *byte ^= change);
                }
                6 => {
                    let (from, to) = (usize::from(draw.byte()), usize::from(draw.byte()) * 2);
                    bytes = bytes.get(from.min(to)..from.max(to).min(bytes.len())).unwrap_or_default().to_vec();
                }
                _ => {}
            }
            let sound = TimedBytes { after, bytes };
            if kind & 128 != 0 && kind % 8 == 7 { sounds.extend(sound.trickle(line)) } else { sounds.push(sound) }
        }
        self.last = answer;
        sounds
    }
}

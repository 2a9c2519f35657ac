//! The other end of a line on which anything happens: what comes, when and in which pieces, is in the input.

use crate::draw::Draw;
use dbus_bms::bms::{Driver, Line};
use dbus_bms::link::script::Sound;
use dbus_bms::sim::battery::PackConfig;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{BOARDS, Responder, Unit};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

/// The pack behind the simulated board; made once, it takes longer than all else.
static UNIT: LazyLock<Unit> = LazyLock::new(|| Unit::new(1, &PackConfig::default(), Scenario::default()));

/// The other end of the line.
pub struct Other {
    draw: Draw,
    board: Box<dyn Responder>,
    unit: Arc<Mutex<Vec<Unit>>>,
    last: Vec<u8>,
}

impl Other {
    /// With the simulated board of this family.
    pub fn new(driver: &Driver, address: Option<u8>, draw: Draw) -> Self {
        let board = BOARDS.iter().find(|board| board.driver == driver.name).expect("every driver has a simulated board");
        let mut unit = UNIT.clone();
        unit.address = address.unwrap_or(1);
        Self { draw, board: (board.new)(), unit: Arc::new(Mutex::new(vec![unit])), last: Vec::new() }
    }

    /// What comes after `sent`: nothing to seven pieces, each noise, an echo, the true answer or what a line makes of it.
    pub fn hear(&mut self, sent: &[u8], line: Line) -> Vec<Sound> {
        let mut units = self.unit.lock().expect("one thread");
        let answer: Vec<u8> = self.board.answer(sent, &mut units).into_iter().flat_map(|reply| reply.bytes).collect();
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
            let sound = Sound { after, bytes };
            if kind & 128 != 0 && kind % 8 == 7 { sounds.extend(sound.trickle(line)) } else { sounds.push(sound) }
        }
        self.last = answer;
        sounds
    }
}

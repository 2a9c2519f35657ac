//! The port of a board that sends by itself.

use crate::world::World;
use dbus_bms::base::time::Clock;
use dbus_bms::base::units::Moment;
use dbus_bms::link::Port;
use dbus_bms::recording::replay_port::SimClock;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Its end of the line.
pub(crate) struct HeardPort {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) clock: SimClock,
    pub(crate) arrived: VecDeque<u8>,
    /// When it disappears.
    pub(crate) gone: Option<Moment>,
}

impl HeardPort {
    /// Receives what was sent until now; returns when more follows.
    fn arrive(&mut self) -> io::Result<Option<Moment>> {
        let now = self.clock.now();
        if self.gone.is_some_and(|gone| gone <= now) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "script is gone"));
        }
        let mut world = self.world.lock().unwrap();
        self.arrived.extend(world.speak(now));
        Ok(world.next_word().into_iter().chain(self.gone).min())
    }
}

impl Port for HeardPort {
    fn name(&self) -> &str {
        "script"
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        panic!("nothing may be sent to a board that is only listened to: {bytes:02x?}");
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        let until = self.clock.now().after(wait);
        loop {
            let next = self.arrive()?;
            let now = self.clock.now();
            if !self.arrived.is_empty() || now >= until {
                let n = self.arrived.len().min(buf.len());
                buf.iter_mut().zip(self.arrived.drain(..n)).for_each(|(to, from)| *to = from);
                return Ok(n);
            }
            self.clock.sleep(next.map_or(until, |next| next.min(until)).since(now).max(Duration::from_millis(1)));
        }
    }

    fn clear(&mut self) -> io::Result<()> {
        self.arrive()?;
        self.arrived.clear();
        Ok(())
    }
}

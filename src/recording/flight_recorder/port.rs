//! A port whose traffic goes to the flight recorder, too.

use super::FlightRecorder;
use crate::base::time::Clock;
use crate::bms::Line;
use crate::bms::can::IdFilter;
use crate::link::{LinkError, Port};
use std::io;
use std::time::Duration;

/// Passes everything on, and tells the recorder.
pub struct FlightPort<C> {
    port: Box<dyn Port>,
    clock: C,
    recorder: FlightRecorder,
}

impl<C: Clock> FlightPort<C> {
    /// The same port, recorded.
    pub fn new(port: Box<dyn Port>, clock: C, recorder: FlightRecorder) -> Self {
        Self { port, clock, recorder }
    }
}

impl<C: Clock> Port for FlightPort<C> {
    fn name(&self) -> &str {
        self.port.name()
    }

    fn families(&self) -> Option<&[&'static str]> {
        self.port.families()
    }

    fn set_line(&mut self, line: Line) -> io::Result<()> {
        self.port.set_line(line)
    }

    fn filter(&mut self, ids: &'static [IdFilter]) -> io::Result<()> {
        self.port.filter(ids)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.recorder.sent(bytes, self.clock.now());
        self.port.send(bytes)
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        let n = self.port.receive(buf, wait)?;
        self.recorder.received(buf.get(..n).unwrap_or_default(), self.clock.now());
        Ok(n)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.port.clear()
    }

    fn silence(&self) -> LinkError {
        self.port.silence()
    }
}

//! A relay on a line of the GPIO character device (Linux 5.10 or newer).

use super::{RelayError, Switch};
use gpiocdev::Request;
use gpiocdev::line::Value;
use std::path::PathBuf;

/// A line, requested at the first use and kept: the kernel gives it to nobody else meanwhile.
pub(super) struct Line {
    chip: PathBuf,
    line: u32,
    active_low: bool,
    request: Option<Request>,
}

impl Line {
    pub(super) fn new(chip: PathBuf, line: u32, active_low: bool) -> Self {
        Self { chip, line, active_low, request: None }
    }

    fn write(&mut self, on: bool) -> gpiocdev::Result<()> {
        let value = if on { Value::Active } else { Value::Inactive };
        if let Some(request) = &self.request {
            return request.set_lone_value(value).map(drop);
        }
        let mut builder = Request::builder();
        builder.on_chip(&self.chip).with_consumer("dbus-bms generator").with_line(self.line);
        if self.active_low {
            builder.as_active_low();
        }
        self.request = Some(builder.as_output(value).request()?);
        Ok(())
    }
}

impl Switch for Line {
    fn set(&mut self, on: bool) -> Result<(), RelayError> {
        self.write(on).map_err(|error| {
            self.request = None;
            RelayError::Line { chip: self.chip.clone(), line: self.line, reason: error.to_string() }
        })
    }
}

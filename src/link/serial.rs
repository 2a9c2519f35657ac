//! A serial port of this computer: exclusive, raw, 8N1, and left as it was found.

use super::error::OpenError;
use super::{Port, vanished};
use crate::bms::Line;
use rustix::fs::{FlockOperation, flock, fstat, major};
use rustix::io::Errno;
use rustix::termios::{ControlModes, OptionalActions, ioctl_tiocexcl, ioctl_tiocnxcl, tcgetattr, tcsetattr};
use serial2::rs4xx::{Rs485Config, TransceiverMode};
use serial2::{KeepSettings, SerialPort, Settings};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The kernel's output buffer takes any request at once; a port that does not is stuck.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// A silence worth a look at the device node.
const LONG: Duration = Duration::from_millis(100);

/// How a port is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortOptions {
    /// The line until something else is set.
    pub line: Line,
    /// The kernel switches the direction of an RS485 transceiver (only for ports that cannot do it by themselves).
    pub rs485: bool,
    /// FTDI adapters report bytes after 1 ms instead of 16 ms, at the price of more interrupts.
    pub low_latency: bool,
}

impl Default for PortOptions {
    fn default() -> Self {
        Self { line: Line { baud: 9600 }, rs485: false, low_latency: false }
    }
}

/// An open serial port.
pub struct Serial {
    name: String,
    port: SerialPort,
    /// The settings before us, put back when the port is closed.
    found: Settings,
    found_mode: Option<TransceiverMode>,
    _latency: Option<Latency>,
}

impl Serial {
    /// Opens the device node `name`.
    ///
    /// # Errors
    /// One sentence for each reason that an owner can do something about.
    pub fn open(name: &str, options: &PortOptions) -> Result<Self, OpenError> {
        let failed = |error: io::Error| explain(name, error);
        let mut port = SerialPort::open(name, KeepSettings).map_err(failed)?;
        lock(&port).map_err(failed)?;
        port.set_write_timeout(SEND_TIMEOUT).map_err(failed)?;
        let found = port.get_configuration().map_err(failed)?;
        let mut serial = Self { name: name.to_owned(), port, found, found_mode: None, _latency: None };
        serial.set_line(options.line).map_err(failed)?;
        if options.rs485 {
            serial.drive_rs485().map_err(|source| OpenError::Rs485 { name: name.to_owned(), source })?;
        }
        if options.low_latency {
            serial._latency = Latency::lower(Path::new(name));
        }
        Ok(serial)
    }

    /// Lets the kernel switch the transceiver between sending and receiving.
    fn drive_rs485(&mut self) -> io::Result<()> {
        let found = self.port.get_rs4xx_mode()?;
        self.port.set_rs4xx_mode(Rs485Config::new())?;
        self.found_mode = Some(found);
        Ok(())
    }

    /// Tells a device that is gone from other faults.
    fn judge(&self, error: io::Error) -> io::Error {
        let gone = Errno::from_io_error(&error).is_some_and(|errno| matches!(errno, Errno::IO | Errno::NODEV | Errno::NXIO));
        if gone || !self.is_there() { vanished(&self.name) } else { error }
    }

    fn is_there(&self) -> bool {
        Path::new(&self.name).exists()
    }

    fn configure(&mut self, line: Line) -> io::Result<()> {
        // Without CLOCAL an adapter whose carrier line is open would look hung up; without CREAD nothing is received.
        let mut modes = tcgetattr(&self.port)?;
        modes.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
        tcsetattr(&self.port, OptionalActions::Now, &modes)?;
        let mut settings = self.port.get_configuration()?;
        settings.set_raw();
        settings.set_baud_rate(line.baud)?;
        self.port.set_configuration(&settings)?;
        self.port.discard_input_buffer()
    }
}

impl Port for Serial {
    fn name(&self) -> &str {
        &self.name
    }

    fn set_line(&mut self, line: Line) -> io::Result<()> {
        self.configure(line).map_err(|error| self.judge(error))
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // As a rule the kernel takes it at once, and there is nothing to wait for.
        let sent = rustix::io::write(&self.port, bytes).unwrap_or(0);
        let rest = bytes.get(sent..).unwrap_or_default();
        if rest.is_empty() { Ok(()) } else { self.port.write_all(rest).map_err(|error| self.judge(error)) }
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        // Whoever slept until the answer was there finds it without asking whether something has come. Faults are left to the
        // second way.
        match rustix::io::read(&self.port, &mut *buf) {
            Ok(n @ 1..) => return Ok(n),
            Err(Errno::AGAIN) if wait.is_zero() => return Ok(0),
            _ => {}
        }
        // The port counts whole milliseconds; rounding down would turn the last one into a spin.
        self.port.set_read_timeout(wait.saturating_add(Duration::from_micros(999)))?;
        match self.port.read(buf) {
            Ok(0) => Err(vanished(&self.name)),
            Ok(n) => Ok(n),
            Err(error) => match error.kind() {
                // A driver may hold on to a device that is gone: then only its node tells.
                io::ErrorKind::TimedOut if wait >= LONG && !self.is_there() => Err(vanished(&self.name)),
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(self.judge(error)),
            },
        }
    }

    fn clear(&mut self) -> io::Result<()> {
        self.port.discard_input_buffer().map_err(|error| self.judge(error))
    }
}

impl Drop for Serial {
    fn drop(&mut self) {
        // Best effort: the device may be gone.
        if let Some(mode) = self.found_mode.take() {
            let _ = self.port.set_rs4xx_mode(mode);
        }
        let _ = self.port.set_configuration(&self.found);
        let _ = ioctl_tiocnxcl(&self.port);
    }
}

/// Keeps other programs off: those that ask the kernel and those that look for a lock.
fn lock(port: &SerialPort) -> io::Result<()> {
    flock(port, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
        Errno::WOULDBLOCK => io::Error::from(Errno::BUSY),
        errno => errno.into(),
    })?;
    // A pty keeps this mark for as long as its other end lives: after a kill nobody could open it again.
    if !is_pty(port)? {
        ioctl_tiocexcl(port)?;
    }
    Ok(())
}

/// Whether the port is the near end of a pty (`/dev/pts/*`, device numbers 136 to 143).
fn is_pty(port: &SerialPort) -> io::Result<bool> {
    Ok((136..=143).contains(&major(fstat(port)?.st_rdev)))
}

fn explain(name: &str, error: io::Error) -> OpenError {
    let name = name.to_owned();
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => OpenError::Missing { name },
        Some(Errno::BUSY) => OpenError::Busy { name },
        Some(Errno::ACCESS | Errno::PERM) => OpenError::Denied { name },
        Some(Errno::NOTTY | Errno::ISDIR | Errno::INVAL) => OpenError::NotSerial { name },
        _ => OpenError::Failed { name, source: error },
    }
}

/// The time that an FTDI adapter collects bytes before it reports them: 16 ms as it comes, 1 ms while this lives.
struct Latency {
    file: PathBuf,
    found: String,
}

impl Latency {
    fn lower(node: &Path) -> Option<Self> {
        let node = node.canonicalize().ok()?;
        let file = Path::new("/sys/class/tty").join(node.file_name()?).join("device/latency_timer");
        let changed = fs::read_to_string(&file).and_then(|found| fs::write(&file, "1").map(|()| found));
        match changed {
            Ok(found) => Some(Self { file, found }),
            Err(error) => {
                log::info!("{}: low latency is not available: {error}", node.display());
                None
            }
        }
    }
}

impl Drop for Latency {
    fn drop(&mut self) {
        let _ = fs::write(&self.file, self.found.trim());
    }
}

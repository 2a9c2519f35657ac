//! A serial port of this computer: exclusive, raw, 8N1, and restored on close.
//!
//! The crate is serial2 and not serialport (4.10): the latter has no RS485 mode, does not implement `AsFd` (so that locks, settings
//! and that mode would need unsafe code here), always marks a locked pty as exclusive, and drops the error number of a missing
//! device.

use super::bluetooth::BluetoothOptions;
use super::error::OpenError;
use super::mqtt::Broker;
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

/// Write timeout: the kernel's output buffer takes any request at once, unless the port is stuck.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Silence after which the device node is checked.
const CHECK_DEVICE_AFTER: Duration = Duration::from_millis(100);

/// Options of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortOptions {
    /// Initial line settings.
    pub line: Line,
    /// The kernel controls the direction of an RS485 transceiver (only for ports that do not do so themselves).
    pub rs485: bool,
    /// FTDI adapters report bytes after 1 ms instead of 16 ms, at the cost of more interrupts.
    pub low_latency: bool,
    /// For a port on Bluetooth.
    pub bluetooth: BluetoothOptions,
    /// For a port on MQTT: login and encryption of the broker that its name states.
    pub broker: Broker,
}

impl Default for PortOptions {
    fn default() -> Self {
        Self {
            line: Line { baud: 9600 },
            rs485: false,
            low_latency: false,
            bluetooth: BluetoothOptions::default(),
            broker: Broker::default(),
        }
    }
}

/// An open serial port.
pub struct Serial {
    name: String,
    port: SerialPort,
    /// The original settings, restored on close.
    found: Settings,
    found_mode: Option<TransceiverMode>,
    _latency: Option<Latency>,
}

impl Serial {
    /// Opens the device node `name`.
    ///
    /// # Errors
    /// One sentence for each reason that an owner can fix.
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

    /// Lets the kernel control the transceiver's direction.
    fn drive_rs485(&mut self) -> io::Result<()> {
        let found = self.port.get_rs4xx_mode()?;
        self.port.set_rs4xx_mode(Rs485Config::new())?;
        self.found_mode = Some(found);
        Ok(())
    }

    /// Distinguishes a missing device from other faults.
    fn classify(&self, error: io::Error) -> io::Error {
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
        self.configure(line).map_err(|error| self.classify(error))
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Usually the kernel takes it at once, without waiting.
        let sent = rustix::io::write(&self.port, bytes).unwrap_or(0);
        let rest = bytes.get(sent..).unwrap_or_default();
        if rest.is_empty() { Ok(()) } else { self.port.write_all(rest).map_err(|error| self.classify(error)) }
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        // After sleeping until the answer is due, read without polling first. Faults are handled below.
        match rustix::io::read(&self.port, &mut *buf) {
            Ok(n @ 1..) => return Ok(n),
            Err(Errno::AGAIN) if wait.is_zero() => return Ok(0),
            _ => {}
        }
        // The port counts whole milliseconds; rounding down would busy-wait in the last one.
        self.port.set_read_timeout(wait.saturating_add(Duration::from_micros(999)))?;
        match self.port.read(buf) {
            Ok(0) => Err(vanished(&self.name)),
            Ok(n) => Ok(n),
            Err(error) => match error.kind() {
                // A kernel driver may keep a missing device open: then only its node shows it.
                io::ErrorKind::TimedOut if wait >= CHECK_DEVICE_AFTER && !self.is_there() => Err(vanished(&self.name)),
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(self.classify(error)),
            },
        }
    }

    fn clear(&mut self) -> io::Result<()> {
        self.port.discard_input_buffer().map_err(|error| self.classify(error))
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

/// Locks the port, both in the kernel (TIOCEXCL) and by a file lock.
fn lock(port: &SerialPort) -> io::Result<()> {
    flock(port, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
        Errno::WOULDBLOCK => io::Error::from(Errno::BUSY),
        errno => errno.into(),
    })?;
    // A pty keeps this mark as long as its other end is open: after a kill it could not be opened again.
    if !is_pty(port)? {
        ioctl_tiocexcl(port)?;
    }
    Ok(())
}

/// Whether the port is the slave end of a pty (`/dev/pts/*`, device numbers 136 to 143).
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

/// The latency timer of an FTDI adapter: 16 ms by default, 1 ms until this is dropped.
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

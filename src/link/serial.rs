//! A serial port of this computer: exclusive, raw, 8N1, and restored on close.
//!
//! serialport (4.10) opens it and moves the bytes. It has no RS485 mode, hands out no `AsFd` and drops error numbers, so serial2 opens
//! the device a second time beside it: for the kernel's RS485 mode, the found settings, the reason why it cannot be opened, and the
//! mark of a pty. None of that needs unsafe code here.

use super::bluetooth::BluetoothOptions;
use super::error::OpenError;
use super::mqtt::Broker;
use super::{Port, vanished};
use crate::bms::Line;
use rustix::fs::{FlockOperation, flock, fstat, major};
use rustix::io::Errno;
use rustix::termios::ioctl_tiocnxcl;
use serial2::rs4xx::{Rs485Config, TransceiverMode};
use serial2::{KeepSettings, Settings};
use serialport::{ClearBuffer, SerialPort, TTYPort};
use std::fs;
use std::io::{self, Read, Write};
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
    port: TTYPort,
    /// The same device, opened a second time.
    control: serial2::SerialPort,
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
        let control = serial2::SerialPort::open(name, KeepSettings).map_err(failed)?;
        let found = control.get_configuration().map_err(failed)?;
        check_free(&control).map_err(failed)?;
        // Raw, 8N1, no flow control, without regard to the carrier, locked in the kernel and by a file lock.
        let port = serialport::new(name, options.line.baud).open_native().map_err(|error| failed(error.into()))?;
        let mut serial = Self { name: name.to_owned(), port, control, found, found_mode: None, _latency: None };
        serial.unmark_pty().and_then(|()| serial.set_line(options.line)).map_err(failed)?;
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
        let found = self.control.get_rs4xx_mode()?;
        self.control.set_rs4xx_mode(Rs485Config::new())?;
        self.found_mode = Some(found);
        Ok(())
    }

    /// Takes the mark of exclusive use from a pty, which keeps it as long as its other end is open: after a kill it could not be
    /// opened again. The file lock remains.
    fn unmark_pty(&self) -> io::Result<()> {
        if is_pty(&self.control)? { Ok(ioctl_tiocnxcl(&self.control)?) } else { Ok(()) }
    }

    /// Distinguishes a missing device from other faults.
    fn classify(&self, error: io::Error) -> io::Error {
        // The kernel's EIO, ENODEV and ENXIO arrive without their number; nothing else on an open port is of these kinds.
        let gone = matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::NotFound | io::ErrorKind::Other);
        if gone || !self.is_there() { vanished(&self.name) } else { error }
    }

    fn is_there(&self) -> bool {
        Path::new(&self.name).exists()
    }
}

impl Port for Serial {
    fn name(&self) -> &str {
        &self.name
    }

    fn set_line(&mut self, line: Line) -> io::Result<()> {
        self.port.set_baud_rate(line.baud).map_err(|error| self.classify(error.into()))?;
        self.clear()
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.port.set_timeout(SEND_TIMEOUT)?;
        self.port.write_all(bytes).map_err(|error| self.classify(error))
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        self.port.set_timeout(wait)?;
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
        self.port.clear(ClearBuffer::Input).map_err(|error| self.classify(error.into()))
    }
}

impl Drop for Serial {
    fn drop(&mut self) {
        // Best effort: the device may be gone.
        if let Some(mode) = self.found_mode.take() {
            let _ = self.control.set_rs4xx_mode(mode);
        }
        let _ = self.control.set_configuration(&self.found);
    }
}

/// Fails if another program holds the port's lock: an attempt of serialport to open it would take away that program's mark of
/// exclusive use.
fn check_free(control: &serial2::SerialPort) -> io::Result<()> {
    flock(control, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
        Errno::WOULDBLOCK => io::Error::from(Errno::BUSY),
        errno => errno.into(),
    })?;
    Ok(flock(control, FlockOperation::Unlock)?)
}

/// Whether the port is the slave end of a pty (`/dev/pts/*`, device numbers 136 to 143).
fn is_pty(port: &serial2::SerialPort) -> io::Result<bool> {
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

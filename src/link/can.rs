//! A CAN interface of this computer (`can://can0`), as a stream of [records](crate::bms::can).
//!
//! A socket of its own for each reader: several readers and the output to an inverter share an interface. The kernel passes on the
//! frames of the family only ([`Port::filter`]), and never those that the same socket sent. The bit rate is never set: on a GX device
//! it belongs to Venus, elsewhere to whoever set up the interface.

use super::error::OpenError;
use super::port::is_ready;
use super::serial::{PortOptions, Serial};
use super::{Port, vanished};
use crate::bms::can::{IdFilter, Record};
use can_socket::{CanData, CanFilter, CanFrame, CanId, CanSocket, ExtendedId, StandardId};
use rustix::event::PollFlags;
use rustix::io::Errno;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Start of the names of CAN ports.
pub(super) const SCHEME: &str = "can://";

/// Silence after which the state of the interface is checked.
const CHECK_AFTER: Duration = Duration::from_millis(100);

/// Frames that [`Port::clear`] drops at most: a bus that is never quiet must not block.
const MAX_CLEARED: usize = 1024;

/// What can be wrong with a CAN interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanFault {
    /// It does not exist.
    Missing,
    /// It is down.
    Down,
    /// The controller has switched itself off after too many errors (bus-off).
    BusOff,
}

impl CanFault {
    /// The fault of this interface, with its remedy.
    pub fn text(self, interface: &str) -> String {
        match self {
            Self::Missing => format!(
                "there is no CAN interface {interface}: check the name and the driver of the CAN board; `ip link` lists the interfaces"
            ),
            Self::Down => format!(
                "{interface} is down: run `ip link set {interface} up type can bitrate 250000 restart-ms 100` with the bit rate of the \
                 battery. On a GX device only Venus may do that: choose a CAN profile with this bit rate for the port in its settings"
            ),
            Self::BusOff => format!(
                "the CAN controller of {interface} is bus-off after too many errors: check the bit rate (250 or 500 kbit/s, that of the \
                 battery; on a GX device the port's CAN profile), CAN_H and CAN_L, and the resistors at both ends"
            ),
        }
    }
}

/// The fault of the interface; `None` if it looks fine or the kernel does not show it.
pub fn fault(interface: &str) -> Option<CanFault> {
    fault_in(Path::new("/sys/class/net"), interface)
}

fn fault_in(net: &Path, name: &str) -> Option<CanFault> {
    let folder = net.join(name);
    if !folder.exists() {
        return net.exists().then_some(CanFault::Missing);
    }
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).ok();
    let flags = read("flags").and_then(|text| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok());
    match (flags, read("carrier")) {
        // IFF_UP
        (Some(flags), _) if flags & 1 == 0 => Some(CanFault::Down),
        // A CAN controller drops its carrier at bus-off.
        (_, Some(carrier)) if carrier.trim() == "0" => Some(CanFault::BusOff),
        _ => None,
    }
}

/// Opens `can://INTERFACE`. `can:///PATH` is a stream of records without a CAN interface, for simulated batteries.
///
/// # Errors
/// One sentence with the remedy.
pub(super) fn open(name: &str, options: &PortOptions) -> Result<Box<dyn Port>, OpenError> {
    let interface = name.strip_prefix(SCHEME).unwrap_or(name);
    if interface.starts_with('/') {
        let stream = Serial::open(interface, options)?;
        return Ok(Box::new(Stream { name: name.to_owned(), stream }));
    }
    Ok(Box::new(Can::open(name)?))
}

/// A socket on a CAN interface.
pub struct Can {
    name: String,
    interface: String,
    socket: CanSocket,
}

impl Can {
    /// Opens `can://INTERFACE`.
    ///
    /// # Errors
    /// [`OpenError::Can`] tells an interface that is missing, down or bus-off.
    pub fn open(name: &str) -> Result<Self, OpenError> {
        let interface = name.strip_prefix(SCHEME).unwrap_or(name).trim_end_matches('/').to_owned();
        if interface.is_empty() || interface.contains('/') {
            return Err(OpenError::CanName { name: name.to_owned() });
        }
        if let Some(fault) = fault(&interface) {
            return Err(OpenError::Can { interface, fault });
        }
        let opened = CanSocket::bind(&interface).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        match opened {
            Ok(socket) => Ok(Self { name: name.to_owned(), interface, socket }),
            Err(error) if is_missing(&error) => Err(OpenError::Can { interface, fault: CanFault::Missing }),
            Err(source) => Err(OpenError::Failed { name: name.to_owned(), source }),
        }
    }

    /// The next frame with data; `None` if no more are waiting.
    fn next(&self) -> io::Result<Option<Record>> {
        loop {
            match self.socket.recv() {
                Ok(frame) => {
                    if let Some(record) = received(&frame) {
                        return Ok(Some(record));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.explain(error)),
            }
        }
    }

    /// Fills `buf` with the records that are waiting.
    fn take(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut taken = 0usize;
        for place in buf.as_chunks_mut::<{ Record::LEN }>().0 {
            let Some(record) = self.next()? else { break };
            *place = record.bytes();
            taken = taken.saturating_add(Record::LEN);
        }
        Ok(taken)
    }

    /// An error that names the fault of the interface and its remedy.
    fn explain(&self, error: io::Error) -> io::Error {
        match fault(&self.interface) {
            Some(CanFault::Missing) => vanished(&self.name),
            Some(fault) => faulty(&self.interface, fault),
            None if is_missing(&error) => vanished(&self.name),
            None => error,
        }
    }

    fn unsent(&self, error: io::Error) -> io::Error {
        let full = is_queue_full(&error);
        match self.explain(error) {
            error if full && error.raw_os_error().is_some() => io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{}: frames are not acknowledged; check that the battery is on, and its bit rate", self.interface),
            ),
            error => error,
        }
    }
}

fn faulty(interface: &str, fault: CanFault) -> io::Error {
    io::Error::new(io::ErrorKind::NetworkDown, fault.text(interface))
}

/// Frames wait because nobody acknowledges them.
pub(crate) fn is_queue_full(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| matches!(errno, Errno::NOBUFS | Errno::AGAIN))
}

fn is_missing(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| matches!(errno, Errno::NODEV | Errno::NXIO))
}

/// The record of a received frame; `None` for a remote request.
pub(crate) fn received(frame: &CanFrame) -> Option<Record> {
    let id = match frame.id() {
        CanId::Standard(id) => u32::from(id.as_u16()),
        CanId::Extended(id) => id.as_u32() | Record::EXTENDED,
    };
    frame.data().map(|data| Record::new(id, data.as_slice()))
}

/// The frame to send for a record.
pub(crate) fn to_send(record: &Record) -> Option<CanFrame> {
    let data = CanData::try_new(record.data()).ok()?;
    Some(match record.id() & Record::EXTENDED {
        0 => CanFrame::new(StandardId::try_from(record.id()).ok()?, data),
        _ => CanFrame::new(ExtendedId::try_from(record.id() & !Record::EXTENDED).ok()?, data),
    })
}

impl Port for Can {
    fn name(&self) -> &str {
        &self.name
    }

    fn filter(&mut self, ids: &'static [IdFilter]) -> io::Result<()> {
        // can-socket 0.3.5 leaves out the flag of 29-bit ids: if their length has to match, the kernel compares with ids of 11 bits only.
        // Those have none of the bits above the eleventh, so they do not pass in place of the ids of a family.
        let filter = |wanted: &IdFilter| {
            let id = wanted.id & !Record::EXTENDED;
            let filter = match wanted.id & Record::EXTENDED {
                0 => CanFilter::new_standard(StandardId::try_from(id).ok()?).match_frame_format(),
                _ => CanFilter::new_extended(ExtendedId::try_from(id).ok()?),
            };
            Some(filter.match_id_mask(wanted.mask).match_data_only())
        };
        let filters: Vec<CanFilter> = ids.iter().filter_map(filter).collect();
        self.socket.set_filters(&filters).map_err(|error| self.explain(error))
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for bytes in bytes.chunks(Record::LEN) {
            let frame = Record::parse(bytes).as_ref().and_then(to_send);
            let frame = frame.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "these bytes are no CAN frame"))?;
            self.socket.send(&frame).map_err(|error| self.unsent(error))?;
        }
        Ok(())
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        let taken = self.take(buf)?;
        if taken > 0 || wait.is_zero() {
            return Ok(taken);
        }
        if is_ready(&self.socket, PollFlags::IN, wait).map_err(|error| self.explain(error))? {
            return self.take(buf);
        }
        // The kernel does not report bus-off to a socket.
        let fault = if wait >= CHECK_AFTER { fault(&self.interface) } else { None };
        match fault {
            Some(CanFault::Missing) => Err(vanished(&self.name)),
            Some(fault) => Err(faulty(&self.interface, fault)),
            None => Ok(0),
        }
    }

    fn clear(&mut self) -> io::Result<()> {
        for _ in 0..MAX_CLEARED {
            if self.next()?.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// Records over a pty.
struct Stream {
    name: String,
    stream: Serial,
}

impl Port for Stream {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.send(bytes)
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        self.stream.receive(buf, wait)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.stream.clear()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_shows_tells_bus_off_from_down_and_missing() {
        let net = std::env::temp_dir().join(format!("dbus-bms-net-{}", std::process::id()));
        let can0 = net.join("can0");
        std::fs::create_dir_all(&can0).unwrap();
        let show = |flags: &str, carrier: &str| {
            std::fs::write(can0.join("flags"), flags).unwrap();
            std::fs::write(can0.join("carrier"), carrier).unwrap();
            fault_in(&net, "can0")
        };
        // IFF_UP, IFF_RUNNING, IFF_NOARP, IFF_ECHO; a controller in bus-off loses IFF_RUNNING and its carrier.
        assert_eq!(show("0x400c1\n", "1\n"), None);
        assert_eq!(show("0x40081\n", "0\n"), Some(CanFault::BusOff));
        assert_eq!(show("0x40080\n", ""), Some(CanFault::Down), "the carrier of an interface that is down cannot be read");
        assert_eq!(show("nonsense", "nonsense"), None, "not known to be wrong");
        assert_eq!(fault_in(&net, "can1"), Some(CanFault::Missing));
        std::fs::remove_dir_all(&net).unwrap();
        assert_eq!(fault_in(&net, "can0"), None, "no sysfs: nobody knows");
    }

    #[test]
    fn every_fault_of_an_interface_says_what_to_do() {
        let text = |name: &str| open(name, &PortOptions::default()).err().unwrap().to_string();
        assert!(text("can://").contains("can://can0"));
        assert!(text("can://no-such-can0").contains("no CAN interface no-such-can0: check"), "{}", text("can://no-such-can0"));
        assert!(CanFault::Down.text("can0").contains("choose a CAN profile"), "on a GX device the bit rate is never set");
    }

    #[test]
    fn frames_of_both_kinds_pass_to_the_socket_and_back() {
        for record in [Record::new(0x351, &[1, 2, 3]), Record::new(0x1890_0140 | Record::EXTENDED, &[0; 8])] {
            assert_eq!(to_send(&record).as_ref().and_then(received), Some(record));
        }
    }
}

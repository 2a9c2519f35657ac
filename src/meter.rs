//! The power at the grid connection, as an SMA energy meter says it: a datagram a second to everybody (Speedwire multicast).
//!
//! ```text
//! "SMA" 0 | 4 tag 02A0 group | length, tag 0010 | protocol 6069 (6081: 2 bytes more) | SUSy id | serial | ticker | entries … | 0
//! entry: channel, index, type (4: 4 bytes, 8: 8 bytes), tariff, value      all high byte first
//! ```
//! Index 1 is the power from the grid, 2 the power to it, both in 0.1 W. Source: RalfOGit/libspeedwire, and the JK to Pylontech
//! translator.
#![deny(clippy::indexing_slicing)]

use crate::runtime::{self, now};
use crate::units::Watts;
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Where meters send.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 12, 255, 254);
const PORT: u16 = 9522;

/// What a meter says: its serial number, and the power, positive from the grid. `None` for anything else.
fn decode(datagram: &[u8]) -> Option<(u32, Watts)> {
    let header = datagram.strip_prefix(b"SMA\0")?;
    let tag: [u8; 4] = header.get(..4)?.try_into().ok()?;
    let protocol = u16_at(datagram, 16)?;
    let extra = match (tag, protocol) {
        ([0, 4, 2, 0xA0], 0x6069) => 0,
        ([0, 4, 2, 0xA0], 0x6081) => 2,
        _ => return None,
    };
    let serial = u32_at(datagram, 20 + extra)?;
    let (mut from_grid, mut to_grid) = (None, None);
    let mut entries = datagram.get(28 + extra..)?;
    while let [channel, index, kind, _tariff, rest @ ..] = entries {
        let length = match (channel, kind) {
            (0, 4) => 4,
            (0, 8) => 8,
            // The software version, and the end.
            (0x90, 0) => 4,
            _ => break,
        };
        if (*channel, *kind) == (0, 4) {
            match index {
                1 => from_grid = u32_at(rest, 0),
                2 => to_grid = u32_at(rest, 0),
                _ => {}
            }
        }
        entries = rest.get(length..)?;
    }
    Some((serial, Watts::new((f64::from(from_grid?) - f64::from(to_grid?)) / 10.0)))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// How often an attempt is made to listen, while the network is not up.
const RETRY: Duration = Duration::from_secs(10);
/// After so long without a datagram the group is joined anew: an interface that vanished and returned has left it.
const QUIET: Duration = Duration::from_secs(60);

/// Listens to meters (only to that of `serial` if given) and passes their power on until nobody wants it.
pub(crate) async fn listen(serial: Option<u32>, powers: mpsc::Sender<Watts>) {
    let mut ear = Ear { serial, powers, retry: RETRY, quiet: QUIET, heard: false, said: false };
    ear.listen(join).await;
}

/// A socket that hears what is sent to the group. Others on this machine, such as a second driver, hear it too.
fn join() -> io::Result<UdpSocket> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT))?;
    let socket = UdpSocket::from_std(socket.into())?;
    socket.join_multicast_v4(GROUP, Ipv4Addr::UNSPECIFIED)?;
    Ok(socket)
}

struct Ear {
    serial: Option<u32>,
    powers: mpsc::Sender<Watts>,
    retry: Duration,
    quiet: Duration,
    /// The meter was heard lately.
    heard: bool,
    /// That it is not was said.
    said: bool,
}

impl Ear {
    async fn listen(&mut self, join: impl Fn() -> io::Result<UdpSocket>) {
        while !self.powers.is_closed() {
            let why = match join() {
                Ok(socket) => self.hear(&socket).await,
                Err(error) => {
                    self.pause().await;
                    format!("{error}; the network may not be up yet")
                }
            };
            self.heard = false;
            if !self.powers.is_closed() && !std::mem::replace(&mut self.said, true) {
                log::warn!(
                    "no SMA energy meter: {why}; trying again until it is heard, the oscillation guard does not work before. Check that it is in this network"
                );
            }
        }
    }

    /// Hears until there is nothing to hear any more; says why.
    async fn hear(&mut self, socket: &UdpSocket) -> String {
        let mut datagram = [0; 1024];
        loop {
            let length = tokio::select! {
                received = socket.recv(&mut datagram) => match received {
                    Ok(length) => length,
                    Err(error) => {
                        self.pause().await;
                        return error.to_string();
                    }
                },
                () = runtime::sleep_until(now().at.after(self.quiet)) => return "nothing was heard for a minute".to_owned(),
                () = self.powers.closed() => return String::new(),
            };
            let Some((from, power)) = datagram.get(..length).and_then(decode) else { continue };
            if self.serial.is_some_and(|serial| serial != from) {
                continue;
            }
            if !std::mem::replace(&mut self.heard, true) {
                self.said = false;
                log::info!("the SMA energy meter {from} is heard");
            }
            // A loop that is busy gets the next one.
            let _ = self.powers.try_send(power);
        }
    }

    async fn pause(&self) {
        tokio::select! {
            () = runtime::sleep_until(now().at.after(self.retry)) => {}
            () = self.powers.closed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A datagram as the layout says, with a counter between the two powers.
    fn datagram(from_grid: u32, to_grid: u32) -> Vec<u8> {
        let mut bytes = b"SMA\0\x00\x04\x02\xA0\x00\x00\x00\x01\x00\x30\x00\x10\x60\x69\x01\x0E".to_vec();
        bytes.extend(1_900_000_001u32.to_be_bytes());
        bytes.extend([0, 0, 0, 9, 0, 1, 4, 0]);
        bytes.extend(from_grid.to_be_bytes());
        bytes.extend([0, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 2, 4, 0]);
        bytes.extend(to_grid.to_be_bytes());
        bytes.extend([0x90, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn power_from_the_grid_is_positive() {
        assert_eq!(decode(&datagram(12_345, 0)), Some((1_900_000_001, Watts::new(1234.5))));
        assert_eq!(decode(&datagram(0, 8_000)), Some((1_900_000_001, Watts::new(-800.0))));
        assert_eq!(decode(b"SMA\0 and something else"), None);
    }

    /// A network that comes up late, goes away and returns: the power is heard each time it is there.
    #[tokio::test]
    async fn a_network_that_is_not_up_is_waited_for() {
        let (powers, mut told) = mpsc::channel(4);
        let (ports, mut opened) = mpsc::unbounded_channel();
        let tries = std::cell::Cell::new(0u32);
        // Two failures, a socket, a failure, a socket, and so on.
        let join = move || {
            tries.set(tries.get() + 1);
            if tries.get() < 3 || tries.get() == 4 {
                return Err(io::Error::from(io::ErrorKind::NetworkUnreachable));
            }
            let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.set_nonblocking(true)?;
            ports.send(socket.local_addr()?).map_err(io::Error::other)?;
            UdpSocket::from_std(socket)
        };
        let moment = Duration::from_millis(20);
        let mut ear = Ear { serial: Some(1_900_000_001), powers, retry: moment, quiet: moment * 5, heard: false, said: false };
        let listening = async {
            ear.listen(join).await;
            (ear.heard, ear.said)
        };
        let speaking = async {
            for watts in [1000, 2000] {
                let to = opened.recv().await.unwrap();
                let mouth = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                let mut other = datagram(77, 0);
                other[23] = 9;
                mouth.send_to(&other, to).await.unwrap();
                mouth.send_to(&datagram(watts, 0), to).await.unwrap();
                assert_eq!(told.recv().await, Some(Watts::new(f64::from(watts) / 10.0)), "and not that of another meter");
                // It falls silent, and the group is joined anew.
            }
            drop(told);
        };
        let both = async { tokio::join!(listening, speaking) };
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("in time");
    }

    proptest! {
        #[test]
        fn no_datagram_panics(tail in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..80) {
            let mut bytes = datagram(1, 2);
            bytes.truncate(cut);
            bytes.extend(&tail);
            let _ = decode(&bytes);
            let _ = decode(&tail);
        }
    }
}

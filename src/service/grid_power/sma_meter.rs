//! Listens to SMA energy meters ([`crate::house::sma_meter`]). The group is joined on every interface that can receive it: a device
//! with LAN and WLAN otherwise hears one of them only.
#![deny(clippy::indexing_slicing)]

use crate::base::episode::Once;
use crate::base::runtime::{self, now};
use crate::base::units::Watts;
use crate::house::sma_meter::decode;
use rustix::net::sockopt::{set_ip_add_membership_with_ifindex, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Multicast address of the meters.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 12, 255, 254);
const PORT: u16 = 9522;

/// Retry interval of listening while the network is down.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// The group is joined again after this time without a datagram: an interface that went away and came back has left it.
const REJOIN_AFTER: Duration = Duration::from_secs(60);

/// Interval of looking for changed interfaces.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Flags of an interface: up, and capable of multicast (`include/uapi/linux/if.h`).
const UP: u32 = 0x1;
const MULTICAST: u32 = 0x1000;

/// Listens to meters (only to that of `serial` if given) and sends their power until the receiver is gone.
pub(crate) async fn listen(serial: Option<u32>, power_sender: mpsc::Sender<Watts>) {
    let mut listener =
        Listener { serial, power_sender, retry: RETRY_INTERVAL, quiet: REJOIN_AFTER, present: false, logged: Once::default() };
    listener.listen(join, Networks::present).await;
}

/// The network as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Networks {
    /// Indices of the interfaces that are up and can receive a multicast, with their state.
    interfaces: BTreeSet<(u32, String)>,
    /// Lines of the local IPv4 addresses in the kernel's table. An interface that loses its last address also loses the group.
    addresses: BTreeSet<String>,
}

impl Networks {
    fn present() -> Self {
        let folders = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
        let table = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
        let lines = table.lines().map(str::trim);
        // The kind of an address is on the line below it.
        let local = lines.clone().zip(lines.skip(1)).filter(|(_, kind)| kind.ends_with("host LOCAL")).map(|(address, _)| address);
        Self {
            interfaces: folders.filter_map(|folder| interface(&folder.path())).collect(),
            addresses: local.map(str::to_owned).collect(),
        }
    }
}

/// Index and state of the interface with this folder in sysfs, if it is up and can receive a multicast.
fn interface(folder: &Path) -> Option<(u32, String)> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let flags = u32::from_str_radix(read("flags")?.trim().trim_start_matches("0x"), 16).ok()?;
    let index = read("ifindex")?.trim().parse().ok()?;
    (flags & (UP | MULTICAST) == UP | MULTICAST).then(|| (index, read("operstate").unwrap_or_default()))
}

/// A socket for datagrams to the group on these networks, shared with other processes such as a second driver.
fn join(networks: &Networks) -> io::Result<UdpSocket> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT))?;
    let mut joined = false;
    for (index, _) in &networks.interfaces {
        // One that has no IPv4, or more interfaces than the kernel allows to join, must not prevent the others.
        joined |= set_ip_add_membership_with_ifindex(&socket, &GROUP, &Ipv4Addr::UNSPECIFIED, *index).is_ok();
    }
    let socket = UdpSocket::from_std(socket.into())?;
    if !joined {
        // The list may be that of another network namespace, as in a container: the kernel chooses the interface.
        socket.join_multicast_v4(GROUP, Ipv4Addr::UNSPECIFIED)?;
    }
    Ok(socket)
}

struct Listener {
    serial: Option<u32>,
    power_sender: mpsc::Sender<Watts>,
    retry: Duration,
    quiet: Duration,
    /// The meter was received recently.
    present: bool,
    /// Its absence was logged.
    logged: Once,
}

impl Listener {
    async fn listen(&mut self, join: impl Fn(&Networks) -> io::Result<UdpSocket>, present: impl Fn() -> Networks) {
        while !self.power_sender.is_closed() {
            let networks = present();
            let why = match join(&networks) {
                Ok(socket) => match self.receive(&socket, || present() != networks).await {
                    Some(why) => why,
                    None => continue,
                },
                Err(error) => {
                    self.pause().await;
                    format!("{error}; the network may not be up yet")
                }
            };
            self.present = false;
            if !self.power_sender.is_closed() && self.logged.first() {
                log::warn!(
                    "no SMA energy meter: {why}; the oscillation guard is inactive until one is received. Check that it is on this network"
                );
            }
        }
    }

    /// Receives until nothing arrives any more; returns the reason. `None`: the networks have changed.
    async fn receive(&mut self, socket: &UdpSocket, have_changed: impl Fn() -> bool) -> Option<String> {
        let mut datagram = [0; 1024];
        let (mut quiet_at, mut look_at) = (now().at.after(self.quiet), now().at.after(LOOK_INTERVAL));
        loop {
            let length = tokio::select! {
                received = socket.recv(&mut datagram) => match received {
                    Ok(length) => length,
                    Err(error) => {
                        self.pause().await;
                        return Some(error.to_string());
                    }
                },
                () = runtime::sleep_until(quiet_at) => return Some("nothing was received for a minute".to_owned()),
                () = runtime::sleep_until(look_at) => {
                    if have_changed() {
                        return None;
                    }
                    look_at = now().at.after(LOOK_INTERVAL);
                    continue;
                }
                () = self.power_sender.closed() => return None,
            };
            quiet_at = now().at.after(self.quiet);
            let Some((from, power)) = datagram.get(..length).and_then(decode) else { continue };
            if self.serial.is_some_and(|serial| serial != from) {
                continue;
            }
            if !std::mem::replace(&mut self.present, true) {
                self.logged.reset();
                log::info!("SMA energy meter {from} detected");
            }
            // If the loop is busy, this value is dropped.
            let _ = self.power_sender.try_send(power);
        }
    }

    async fn pause(&self) {
        tokio::select! {
            () = runtime::sleep_until(now().at.after(self.retry)) => {}
            () = self.power_sender.closed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::sma_meter::datagram;

    /// A network that appears late, disappears and returns: the power is received whenever it is available.
    #[tokio::test]
    async fn a_network_that_is_not_up_is_waited_for() {
        let (power_sender, mut received) = mpsc::channel(4);
        let (ports, mut opened) = mpsc::unbounded_channel();
        let tries = std::cell::Cell::new(0u32);
        // Two failures, a socket, a failure, a socket, and so on.
        let join = move |_: &Networks| {
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
        let mut listener = Listener {
            serial: Some(1_900_000_001),
            power_sender,
            retry: moment,
            quiet: moment * 5,
            present: false,
            logged: Once::default(),
        };
        let listening = async {
            listener.listen(join, Networks::default).await;
            (listener.present, listener.logged)
        };
        let speaking = async {
            for watts in [1000, 2000] {
                let to = opened.recv().await.unwrap();
                let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                let mut other = datagram(77, 0);
                other[23] = 9;
                sender.send_to(&other, to).await.unwrap();
                sender.send_to(&datagram(watts, 0), to).await.unwrap();
                assert_eq!(received.recv().await, Some(Watts::new(f64::from(watts) / 10.0)), "and not that of another meter");
                // The meter is silent, and the group is joined again.
            }
            drop(received);
        };
        let both = async { tokio::join!(listening, speaking) };
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("in time");
    }

    /// The kernel's list of groups has ours once for every interface.
    #[tokio::test]
    async fn the_group_is_joined_on_every_interface() {
        let networks = Networks::present();
        assert!(!networks.interfaces.is_empty(), "this test needs a network interface");
        let _socket = join(&networks).unwrap();
        let group = format!("{:08X}", u32::from_ne_bytes(GROUP.octets()));
        let table = std::fs::read_to_string("/proc/net/igmp").unwrap();
        let mut joined = BTreeSet::new();
        let mut index = 0;
        for line in table.lines() {
            // "2 eth0 : 3 V3", and below it a line per group.
            if let Some(Ok(number)) =
                line.starts_with(|c: char| c.is_ascii_digit()).then(|| line.split_whitespace().next().unwrap().parse())
            {
                index = number;
            } else if line.split_whitespace().next() == Some(&group) {
                joined.insert(index);
            }
        }
        assert_eq!(joined, networks.interfaces.iter().map(|(index, _)| *index).collect(), "{table}");
    }
}

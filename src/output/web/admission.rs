//! Limits the number of connections, in total and per address, so that one client cannot lock out all others.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum simultaneous connections; a browser keeps two or three.
pub(super) const MAX_CONNECTIONS: usize = 32;
/// Maximum per address: a browser opens at most six. Clients behind a proxy share them.
pub(super) const MAX_CONNECTIONS_PER_ADDRESS: usize = 8;

/// Counts open connections.
#[derive(Clone, Default)]
pub(super) struct Admission(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// An admitted connection, until dropped.
pub(super) struct Admitted {
    admission: Admission,
    from: IpAddr,
}

impl Admission {
    /// Admits a connection if there is room.
    pub(super) fn admit(&self, from: IpAddr) -> Option<Admitted> {
        let from = subscriber(from);
        let mut open = self.open();
        let all: usize = open.values().sum();
        let of_one = open.get(&from).copied().unwrap_or(0);
        if all >= MAX_CONNECTIONS || of_one >= MAX_CONNECTIONS_PER_ADDRESS {
            return None;
        }
        open.extend([(from, of_one.saturating_add(1))]);
        Some(Admitted { admission: self.clone(), from })
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.admission.open();
        if let Some(count) = open.get_mut(&self.from) {
            *count = count.saturating_sub(1);
        }
        open.retain(|_, count| *count > 0);
    }
}

/// What counts as one address: for IPv6 the network, because a host may have any number of addresses in it.
fn subscriber(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_the_share_of_others() {
        let admission = Admission::default();
        let from = |text: &str| admission.admit(text.parse().unwrap());
        let mut held: Vec<_> = (0..MAX_CONNECTIONS_PER_ADDRESS).map(|_| from("192.168.1.7").unwrap()).collect();
        assert!(from("192.168.1.7").is_none() && from("::ffff:192.168.1.7").is_none(), "its share is taken");
        held.extend((0..MAX_CONNECTIONS_PER_ADDRESS).map(|host| from(&format!("fd00::{host}")).unwrap()));
        assert!(from("fd00::ffff").is_none(), "one network");
        held.extend(
            ["192.168.1.8", "192.168.1.9"].iter().flat_map(|host| (0..MAX_CONNECTIONS_PER_ADDRESS).map(|_| from(host).unwrap())),
        );
        assert_eq!(held.len(), MAX_CONNECTIONS);
        assert!(from("192.168.1.10").is_none(), "no more in all");
        held.remove(0);
        assert!(from("192.168.1.7").is_some(), "one that ends makes room");
        drop(held);
        assert!(admission.open().is_empty());
    }
}

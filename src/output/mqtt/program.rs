//! This program among others on one broker: its permanent name in topics, and the address of its page.

use super::message::level;
use crate::link::mqtt::Broker;
use crate::output::web;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use tokio::net::UdpSocket;

/// A program that publishes on a broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program {
    /// Its name in topics, the same after every start and another one on every computer.
    pub key: String,
    /// Name of its computer, for people.
    pub host: String,
    /// Address of its page, if other computers reach it.
    pub page: Option<String>,
}

/// Files with the identity of an installation.
const MACHINE_IDS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
/// Network interfaces of the kernel.
const INTERFACES: &str = "/sys/class/net";
/// An address of the documentation (RFC 5737), to which nothing is sent: the kernel tells from where it would be.
const ELSEWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

impl Program {
    /// This program, which serves `task`: several on one computer differ in that. The client ID of the configuration names it, if set.
    pub fn new(broker: &Broker, task: &str) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let machine = MACHINE_IDS.iter().find_map(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        // A copied memory card has the same ID and name as its original.
        let hardware = hardware_address(Path::new(INTERFACES)).unwrap_or_default();
        let made = || format!("{:08x}", hash(&[machine.trim(), &host, &hardware, task]));
        Self { key: broker.client_id.as_deref().map_or_else(made, level), host, page: None }
    }
}

/// FNV-1a: the same in every version of this program.
fn hash(texts: &[&str]) -> u32 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Hardware address of the first real network interface.
fn hardware_address(interfaces: &Path) -> Option<String> {
    let mut real: Vec<_> = std::fs::read_dir(interfaces).ok()?.flatten().map(|entry| entry.path()).collect();
    real.retain(|path| path.join("device").exists());
    real.sort();
    real.iter().find_map(|path| std::fs::read_to_string(path.join("address")).ok()).map(|text| text.trim().to_owned())
}

/// Address of the page as other computers reach it; `None` if there is no page, or only this computer reaches it.
pub(super) async fn page(page: &web::Config, broker: &Broker) -> Option<String> {
    if !page.enabled || page.listen.ip().is_loopback() {
        return None;
    }
    let address = if page.listen.ip().is_unspecified() {
        let broker = from(tokio::net::lookup_host((broker.host.as_str(), broker.port())).await.ok()?.next()?).await;
        match broker.filter(|address| !address.is_loopback()) {
            Some(address) => address,
            None => from(ELSEWHERE).await.filter(|address| !address.is_loopback())?,
        }
    } else {
        page.listen.ip()
    };
    Some(format!("http://{}/", SocketAddr::new(address, page.listen.port())))
}

/// From which address this computer would send there.
async fn from(target: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if target.is_ipv6() { std::net::Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(target).await.ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_one_computer_and_of_copied_cards_differ_and_stay() {
        let of = |hardware, task| hash(&["0123", "einstein", hardware, task]);
        assert_eq!(of("02:00", "hub"), of("02:00", "hub"));
        assert_ne!(of("02:00", "hub"), of("02:00", "ttyUSB0"));
        assert_ne!(of("02:00", "hub"), of("02:01", "hub"));
        assert_ne!(hash(&["a", "bc"]), hash(&["ab", "c"]));
        // As published for FNV-1a with 32 bits: "a" and its end here.
        assert_eq!(hash(&[]), 0x811c_9dc5);
        let broker = |id: Option<&str>| Broker { client_id: id.map(str::to_owned), ..Broker::default() };
        assert_eq!(Program::new(&broker(Some("shed/1")), "hub").key, "shed_1");
        assert_eq!(Program::new(&broker(None), "hub").key, Program::new(&broker(None), "hub").key);
    }

    #[test]
    fn a_page_has_an_address_only_if_others_reach_it() {
        let of = |listen: &str, enabled| {
            let config = web::Config { enabled, listen: listen.parse().unwrap(), ..web::Config::default() };
            let broker = Broker { host: "127.0.0.1".into(), ..Broker::default() };
            crate::base::runtime::block_on(async move { page(&config, &broker).await }).unwrap()
        };
        assert_eq!(of("192.168.1.7:8080", true).as_deref(), Some("http://192.168.1.7:8080/"));
        assert_eq!(of("[fd00::7]:8080", true).as_deref(), Some("http://[fd00::7]:8080/"));
        assert_eq!((of("127.0.0.1:8080", true), of("192.168.1.7:8080", false)), (None, None));
        assert!(
            of("0.0.0.0:8080", true)
                .is_none_or(|page| page.ends_with(":8080/") && !page.contains("//127.") && !page.contains("0.0.0.0"))
        );
    }
}

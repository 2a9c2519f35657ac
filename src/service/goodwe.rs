//! Reads a GoodWe inverter over the local network, see [`crate::house::goodwe`], and shows it as a device of the house.
//!
//! The inverter answers one program at a time and not always: each request is sent up to three times, and rounds are 5 s apart.

use crate::base::episode::Episode;
use crate::base::runtime::{self, now};
use crate::base::units::{Watts, round};
use crate::battery::partner::PartnerValue;
use crate::house::goodwe::{self, BATTERY_CURRENT_AVERAGE, Collector, Family, Query, Values};
use crate::model::{DeviceInfo, DeviceKind, DeviceValue, quantity};
use crate::output::devices::{DeviceHandle, DeviceRegistry};
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The id of the device.
const ID: &str = "goodwe";
/// Time from one round to the next.
const PERIOD: Duration = Duration::from_secs(5);
/// Timeout of an answer, and how often a request is sent.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
const TRIES: usize = 3;
/// Time to wait for answers to the search.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(2);
/// Rounds without an answer until the inverter is searched again: its address may have changed.
const SEARCH_AFTER: u64 = 3;
/// Older values are unknown.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Number of battery currents of which the mean is shown, as in the JK to Pylontech translator.
const MEAN_OF: usize = 6;

const SILENT: &str = "no answer: check the address, and that no other program reads the inverter (SolarGo, Home Assistant); it \
                      answers one at a time";
const UNKNOWN_HOST: &str = "the host is unknown: check `goodwe.address`";
const NOT_FOUND: &str = "no inverter answers the search: check that it is on this network, or set `goodwe.address` to its address";

/// Reads the inverter at `address` forever: a host, `tcp://HOST` for Modbus TCP, or `auto` to search for it. The power of its battery
/// also goes to `partner`.
pub(super) fn start(address: &str, devices: &DeviceRegistry, partner: Option<mpsc::Sender<PartnerValue>>) {
    let info = DeviceInfo {
        id: ID.to_owned(),
        kind: DeviceKind::Inverter,
        name: "GoodWe inverter".to_owned(),
        connection: if address == "auto" { "found by broadcast".to_owned() } else { address.to_owned() },
        timeout: TIMEOUT,
    };
    let (address, device) = (address.to_owned(), devices.add(info));
    tokio::spawn(async move {
        let mut reader = Reader { period: PERIOD, answer: ANSWER_TIMEOUT, ..Reader::new(&address) };
        reader.serve(&device, partner.as_ref()).await;
    });
}

struct Reader {
    address: String,
    period: Duration,
    answer: Duration,
    /// The dialect that was answered.
    family: Option<Family>,
    /// What the search has found.
    found: Option<Ipv4Addr>,
    silence: Episode<&'static str>,
    currents: VecDeque<f64>,
    transaction: u16,
}

impl Reader {
    fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            period: PERIOD,
            answer: ANSWER_TIMEOUT,
            family: None,
            found: None,
            silence: Episode::begun(now().at),
            currents: VecDeque::with_capacity(MEAN_OF),
            transaction: 0,
        }
    }

    /// Reads until `partner` is gone, without one forever.
    async fn serve(&mut self, device: &DeviceHandle, partner: Option<&mpsc::Sender<PartnerValue>>) {
        while !partner.is_some_and(mpsc::Sender::is_closed) {
            let began = now().at;
            match self.round().await {
                Ok(values) => self.publish(values, device, partner),
                Err(why) => self.missed(why, device),
            }
            runtime::sleep_until(began.after(self.period)).await;
        }
    }

    fn publish(&mut self, mut values: Values, device: &DeviceHandle, partner: Option<&mpsc::Sender<PartnerValue>>) {
        if self.silence.ended(now().at).is_some_and(|ended| ended.failures == 0 || ended.logged) {
            log::info!("GoodWe inverter: reading {}", self.address);
        }
        let number = |values: &Values, key: &str| {
            let (_, value) = values.iter().find(|(quantity, _)| quantity.key == key)?;
            if let DeviceValue::Number(number) = value { Some(*number) } else { None }
        };
        if let Some(power) = number(&values, quantity::BATTERY_POWER.key) {
            // If the loop is busy, this value is dropped.
            let _ = partner.map(|partner| partner.try_send(PartnerValue::Power(Watts::new(power))));
        }
        if let Some(current) = number(&values, quantity::BATTERY_CURRENT.key) {
            if self.currents.len() == MEAN_OF {
                self.currents.pop_front();
            }
            self.currents.push_back(current);
            let mean = self.currents.iter().sum::<f64>() / self.currents.len() as f64;
            values.push((&BATTERY_CURRENT_AVERAGE, round(mean, 1).into()));
        }
        device.publish(values, now().at);
    }

    fn missed(&mut self, why: &'static str, device: &DeviceHandle) {
        if self.silence.failed(now().at) >= SEARCH_AFTER {
            self.found = None;
            self.currents.clear();
            device.note(why);
            if self.silence.is_news(why) {
                log::warn!("GoodWe inverter {}: {why}", self.address);
            }
        }
    }

    /// All values of one round, or why there are none.
    async fn round(&mut self) -> Result<Values, &'static str> {
        let address = self.address.clone();
        if let Some(host) = address.strip_prefix("tcp://") {
            let to = resolve(host, goodwe::TCP_PORT).await.ok_or(UNKNOWN_HOST)?;
            return self.round_tcp(to).await.map_err(|_| SILENT);
        }
        let to = if address == "auto" {
            if self.found.is_none() {
                self.found = search(SocketAddr::from((Ipv4Addr::BROADCAST, goodwe::SEARCH_PORT))).await.ok().flatten();
            }
            SocketAddr::from((self.found.ok_or(NOT_FOUND)?, goodwe::UDP_PORT))
        } else {
            resolve(&address, goodwe::UDP_PORT).await.ok_or(UNKNOWN_HOST)?
        };
        self.round_udp(to).await.map_err(|_| SILENT)
    }

    async fn round_udp(&mut self, to: SocketAddr) -> io::Result<Values> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        // Datagrams of others do not reach a connected socket.
        socket.connect(to).await?;
        let families = self.family.map_or_else(|| vec![Family::Es, Family::Et], |family| vec![family]);
        for family in families {
            let mut replies = Vec::new();
            for query in family.queries() {
                match self.ask_udp(&socket, *query).await {
                    Some(data) => replies.push((*query, data)),
                    None if replies.is_empty() => break,
                    // Some models lack the others.
                    None => {}
                }
            }
            if !replies.is_empty() {
                self.family = Some(family);
                return Ok(goodwe::values(&replies));
            }
        }
        // Perhaps another inverter has the address now.
        self.family = None;
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Sends the request up to three times; `None` without an answer.
    async fn ask_udp(&self, socket: &UdpSocket, query: Query) -> Option<Vec<u8>> {
        for _ in 0..TRIES {
            socket.send(&query.datagram()).await.ok()?;
            let mut collector = Collector::default();
            let collect = async {
                let mut datagram = [0; 1024];
                loop {
                    let length = socket.recv(&mut datagram).await.ok()?;
                    if let Some(data) = collector.take(query, datagram.get(..length)?) {
                        return Some(data);
                    }
                }
            };
            if let Ok(Some(data)) = timeout(self.answer, collect).await {
                return Some(data);
            }
        }
        None
    }

    /// A round over Modbus TCP, on a connection of its own, so that other programs get their turn.
    async fn round_tcp(&mut self, to: SocketAddr) -> io::Result<Values> {
        let silent = || io::Error::from(io::ErrorKind::TimedOut);
        let mut stream = timeout(self.answer, TcpStream::connect(to)).await.map_err(|_| silent())??;
        let mut replies = Vec::new();
        for query in Family::Et.queries() {
            self.transaction = self.transaction.wrapping_add(1);
            let request = query.modbus_tcp(self.transaction).unwrap_or_default();
            stream.write_all(&request).await?;
            match timeout(self.answer, answer_tcp(&mut stream, *query, self.transaction)).await {
                Ok(Ok(data)) => replies.push((*query, data)),
                Ok(Err(error)) if replies.is_empty() => return Err(error),
                Err(_) if replies.is_empty() => return Err(silent()),
                // What follows on this connection is of unknown meaning.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        Ok(goodwe::values(&replies))
    }
}

async fn answer_tcp(stream: &mut TcpStream, query: Query, transaction: u16) -> io::Result<Vec<u8>> {
    let (mut received, mut piece) = (Vec::new(), [0; 512]);
    loop {
        let length = stream.read(&mut piece).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        received.extend_from_slice(piece.get(..length).unwrap_or_default());
        match query.reply_tcp(transaction, &received) {
            Ok(Some(data)) => return Ok(data.to_vec()),
            Ok(None) => {}
            Err(goodwe::NoReply) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// The first address of `host`, which may have a port.
async fn resolve(host: &str, port: u16) -> Option<SocketAddr> {
    let named = if host.contains(':') { host.to_owned() } else { format!("{host}:{port}") };
    lookup_host(named).await.ok()?.find(SocketAddr::is_ipv4)
}

/// Asks at `broadcast` who is there; the first that answers.
async fn search(broadcast: SocketAddr) -> io::Result<Option<Ipv4Addr>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.set_broadcast(true)?;
    socket.send_to(goodwe::SEARCH, broadcast).await?;
    let receive = async {
        let mut answer = [0; 256];
        loop {
            let (length, from) = socket.recv_from(&mut answer).await.ok()?;
            // The text names an address; that of the sender is the one that is reached from here.
            if let (Some(_), SocketAddr::V4(from)) = (answer.get(..length).and_then(goodwe::found), from) {
                return Some(*from.ip());
            }
        }
    };
    Ok(timeout(SEARCH_TIMEOUT, receive).await.ok().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// What the simulated inverter does with the next request.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Fault {
        None,
        Silent,
        Pieces,
        Twice,
        Foreign,
        Damaged,
    }

    fn hex(text: &str) -> Vec<u8> {
        crate::base::hex::decode(text).unwrap()
    }

    fn recording(name: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        let path = format!("{}/tests/protocol/goodwe/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let bytes = |value: &serde_json::Value| hex(value.as_str().unwrap());
        json["exchanges"].as_array().unwrap().iter().map(|one| (bytes(&one["request"]), bytes(&one["reply"]))).collect()
    }

    /// An inverter that answers from a recording on a free port; also the search.
    async fn inverter(name: &str, faults: Arc<Mutex<VecDeque<Fault>>>) -> SocketAddr {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, table) = (socket.local_addr().unwrap(), recording(name));
        tokio::spawn(async move {
            let mut request = [0; 64];
            loop {
                let (length, from) = socket.recv_from(&mut request).await.unwrap();
                let request = &request[..length];
                if request == goodwe::SEARCH {
                    socket.send_to(b"127.0.0.1,AABBCCDDEEFF,Solar-WiFi", from).await.unwrap();
                    continue;
                }
                let Some((_, reply)) = table.iter().find(|(known, _)| known == request) else { continue };
                let fault = faults.lock().unwrap().pop_front().unwrap_or(Fault::None);
                let mut pieces = match fault {
                    Fault::Silent => Vec::new(),
                    Fault::Pieces => vec![reply[..5].to_vec(), reply[5..30].to_vec(), reply[30..].to_vec()],
                    Fault::Twice => vec![reply.clone(), reply.clone()],
                    Fault::Foreign => vec![b"AT+OK".to_vec(), hex("aa557fc00182024d3103bb"), reply.clone()],
                    Fault::None | Fault::Damaged => vec![reply.clone()],
                };
                if fault == Fault::Damaged {
                    pieces[0][12] ^= 0x10;
                }
                for piece in pieces {
                    socket.send_to(&piece, from).await.unwrap();
                }
            }
        });
        address
    }

    fn reader(address: SocketAddr) -> Reader {
        let answer = Duration::from_millis(150);
        Reader { period: Duration::from_millis(1), answer, ..Reader::new(&address.to_string()) }
    }

    fn number(values: &Values, key: &str) -> Option<f64> {
        let (_, value) = values.iter().find(|(quantity, _)| quantity.key == key)?;
        if let DeviceValue::Number(number) = value { Some(*number) } else { None }
    }

    #[tokio::test]
    async fn both_families_are_recognised_and_faults_of_the_network_survived() {
        for (name, family, soc, watts) in
            [("goodwe-es-gw5048-em", Family::Es, 97.0, -979.0), ("goodwe-et-gw10k-et", Family::Et, 68.0, 2512.0)]
        {
            let faults = Arc::new(Mutex::new(VecDeque::new()));
            let mut reader = reader(inverter(name, Arc::clone(&faults)).await);
            for fault in [Fault::None, Fault::Pieces, Fault::Twice, Fault::Foreign, Fault::Damaged, Fault::Silent] {
                // Silence and damage twice: the third try is answered.
                let times = if matches!(fault, Fault::Damaged | Fault::Silent) { 2 } else { 1 };
                faults.lock().unwrap().extend(vec![fault; times]);
                let values = reader.round().await.unwrap_or_else(|why| panic!("{name} {fault:?}: {why}"));
                assert_eq!((reader.family, number(&values, "battery_soc_pct")), (Some(family), Some(soc)), "{name} {fault:?}");
                let told = number(&values, "battery_power_w").unwrap();
                assert!((told - watts).abs() < 0.6, "{name} {fault:?}: {told}");
            }
        }
    }

    #[tokio::test]
    async fn silence_is_explained_and_its_end_shown() {
        let faults = Arc::new(Mutex::new(VecDeque::from(vec![Fault::Silent; 27])));
        let (registry, mut reader) =
            (DeviceRegistry::default(), reader(inverter("goodwe-es-gw5048-em", Arc::clone(&faults)).await));
        reader.answer = Duration::from_millis(30);
        let timeout_s = Duration::from_secs(30);
        let device = registry.add(DeviceInfo {
            id: ID.into(),
            kind: DeviceKind::Inverter,
            name: "G".into(),
            connection: "x".into(),
            timeout: timeout_s,
        });
        let (sender, mut received) = mpsc::channel(1);
        let serving = reader.serve(&device, Some(&sender));
        let watching = async {
            let mut changes = registry.subscribe();
            loop {
                changes.changed().await.unwrap();
                let shown = registry.current();
                if shown[0].note == SILENT {
                    assert_eq!(shown[0].values(now().at).count(), 0);
                    break;
                }
            }
            faults.lock().unwrap().clear();
            let value = received.recv().await.unwrap();
            assert!(matches!(value, PartnerValue::Power(watts) if (watts.get() + 979.0).abs() < 1.0), "{value:?}");
            while registry.current()[0].number("battery_current_avg_a", now().at) != Some(-18.5) {
                changes.changed().await.unwrap();
            }
            assert_eq!(registry.current()[0].note, "");
        };
        tokio::select! {
            () = serving => panic!("it reads on"),
            () = watching => {}
            () = runtime::sleep_until(now().at.after(Duration::from_secs(60))) => panic!("in time"),
        }
    }

    #[tokio::test]
    async fn it_is_found_by_its_answer_to_the_search() {
        let address = inverter("goodwe-es-gw5048-em", Arc::default()).await;
        assert_eq!(search(address).await.unwrap(), Some(Ipv4Addr::LOCALHOST));
    }

    #[tokio::test]
    async fn modbus_tcp_is_read_and_a_second_client_that_is_refused_is_silence() {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let table = recording("goodwe-et-gw10k-et");
        tokio::spawn(async move {
            // The first connection is closed at once.
            drop(listener.accept().await.unwrap());
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 12];
            while stream.read_exact(&mut request).await.is_ok() {
                let (_, reply) = table.iter().find(|(known, _)| known[2..6] == request[8..12]).unwrap();
                let data = &reply[2..reply.len() - 2];
                let head = [request[0], request[1], 0, 0, 0, u8::try_from(data.len()).unwrap()];
                for piece in [&head[..], &data[..1], &data[1..]] {
                    stream.write_all(piece).await.unwrap();
                }
            }
        });
        let mut reader = Reader::new(&address);
        assert_eq!(reader.round().await, Err(SILENT));
        let values = reader.round().await.unwrap();
        assert_eq!((number(&values, "battery_soc_pct"), number(&values, "grid_power_w")), (Some(68.0), Some(110.0)));
    }
}

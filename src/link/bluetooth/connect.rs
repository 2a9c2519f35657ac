//! From an address to a connection with two ends for bytes: finds the device, connects, waits for its services and subscribes.

use super::bluez::{ADAPTER, Bluez, CHARACTERISTIC, CallError, DEVICE, Objects, PROPERTIES, Properties, SERVICE, is_below};
use super::error::BluetoothError;
use super::{BluetoothOptions, scan};
use crate::base::runtime::pause;
use crate::bms::bluetooth::{BOARDS, BluetoothBoard};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::time::Duration;
use zbus::message::Type;
use zbus::{MatchRule, MessageStream, Variant};

/// Time limits of connecting; together well below the watchdog's for a port.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
const RESOLVE_LIMIT: Duration = Duration::from_secs(20);
const SCAN_LIMIT: Duration = Duration::from_secs(12);
/// Interval of looking for a change.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Time limit for hanging up.
const DISCONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Queue of notifications: those of several seconds.
const NOTIFICATIONS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);
/// Bytes per write where no MTU is known, and what an MTU contains beside the bytes.
const SHORTEST_PIECE: usize = 20;
const ATT_HEADER: u16 = 3;

/// A connected device.
pub(super) struct Session {
    pub(super) bluez: Bluez,
    /// Its path.
    pub(super) device: String,
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
    /// The family whose characteristics are used, for the password.
    pub(super) board: &'static BluetoothBoard,
    /// The families that may be there: a BMS must not receive requests of another, which some take for a command.
    pub(super) families: Vec<&'static str>,
}

/// Where notifications come from.
pub(super) enum Incoming {
    /// A socket from BlueZ with one packet per notification.
    Descriptor(OwnedFd),
    /// Changes of the characteristic's value.
    Signals { messages: Box<MessageStream>, characteristic: String },
}

/// Where bytes are written to.
pub(super) enum Outgoing {
    /// A socket from BlueZ, and the number of bytes per packet.
    Descriptor(OwnedFd, usize),
    /// Calls, with this kind of write, and the other one as long as it was not tried.
    Calls { characteristic: String, kind: &'static str, other: Option<&'static str> },
}

/// Connects to the device at `address`.
pub(super) async fn connect(address: &str, options: &BluetoothOptions) -> Result<Session, BluetoothError> {
    let bluez = Bluez::connect(&options.bus).await?;
    let device = find(&bluez, address, options).await?;
    let used = match use_device(&bluez, &device, options).await {
        Ok(used) => used,
        Err(error) => {
            // Also ends an attempt that BlueZ still makes: a half connected device answers to nobody else.
            disconnect(&bluez, &device).await;
            return Err(error);
        }
    };
    let (incoming, outgoing, found) = used;
    Ok(Session { bluez, device, incoming, outgoing, board: found.board, families: found.families })
}

/// Disconnects the device; it stays known to BlueZ.
pub(super) async fn disconnect(bluez: &Bluez, device: &str) {
    if let Err(error) = bluez.call_within(DISCONNECT_LIMIT, (device, DEVICE), "Disconnect", &()).await {
        log::debug!("{device}: not disconnected: {}", error.text);
    }
}

/// The adapters to use: switched on, and the configured one if one is.
pub(super) fn adapters(objects: &Objects, wanted: Option<&str>) -> Result<Vec<String>, BluetoothError> {
    let named = |path: &str| path.rsplit('/').next().is_some_and(|name| wanted.is_none_or(|wanted| wanted == name));
    let known: Vec<_> = objects.with(ADAPTER).filter(|(path, _)| named(path)).collect();
    let Some((first, _)) = known.first() else { return Err(BluetoothError::NoAdapter(wanted.map(str::to_owned))) };
    let on: Vec<String> = known.iter().filter(|(_, facts)| facts.flag("Powered")).map(|(path, _)| (*path).to_owned()).collect();
    match on.is_empty() {
        true => Err(BluetoothError::AdapterOff(first.rsplit('/').next().unwrap_or(first).to_owned())),
        false => Ok(on),
    }
}

/// The path of a device that BlueZ knows, through any of these adapters.
pub(super) fn known(objects: &Objects, adapters: &[String], address: &str) -> Option<String> {
    let has_address = |facts: &Properties| facts.text("Address").is_some_and(|own| own.eq_ignore_ascii_case(address));
    let mut devices = adapters.iter().flat_map(|adapter| objects.devices(adapter));
    devices.find(|(_, facts)| has_address(facts)).map(|(path, _)| path.to_owned())
}

/// The device: a known one is not scanned for, because a scan disturbs other programs and is disturbed by them.
async fn find(bluez: &Bluez, address: &str, options: &BluetoothOptions) -> Result<String, BluetoothError> {
    let objects = bluez.objects().await?;
    let adapters = adapters(&objects, options.adapter.as_deref())?;
    if let Some(device) = known(&objects, &adapters, address) {
        return Ok(device);
    }
    log::info!("{address} is not known to BlueZ yet; scanning for up to {} s", SCAN_LIMIT.as_secs());
    let found = |objects: &Objects| known(objects, &adapters, address);
    scan::until(bluez, &adapters, SCAN_LIMIT, found).await?.ok_or(BluetoothError::NotHeard(SCAN_LIMIT.as_secs()))
}

async fn use_device(
    bluez: &Bluez,
    device: &str,
    options: &BluetoothOptions,
) -> Result<(Incoming, Outgoing, Found), BluetoothError> {
    // One that was left connected, by a run that was killed, is used as it is.
    if !bluez.flag(device, DEVICE, "Connected").await.unwrap_or(false) {
        match bluez.call_within(CONNECT_LIMIT, (device, DEVICE), "Connect", &()).await {
            Ok(_) => {}
            // Another attempt is under way: its result shows below.
            Err(error) if error.is("InProgress") || error.is("AlreadyConnected") => {}
            Err(error) => return Err(BluetoothError::Refused(error.text)),
        }
    }
    resolve(bluez, device).await?;
    let objects = bluez.objects().await?;
    let found = characteristics(&objects, device, options).ok_or(BluetoothError::NoService)?;
    let incoming = subscribe(bluez, device, &found.notify).await?;
    let outgoing = prepare_writing(bluez, &found.write, &found.write_flags).await;
    Ok((incoming, outgoing, found))
}

/// Waits until the services are known.
async fn resolve(bluez: &Bluez, device: &str) -> Result<(), BluetoothError> {
    let resolved = async {
        while !bluez.flag(device, DEVICE, "ServicesResolved").await? {
            pause(LOOK_INTERVAL).await;
        }
        Ok(())
    };
    match tokio::time::timeout(RESOLVE_LIMIT, resolved).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err::<_, CallError>(error)) => Err(BluetoothError::Lost(error.text)),
        Err(_) => Err(BluetoothError::Unresolved(RESOLVE_LIMIT.as_secs())),
    }
}

/// A characteristic of a device.
struct Characteristic<'a> {
    path: &'a str,
    service: u16,
    uuid: u16,
    flags: Vec<String>,
}

impl Characteristic<'_> {
    fn can(&self, kinds: &[&str]) -> bool {
        self.flags.iter().any(|flag| kinds.contains(&flag.as_str()))
    }
}

/// What the device is, and the characteristics to use.
struct Found {
    board: &'static BluetoothBoard,
    families: Vec<&'static str>,
    /// Path to be notified by.
    notify: String,
    /// Path to write to, and the kinds of write that it knows.
    write: String,
    write_flags: Vec<String>,
}

/// The first family whose characteristics the device has, those that it is recognised as first.
fn characteristics(objects: &Objects, device: &str, options: &BluetoothOptions) -> Option<Found> {
    let service_of = |facts: &Properties| {
        let path = facts.path("Service")?;
        objects.with(SERVICE).find(|(own, _)| *own == path).and_then(|(_, service)| service.short_uuid())
    };
    let of_device = objects.with(CHARACTERISTIC).filter(|(path, _)| is_below(device, path));
    let all: Vec<Characteristic<'_>> = of_device
        .filter_map(|(path, facts)| {
            Some(Characteristic { path, service: service_of(facts)?, uuid: facts.short_uuid()?, flags: facts.texts("Flags") })
        })
        .collect();
    let advertised = objects.with(DEVICE).find(|(path, _)| *path == device);
    let is_recognised = |board: &BluetoothBoard| {
        advertised.is_some_and(|(_, facts)| board.recognises(facts.text("Name"), &facts.keys("ManufacturerData")))
    };
    let is_wanted = |board: &&BluetoothBoard| options.families.is_empty() || options.families.contains(&board.driver.name);
    let mut boards: Vec<&'static BluetoothBoard> = BOARDS.iter().filter(is_wanted).collect();
    boards.sort_by_key(|board| !is_recognised(board));
    boards.into_iter().find_map(|board| {
        let with =
            |uuid: u16, kinds: &[&str]| all.iter().find(|one| one.service == board.service && one.uuid == uuid && one.can(kinds));
        let notify = with(board.notify, &["notify", "indicate"])?;
        let write = with(board.write, &["write", "write-without-response"])?;
        let alike = |other: &&BluetoothBoard| {
            let same = (other.service, other.notify, other.write) == (board.service, board.notify, board.write);
            same && is_wanted(other) && (is_recognised(other) || !is_recognised(board))
        };
        let families = BOARDS.iter().filter(alike).map(|board| board.driver.name).collect();
        let (write_flags, write) = (write.flags.clone(), write.path.to_owned());
        Some(Found { board, families, notify: notify.path.to_owned(), write, write_flags })
    })
}

/// Starts the notifications: by a socket where BlueZ gives one, else by signals.
async fn subscribe(bluez: &Bluez, device: &str, characteristic: &str) -> Result<Incoming, BluetoothError> {
    let object = (characteristic, CHARACTERISTIC);
    match acquire(bluez, object, "AcquireNotify").await {
        Ok((fd, _)) => return Ok(Incoming::Descriptor(fd)),
        Err(error) => log::debug!("{characteristic}: no socket for notifications: {}", error.text),
    }
    let lost = |error: zbus::Error| BluetoothError::Lost(error.to_string());
    let rule = MatchRule::builder().msg_type(Type::Signal).interface(PROPERTIES).member("PropertiesChanged");
    let rule = rule.path_namespace(device).build().map_err(lost)?;
    let messages = MessageStream::for_match_rule(rule, &bluez.0, Some(NOTIFICATIONS)).await.map_err(lost)?.into();
    match bluez.call(object, "StartNotify", &()).await {
        Ok(_) => Ok(Incoming::Signals { messages, characteristic: characteristic.to_owned() }),
        Err(error) if error.is("InProgress") || error.is("NotPermitted") => Err(BluetoothError::Busy(error.text)),
        Err(error) => Err(BluetoothError::Lost(error.text)),
    }
}

/// Prepares writing: by a socket where BlueZ gives one, which is always without response.
async fn prepare_writing(bluez: &Bluez, characteristic: &str, flags: &[String]) -> Outgoing {
    let has = |flag: &str| flags.iter().any(|own| own == flag);
    let without_response = has("write-without-response");
    if without_response {
        match acquire(bluez, (characteristic, CHARACTERISTIC), "AcquireWrite").await {
            Ok((fd, mtu)) => {
                return Outgoing::Descriptor(fd, usize::from(mtu.saturating_sub(ATT_HEADER)).max(SHORTEST_PIECE));
            }
            Err(error) => log::debug!("{characteristic}: no socket for writing: {}", error.text),
        }
    }
    let (kind, other) = if without_response { ("command", "request") } else { ("request", "command") };
    Outgoing::Calls { characteristic: characteristic.to_owned(), kind, other: Some(other) }
}

/// A socket of a characteristic, and the MTU.
async fn acquire(bluez: &Bluez, object: (&str, &str), member: &str) -> Result<(OwnedFd, u16), CallError> {
    let reply = bluez.call(object, member, &HashMap::<&str, Variant<'_>>::new()).await?;
    let (fd, mtu) = reply.body().deserialize::<(zbus::OwnedFd, u16)>()?;
    Ok((fd.into(), mtu))
}

/// Writes bytes in pieces.
pub(super) async fn write_by_calls(bluez: &Bluez, outgoing: &mut Outgoing, bytes: &[u8]) -> Result<(), BluetoothError> {
    let Outgoing::Calls { characteristic, kind, other } = outgoing else { return Ok(()) };
    for piece in bytes.chunks(SHORTEST_PIECE) {
        let object = (characteristic.as_str(), CHARACTERISTIC);
        let write = |kind: &'static str| async move {
            let options = HashMap::from([("type", Variant::from(kind))]);
            bluez.call(object, "WriteValue", &(piece, options)).await
        };
        let Err(error) = write(kind).await else {
            // It works: the other one is not needed.
            *other = None;
            continue;
        };
        let Some(untried) = other.take() else { return Err(BluetoothError::Lost(error.text)) };
        write(untried).await.map_err(|_| BluetoothError::Lost(error.text))?;
        *kind = untried;
    }
    Ok(())
}

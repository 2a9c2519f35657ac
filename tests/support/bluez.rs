//! A stand-in for BlueZ on a private bus: an adapter and devices with a service and two characteristics each, with the faults of real
//! ones. Behind each device is a board that answers to bytes.
#![allow(clippy::disallowed_methods, reason = "the far end of a port lives in threads and in real time")]

use super::board::Answers;
use super::bus::Bus;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use zbus::connection::Builder;
use zbus::message::{Message, Type};
use zbus::{Connection, Fd, MatchRule, MessageStream, ObjectPath, Variant};

/// The address of the first device.
pub(crate) const ADDRESS: &str = "C8:47:8C:12:34:56";
const ADAPTER: &str = "/org/bluez/hci0";

/// The address of a device by its place.
pub(crate) fn address_of(place: usize) -> String {
    format!("C8:47:8C:12:34:{:02X}", 0x56 + place)
}

/// An object of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Device,
    Service,
    Notify,
    Write,
}

/// The path of an object of the device in this place.
fn path_of(place: usize, part: Part) -> String {
    let device = format!("{ADAPTER}/dev_{}", address_of(place).replace(':', "_"));
    match part {
        Part::Device => device,
        Part::Service => format!("{device}/service000c"),
        Part::Notify => format!("{device}/service000c/char000d"),
        Part::Write => format!("{device}/service000c/char0010"),
    }
}

/// The 16-bit UUIDs of service, notifying and writable characteristic.
pub(crate) type Uuids = (u16, u16, u16);
pub(crate) const JBD: Uuids = (0xFF00, 0xFF01, 0xFF02);

/// How adapter and device behave.
#[derive(Debug, Clone)]
pub(crate) struct Radio {
    pub(crate) uuids: Uuids,
    pub(crate) name: &'static str,
    pub(crate) manufacturer: Option<u16>,
    pub(crate) powered: bool,
    /// BlueZ knows the device without a scan.
    pub(crate) known: bool,
    /// It is in range: a scan finds it.
    pub(crate) in_range: bool,
    /// It is connected from the start.
    pub(crate) connected: bool,
    /// Errors of the next calls to `Connect`, in order.
    pub(crate) connect_errors: Vec<&'static str>,
    /// Error of each `StartDiscovery`.
    pub(crate) scan_error: Option<&'static str>,
    pub(crate) resolves: bool,
    /// Notifications and writes are handed out as sockets.
    pub(crate) sockets: bool,
    /// Kinds of write that the characteristic accepts.
    pub(crate) write_flags: &'static [&'static str],
    /// Kinds of write that work.
    pub(crate) working_writes: &'static [&'static str],
    /// Longest notification.
    pub(crate) piece: usize,
    /// The connection ends after this many answers.
    pub(crate) drop_after: Option<usize>,
    /// Another client of this computer has the characteristic.
    pub(crate) busy: bool,
}

impl Default for Radio {
    fn default() -> Self {
        Self {
            uuids: JBD,
            name: "xiaoxiang BMS",
            manufacturer: None,
            powered: true,
            known: true,
            in_range: true,
            connected: false,
            connect_errors: Vec::new(),
            scan_error: None,
            resolves: true,
            sockets: true,
            write_flags: &["write", "write-without-response"],
            working_writes: &["command", "request"],
            piece: 20,
            drop_after: None,
            busy: false,
        }
    }
}

/// What was done with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Done {
    /// Methods in their order, without `Get` and `GetManagedObjects`.
    pub(crate) calls: Vec<String>,
    /// Kinds of the writes by call.
    pub(crate) write_kinds: Vec<String>,
    /// The bytes that the board received, per write.
    pub(crate) written: Vec<Vec<u8>>,
}

impl Done {
    /// How often a method was called.
    pub(crate) fn count(&self, member: &str) -> usize {
        self.calls.iter().filter(|call| *call == member).count()
    }
}

struct State {
    devices: Vec<Device>,
    done: Done,
}

struct Device {
    radio: Radio,
    answers: Answers,
    answered: usize,
    connected: bool,
    heard: bool,
    /// Notifications by signal go out one answer after the other.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Our end of the socket for notifications.
    notify: Option<OwnedFd>,
    notifying: bool,
}

/// The service, stopped on drop.
pub(crate) struct Bluez {
    state: Arc<Mutex<State>>,
    stop: Arc<tokio::sync::Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Bluez {
    /// Puts it on the bus, with a board that takes each write and returns what it notifies.
    pub(crate) fn start(bus: &Bus, radio: Radio, answers: Answers) -> Self {
        Self::start_all(bus, vec![(radio, answers)])
    }

    /// As [`Bluez::start`], with several devices.
    pub(crate) fn start_all(bus: &Bus, devices: Vec<(Radio, Answers)>) -> Self {
        let devices = devices.into_iter().map(|(radio, answers)| {
            let (connected, heard) = (radio.connected, radio.known);
            Device { radio, answers, answered: 0, connected, heard, turn: Arc::default(), notify: None, notifying: false }
        });
        let devices: Vec<Device> = devices.collect();
        let places = devices.len();
        let state = State { devices, done: Done::default() };
        let (state, stop) = (Arc::new(Mutex::new(state)), Arc::new(tokio::sync::Notify::new()));
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (shared, stopped, address) = (Arc::clone(&state), Arc::clone(&stop), bus.address().to_string());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let connection = Builder::address(address.as_str()).build().await.unwrap();
                let rule = MatchRule::builder().msg_type(Type::MethodCall).build().unwrap();
                let mut calls = MessageStream::for_match_rule(rule, &connection, None).await.unwrap();
                connection.request_name("org.bluez").await.unwrap();
                ready.send(()).unwrap();
                let unasked = async {
                    loop {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        for place in 0..places {
                            answer(&connection, &shared, place, &[]).await;
                        }
                    }
                };
                tokio::select! {
                    () = serve(&connection, &mut calls, &shared) => {}
                    () = unasked => {}
                    () = stopped.notified() => {}
                }
            });
        });
        is_ready.recv().unwrap();
        Self { state, stop, thread: Some(thread) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What was done so far.
    pub(crate) fn done(&self) -> Done {
        self.state().done.clone()
    }

    /// Whether a device is connected.
    pub(crate) fn is_connected(&self) -> bool {
        self.state().devices.iter().any(|device| device.connected)
    }

    /// Ends the connections, as a weak radio does.
    pub(crate) fn drop_connection(&self) {
        self.state().devices.iter_mut().for_each(disconnect);
    }
}

impl Drop for Bluez {
    fn drop(&mut self) {
        self.stop.notify_one();
        self.state().devices.iter_mut().for_each(|device| device.notify = None);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A reply, or the last part of the name of one of BlueZ' errors.
type Outcome = Result<Message, &'static str>;

async fn serve(connection: &Connection, calls: &mut MessageStream, state: &Arc<Mutex<State>>) {
    loop {
        let call =
            std::future::poll_fn(|cx| zbus::export::futures_core::Stream::poll_next(std::pin::Pin::new(&mut *calls), cx)).await;
        let Some(Ok(call)) = call else { return };
        let header = call.header();
        let (path, member) = (header.path().unwrap().to_string(), header.member().unwrap().to_string());
        let outcome = handle(&mut state.lock().unwrap(), state, &call, &path, &member);
        match outcome {
            Ok(reply) => connection.send(&reply).await.unwrap(),
            Err(name) => {
                let error = Message::error(&header, format!("org.bluez.Error.{name}"));
                connection.send(&error.build(&format!("le-{name}")).unwrap()).await.unwrap();
            }
        }
        if member == "WriteValue" {
            let written = state.lock().unwrap().done.written.last().cloned().unwrap_or_default();
            let found = find(&state.lock().unwrap().devices, &path);
            if let Some((place, _)) = found {
                answer(connection, state, place, &written).await;
            }
        }
    }
}

/// The device that an object belongs to.
fn find(devices: &[Device], path: &str) -> Option<(usize, Part)> {
    let parts = [Part::Device, Part::Service, Part::Notify, Part::Write];
    let places = (0..devices.len()).flat_map(|place| parts.map(|part| (place, part)));
    places.into_iter().find(|(place, part)| path_of(*place, *part) == path)
}

/// What does not need the connection.
fn handle(state: &mut State, shared: &Arc<Mutex<State>>, call: &Message, path: &str, member: &str) -> Outcome {
    let header = call.header();
    let done = || Ok(Message::method_return(&header).build(&()).unwrap());
    if !matches!(member, "Get" | "GetManagedObjects") {
        state.done.calls.push(member.to_owned());
    }
    match (path, member) {
        ("/", "GetManagedObjects") => return Ok(Message::method_return(&header).build(&objects(state)).unwrap()),
        (ADAPTER, "SetDiscoveryFilter" | "StopDiscovery") => return done(),
        (ADAPTER, "StartDiscovery") => {
            state.devices.iter_mut().for_each(|device| device.heard |= device.radio.in_range);
            return state.devices[0].radio.scan_error.map_or_else(done, Err);
        }
        _ => {}
    }
    let (place, part) = find(&state.devices, path).unwrap_or_else(|| panic!("{path} is not part of BlueZ"));
    let device = &mut state.devices[place];
    match (part, member) {
        (Part::Device, "Get") => {
            let (_, name): (String, String) = call.body().deserialize().unwrap();
            let value = match name.as_str() {
                "Connected" => device.connected,
                "ServicesResolved" => device.connected && device.radio.resolves,
                other => panic!("{other} is not read"),
            };
            Ok(Message::method_return(&header).build(&Variant::from(value)).unwrap())
        }
        (Part::Device, "Connect") => {
            if !device.radio.connect_errors.is_empty() {
                let error = device.radio.connect_errors.remove(0);
                // Another attempt is under way, and will succeed.
                device.connected = error == "InProgress";
                return Err(error);
            }
            if !device.radio.in_range {
                return Err("Failed");
            }
            (device.connected, device.answered) = (true, 0);
            done()
        }
        (Part::Device, "Disconnect") => {
            disconnect(device);
            done()
        }
        (Part::Notify | Part::Write, "AcquireNotify" | "AcquireWrite" | "StartNotify") if device.radio.busy => Err("NotPermitted"),
        (Part::Notify | Part::Write, "AcquireNotify" | "AcquireWrite") if !device.radio.sockets => Err("NotSupported"),
        (Part::Notify, "AcquireNotify") => {
            let (ours, theirs) = pair();
            device.notify = Some(ours);
            Ok(Message::method_return(&header).build(&(Fd::from(theirs), 23u16)).unwrap())
        }
        (_, "AcquireWrite") => {
            let (ours, theirs) = pair();
            let state = Arc::clone(shared);
            std::thread::spawn(move || receive_writes(&ours, &state, place));
            Ok(Message::method_return(&header).build(&(Fd::from(theirs), 23u16)).unwrap())
        }
        (Part::Notify, "StartNotify") => {
            device.notifying = true;
            done()
        }
        (_, "WriteValue") => {
            let body = call.body();
            let (bytes, options): (Vec<u8>, HashMap<String, Variant<'_>>) = body.deserialize().unwrap();
            let kind: String = options["type"].try_clone().unwrap().try_into().unwrap();
            let works = device.radio.working_writes.contains(&kind.as_str());
            state.done.write_kinds.push(kind);
            state.done.written.push(if works { bytes } else { Vec::new() });
            if works { done() } else { Err("Failed") }
        }
        other => panic!("{other:?} is not part of BlueZ"),
    }
}

fn disconnect(device: &mut Device) {
    (device.connected, device.notify, device.notifying) = (false, None, false);
}

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

/// Passes the packets of a socket on to the board, until the other end is closed or the device is disconnected.
fn receive_writes(fd: &OwnedFd, state: &Arc<Mutex<State>>, place: usize) {
    let mut buf = [0; 512];
    while let Ok(n @ 1..) = rustix::io::read(fd, &mut buf) {
        let State { devices, done } = &mut *state.lock().unwrap();
        let device = &mut devices[place];
        done.written.push(buf[..n].to_vec());
        let answer = (device.answers)(&buf[..n]);
        for piece in answer.chunks(device.radio.piece) {
            let Some(notify) = &device.notify else { return };
            if rustix::io::write(notify, piece).is_err() {
                return;
            }
        }
        if !count(device, &answer) {
            return;
        }
    }
}

/// Counts an answer; false once the connection has dropped.
fn count(device: &mut Device, answer: &[u8]) -> bool {
    device.answered += usize::from(!answer.is_empty());
    let dropped = device.radio.drop_after.is_some_and(|after| device.answered >= after);
    if dropped {
        disconnect(device);
    }
    !dropped
}

/// The board's answer to bytes that were written by call, or what it says unasked.
async fn answer(connection: &Connection, state: &Arc<Mutex<State>>, place: usize, written: &[u8]) {
    let turn = Arc::clone(&state.lock().unwrap().devices[place].turn);
    let _turn = turn.lock().await;
    let (pieces, dropped) = {
        let device = &mut state.lock().unwrap().devices[place];
        if device.notify.is_none() && !device.notifying {
            return;
        }
        let answer = (device.answers)(written);
        let pieces: Vec<Vec<u8>> = answer.chunks(device.radio.piece).map(<[u8]>::to_vec).collect();
        if let Some(notify) = &device.notify {
            let _ = pieces.iter().try_for_each(|piece| rustix::io::write(notify, piece).map(drop));
        }
        let signals = if device.notifying { pieces } else { Vec::new() };
        (signals, !count(device, &answer))
    };
    for piece in pieces {
        let path = path_of(place, Part::Notify);
        changed(connection, &path, "org.bluez.GattCharacteristic1", "Value", Variant::from(piece)).await;
    }
    if dropped {
        let path = path_of(place, Part::Device);
        changed(connection, &path, "org.bluez.Device1", "Connected", Variant::from(false)).await;
    }
}

async fn changed(connection: &Connection, path: &str, interface: &str, property: &str, value: Variant<'_>) {
    let body = (interface, HashMap::from([(property, value)]), Vec::<&str>::new());
    let properties = "org.freedesktop.DBus.Properties";
    connection.emit_signal(None::<&str>, path, properties, "PropertiesChanged", &body).await.unwrap();
}

type Properties = HashMap<&'static str, Variant<'static>>;

type Objects = HashMap<ObjectPath<'static>, HashMap<&'static str, Properties>>;

fn uuid(short: u16) -> String {
    format!("{short:08x}-0000-1000-8000-00805f9b34fb")
}

fn path(path: String) -> ObjectPath<'static> {
    ObjectPath::try_from(path).unwrap()
}

fn objects(state: &State) -> Objects {
    let powered = state.devices.iter().all(|device| device.radio.powered);
    let adapter = Properties::from([("Powered", Variant::from(powered))]);
    let mut all = Objects::from([(path(ADAPTER.to_owned()), HashMap::from([("org.bluez.Adapter1", adapter)]))]);
    for (place, device) in state.devices.iter().enumerate().filter(|(_, device)| device.heard) {
        objects_of(place, device, &mut all);
    }
    all
}

fn objects_of(place: usize, device: &Device, all: &mut Objects) {
    let radio = &device.radio;
    let own = |part: Part| path(path_of(place, part));
    let mut facts = Properties::from([
        ("Address", Variant::from(address_of(place))),
        ("Name", Variant::from(radio.name)),
        ("RSSI", Variant::from(-71i16)),
        ("Connected", Variant::from(device.connected)),
        ("UUIDs", Variant::from(vec![uuid(radio.uuids.0)])),
    ]);
    if let Some(number) = radio.manufacturer {
        facts.insert("ManufacturerData", Variant::from(HashMap::from([(number, Variant::from(vec![1u8, 2]))])));
    }
    all.insert(own(Part::Device), HashMap::from([("org.bluez.Device1", facts)]));
    if !device.connected || !radio.resolves {
        return;
    }
    let (service, notify, write) = radio.uuids;
    let facts = Properties::from([("UUID", Variant::from(uuid(service)))]);
    all.insert(own(Part::Service), HashMap::from([("org.bluez.GattService1", facts)]));
    let characteristic = |short: u16, flags: Vec<&'static str>| {
        let service = ("Service", Variant::from(own(Part::Service)));
        let facts = [("UUID", Variant::from(uuid(short))), service, ("Flags", Variant::from(flags))];
        HashMap::from([("org.bluez.GattCharacteristic1", Properties::from(facts))])
    };
    // Some modules have two characteristics of the same UUID.
    all.insert(own(Part::Notify), characteristic(notify, vec!["notify"]));
    all.insert(own(Part::Write), characteristic(write, radio.write_flags.to_vec()));
}

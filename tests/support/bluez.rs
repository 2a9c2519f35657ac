//! A stand-in for BlueZ on a private bus: an adapter and one device with a service and two characteristics, with the faults of real
//! ones. Its radio is a board that answers to bytes.
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

/// The device's address.
pub(crate) const ADDRESS: &str = "C8:47:8C:12:34:56";
const ADAPTER: &str = "/org/bluez/hci0";
const DEVICE: &str = "/org/bluez/hci0/dev_C8_47_8C_12_34_56";
const SERVICE: &str = "/org/bluez/hci0/dev_C8_47_8C_12_34_56/service000c";
const NOTIFY: &str = "/org/bluez/hci0/dev_C8_47_8C_12_34_56/service000c/char000d";
const WRITE: &str = "/org/bluez/hci0/dev_C8_47_8C_12_34_56/service000c/char0010";

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
    radio: Radio,
    done: Done,
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
        let (connected, heard) = (radio.connected, radio.known);
        let done = Done::default();
        let state =
            State { radio, done, answers, answered: 0, connected, heard, turn: Arc::default(), notify: None, notifying: false };
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
                        answer(&connection, &shared, &[]).await;
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

    /// Whether the device is connected.
    pub(crate) fn is_connected(&self) -> bool {
        self.state().connected
    }

    /// Ends the connection, as a weak radio does.
    pub(crate) fn drop_connection(&self) {
        disconnect(&mut self.state());
    }
}

impl Drop for Bluez {
    fn drop(&mut self) {
        self.stop.notify_one();
        self.state().notify = None;
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
            answer(connection, state, &written).await;
        }
    }
}

/// What does not need the connection.
fn handle(state: &mut State, shared: &Arc<Mutex<State>>, call: &Message, path: &str, member: &str) -> Outcome {
    let header = call.header();
    let done = || Ok(Message::method_return(&header).build(&()).unwrap());
    if !matches!(member, "Get" | "GetManagedObjects") {
        state.done.calls.push(member.to_owned());
    }
    match (path, member) {
        ("/", "GetManagedObjects") => Ok(Message::method_return(&header).build(&objects(state)).unwrap()),
        (DEVICE, "Get") => {
            let (_, name): (String, String) = call.body().deserialize().unwrap();
            let value = match name.as_str() {
                "Connected" => state.connected,
                "ServicesResolved" => state.connected && state.radio.resolves,
                other => panic!("{other} is not read"),
            };
            Ok(Message::method_return(&header).build(&Variant::from(value)).unwrap())
        }
        (ADAPTER, "SetDiscoveryFilter" | "StopDiscovery") => done(),
        (ADAPTER, "StartDiscovery") => {
            state.heard |= state.radio.in_range;
            state.radio.scan_error.map_or_else(done, Err)
        }
        (DEVICE, "Connect") => {
            if !state.radio.connect_errors.is_empty() {
                let error = state.radio.connect_errors.remove(0);
                // Another attempt is under way, and will succeed.
                state.connected = error == "InProgress";
                return Err(error);
            }
            if !state.radio.in_range {
                return Err("Failed");
            }
            (state.connected, state.answered) = (true, 0);
            done()
        }
        (DEVICE, "Disconnect") => {
            disconnect(state);
            done()
        }
        (NOTIFY | WRITE, "AcquireNotify" | "AcquireWrite" | "StartNotify") if state.radio.busy => Err("NotPermitted"),
        (NOTIFY | WRITE, "AcquireNotify" | "AcquireWrite") if !state.radio.sockets => Err("NotSupported"),
        (NOTIFY, "AcquireNotify") => {
            let (ours, theirs) = pair();
            state.notify = Some(ours);
            Ok(Message::method_return(&header).build(&(Fd::from(theirs), 23u16)).unwrap())
        }
        (_, "AcquireWrite") => {
            let (ours, theirs) = pair();
            let state = Arc::clone(shared);
            std::thread::spawn(move || receive_writes(&ours, &state));
            Ok(Message::method_return(&header).build(&(Fd::from(theirs), 23u16)).unwrap())
        }
        (NOTIFY, "StartNotify") => {
            state.notifying = true;
            done()
        }
        (_, "WriteValue") => {
            let body = call.body();
            let (bytes, options): (Vec<u8>, HashMap<String, Variant<'_>>) = body.deserialize().unwrap();
            let kind: String = options["type"].try_clone().unwrap().try_into().unwrap();
            let works = state.radio.working_writes.contains(&kind.as_str());
            state.done.write_kinds.push(kind);
            state.done.written.push(if works { bytes } else { Vec::new() });
            if works { done() } else { Err("Failed") }
        }
        other => panic!("{other:?} is not part of BlueZ"),
    }
}

fn disconnect(state: &mut State) {
    (state.connected, state.notify, state.notifying) = (false, None, false);
}

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

/// Passes the packets of a socket on to the board, until the other end is closed or the device is disconnected.
fn receive_writes(fd: &OwnedFd, state: &Arc<Mutex<State>>) {
    let mut buf = [0; 512];
    while let Ok(n @ 1..) = rustix::io::read(fd, &mut buf) {
        let state = &mut *state.lock().unwrap();
        state.done.written.push(buf[..n].to_vec());
        let answer = (state.answers)(&buf[..n]);
        let piece = state.radio.piece;
        for piece in answer.chunks(piece) {
            let Some(notify) = &state.notify else { return };
            if rustix::io::write(notify, piece).is_err() {
                return;
            }
        }
        if !count(state, &answer) {
            return;
        }
    }
}

/// Counts an answer; false once the connection has dropped.
fn count(state: &mut State, answer: &[u8]) -> bool {
    state.answered += usize::from(!answer.is_empty());
    let dropped = state.radio.drop_after.is_some_and(|after| state.answered >= after);
    if dropped {
        disconnect(state);
    }
    !dropped
}

/// The board's answer to bytes that were written by call, or what it says unasked.
async fn answer(connection: &Connection, state: &Arc<Mutex<State>>, written: &[u8]) {
    let turn = Arc::clone(&state.lock().unwrap().turn);
    let _turn = turn.lock().await;
    let (pieces, dropped) = {
        let state = &mut *state.lock().unwrap();
        if state.notify.is_none() && !state.notifying {
            return;
        }
        let answer = (state.answers)(written);
        let pieces: Vec<Vec<u8>> = answer.chunks(state.radio.piece).map(<[u8]>::to_vec).collect();
        if let Some(notify) = &state.notify {
            let _ = pieces.iter().try_for_each(|piece| rustix::io::write(notify, piece).map(drop));
        }
        let signals = if state.notifying { pieces } else { Vec::new() };
        (signals, !count(state, &answer))
    };
    for piece in pieces {
        changed(connection, NOTIFY, "org.bluez.GattCharacteristic1", "Value", Variant::from(piece)).await;
    }
    if dropped {
        changed(connection, DEVICE, "org.bluez.Device1", "Connected", Variant::from(false)).await;
    }
}

async fn changed(connection: &Connection, path: &str, interface: &str, property: &str, value: Variant<'_>) {
    let body = (interface, HashMap::from([(property, value)]), Vec::<&str>::new());
    let properties = "org.freedesktop.DBus.Properties";
    connection.emit_signal(None::<&str>, path, properties, "PropertiesChanged", &body).await.unwrap();
}

type Properties = HashMap<&'static str, Variant<'static>>;

fn objects(state: &State) -> HashMap<ObjectPath<'static>, HashMap<&'static str, Properties>> {
    let radio = &state.radio;
    let path = |path: &'static str| ObjectPath::try_from(path).unwrap();
    let uuid = |short: u16| Variant::from(format!("{short:08x}-0000-1000-8000-00805f9b34fb"));
    let mut all = HashMap::from([(
        path(ADAPTER),
        HashMap::from([("org.bluez.Adapter1", Properties::from([("Powered", Variant::from(radio.powered))]))]),
    )]);
    if !state.heard {
        return all;
    }
    let mut device = Properties::from([
        ("Address", Variant::from(ADDRESS)),
        ("Name", Variant::from(radio.name)),
        ("RSSI", Variant::from(-71i16)),
        ("Connected", Variant::from(state.connected)),
        ("UUIDs", Variant::from(vec![format!("{:08x}-0000-1000-8000-00805f9b34fb", radio.uuids.0)])),
    ]);
    if let Some(number) = radio.manufacturer {
        device.insert("ManufacturerData", Variant::from(HashMap::from([(number, Variant::from(vec![1u8, 2]))])));
    }
    all.insert(path(DEVICE), HashMap::from([("org.bluez.Device1", device)]));
    if !state.connected || !radio.resolves {
        return all;
    }
    let (service, notify, write) = radio.uuids;
    all.insert(path(SERVICE), HashMap::from([("org.bluez.GattService1", Properties::from([("UUID", uuid(service))]))]));
    let characteristic = |own: u16, flags: Vec<&'static str>| {
        let facts = [("UUID", uuid(own)), ("Service", Variant::from(path(SERVICE))), ("Flags", Variant::from(flags))];
        HashMap::from([("org.bluez.GattCharacteristic1", Properties::from(facts))])
    };
    // Some modules have two characteristics of the same UUID.
    all.insert(path(NOTIFY), characteristic(notify, vec!["notify"]));
    all.insert(path(WRITE), characteristic(write, radio.write_flags.to_vec()));
    all
}

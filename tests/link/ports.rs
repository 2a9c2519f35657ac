//! The real ports: a pseudo terminal and a TCP connection, with the system's clock.
#![allow(clippy::disallowed_methods, reason = "the far ends of real ports live in threads")]

use dbus_bms::base::runtime::SystemClock;
use dbus_bms::bms::Line;
use dbus_bms::bms::jbd::DRIVER as JBD;
use dbus_bms::link::{Link, LinkError, OpenError, PortOptions, open};
use dbus_bms::model::Reading;
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

const BASIC: &[u8] = &[
    0xDD, 0x03, 0x00, 0x1B, 0x11, 0x38, 0x00, 0x62, 0x00, 0xA4, 0x04, 0xB0, 0x00, 0x00, 0x27, 0x6E, 0x02, 0x82, 0x00, 0x00, 0x00,
    0x00, 0x21, 0x0E, 0x03, 0x0B, 0x02, 0x0B, 0x22, 0x0B, 0x10, 0xFC, 0x42, 0x77,
];

/// The same battery at another time.
const OLDER_BASIC: &[u8] = &[
    0xDD, 0x03, 0x00, 0x1B, 0x10, 0x3C, 0xFE, 0x0E, 0x02, 0xD7, 0x04, 0xB0, 0x00, 0x00, 0x27, 0x6E, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x21, 0x3D, 0x03, 0x0B, 0x02, 0x0B, 0x37, 0x0B, 0x47, 0xFB, 0x69, 0x77,
];

/// A pseudo terminal: our end, and the name of the serial port at the other end.
fn pty() -> (OwnedFd, String) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    (ours, name)
}

/// Replies to `count` requests of seven bytes with the basic information.
fn answer(mut far: impl Read + Write, count: usize) {
    let mut request = [0; 7];
    for _ in 0..count {
        far.read_exact(&mut request).unwrap();
        far.write_all(BASIC).unwrap();
    }
}

fn ask(link: &mut Link) -> Result<Reading, LinkError> {
    let mut protocol = (JBD.new)(None);
    let mut reading = Reading::new("jbd", None);
    let request = protocol.identify();
    link.exchange(protocol.as_mut(), &request, &mut reading).map(|()| reading)
}

fn open_link(name: &str) -> Result<Link, OpenError> {
    let mut link = Link::new(open(name, &PortOptions::default())?, Box::new(SystemClock));
    link.prepare(Line { baud: 9600 }, Duration::ZERO).unwrap();
    Ok(link)
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn refusal(name: &str) -> OpenError {
    match open(name, &PortOptions::default()) {
        Ok(_) => panic!("{name} was opened"),
        Err(error) => error,
    }
}

#[test]
fn a_serial_port_carries_an_exchange() {
    let (ours, name) = pty();
    let mut link = open_link(&name).unwrap();
    let far = std::thread::spawn(move || {
        let mut far = File::from(ours);
        answer(&mut far, 3);
        far
    });
    for _ in 0..3 {
        assert_eq!(ask(&mut link).unwrap().voltage.unwrap().get(), 44.08);
    }
    drop(far.join().unwrap());
    assert!(matches!(ask(&mut link), Err(LinkError::Vanished(_))), "an unplugged port must be told from a silent one");
}

#[test]
fn waiting_for_a_silent_port_takes_no_cpu_and_the_stated_time() {
    let (_ours, name) = pty();
    let mut link = open_link(&name).unwrap();
    let (start, busy) = (Instant::now(), cpu_time());
    assert!(matches!(ask(&mut link), Err(LinkError::Silent)));
    let (took, busy) = (start.elapsed(), cpu_time() - busy);
    assert!((Duration::from_millis(490)..Duration::from_millis(900)).contains(&took), "{took:?}");
    assert!(busy < Duration::from_millis(20), "{busy:?} of computing while waiting");
}

#[test]
fn a_port_in_use_is_refused_until_it_is_free() {
    let (_ours, name) = pty();
    let first = open_link(&name).unwrap();
    assert!(matches!(refusal(&name), OpenError::Busy { .. }));
    drop(first);
    drop(open_link(&name).unwrap());
}

#[test]
fn a_port_is_left_as_it_was_found() {
    let (_ours, name) = pty();
    let witness = rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY, rustix::fs::Mode::empty()).unwrap();
    let before = tcgetattr(&witness).unwrap();
    let link = open_link(&name).unwrap();
    let during = tcgetattr(&witness).unwrap();
    assert!(before.local_modes.contains(LocalModes::ECHO) && !during.local_modes.contains(LocalModes::ECHO));
    assert_eq!(during.output_speed(), 9600);
    drop(link);
    let after = tcgetattr(&witness).unwrap();
    assert_eq!(
        (after.local_modes, after.input_modes, after.output_modes),
        (before.local_modes, before.input_modes, before.output_modes)
    );
    assert_eq!(after.output_speed(), before.output_speed());
}

#[test]
fn a_node_that_disappears_is_noticed_though_the_driver_says_nothing() {
    let (_ours, device) = pty();
    let node = std::env::temp_dir().join(format!("dbus-bms-node-{}", std::process::id()));
    std::os::unix::fs::symlink(&device, &node).unwrap();
    let mut link = open_link(node.to_str().unwrap()).unwrap();
    assert!(matches!(ask(&mut link), Err(LinkError::Silent)));
    std::fs::remove_file(&node).unwrap();
    assert!(matches!(ask(&mut link), Err(LinkError::Vanished(_))));
}

#[test]
fn old_input_is_dropped_before_a_request() {
    let (ours, name) = pty();
    let mut link = open_link(&name).unwrap();
    let mut far = File::from(ours);
    far.write_all(BASIC).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(matches!(ask(&mut link), Err(LinkError::Silent)), "bytes from before the request were taken for its answer");
}

#[test]
fn what_cannot_be_opened_is_explained() {
    assert!(matches!(refusal("/dev/ttyNOSUCH"), OpenError::Missing { .. }));
    assert!(matches!(refusal("/dev/null"), OpenError::NotSerial { .. }));
    assert!(matches!(refusal("/"), OpenError::NotSerial { .. }));
    assert!(matches!(refusal("tcp://nowhere"), OpenError::Address { .. }));
    assert!(matches!(refusal("tcp://127.0.0.1:1"), OpenError::Unreachable { .. }));
    let (_ours, name) = pty();
    let options = PortOptions { rs485: true, ..PortOptions::default() };
    let Err(error) = open(&name, &options) else { panic!("a pseudo terminal has no RS485 mode") };
    assert!(matches!(error, OpenError::Rs485 { .. }), "{error}");
    drop(open_link(&name).expect("the failed attempt kept the port"));
}

#[test]
fn low_latency_is_no_condition() {
    let (_ours, name) = pty();
    assert!(open(&name, &PortOptions { low_latency: true, ..PortOptions::default() }).is_ok());
}

#[test]
fn a_serial_server_carries_an_exchange_until_it_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("tcp://{}", listener.local_addr().unwrap());
    let far = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Bytes that the server kept from earlier are not a reply.
        stream.write_all(OLDER_BASIC).unwrap();
        answer(&mut stream, 3);
    });
    let mut link = open_link(&name).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    for _ in 0..3 {
        assert_eq!(ask(&mut link).unwrap().voltage.unwrap().get(), 44.08);
    }
    far.join().unwrap();
    assert!(matches!(ask(&mut link), Err(LinkError::Io(_))), "a closed connection is no silence and no vanished device");
}

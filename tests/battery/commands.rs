//! Commands to the simulated boards, in simulated time: carried out, refused, acknowledged only, and always cleaned up.

use dbus_bms::base::units::{AmpHours, Percent};
use dbus_bms::bms::write_sequence::WriteSequence;
use dbus_bms::bms::{self, DRIVERS, Protocol};
use dbus_bms::link::Link;
use dbus_bms::model::{Command, Fets, Outcome, Reading, Switch};
use dbus_bms::recording::replay_port::{ReplayPort, SimClock, TimedBytes};
use dbus_bms::sim::fault::Faults;
use dbus_bms::sim::pack::{CommandBehaviour, PackConfig};
use dbus_bms::sim::port::{SharedLine, SimPort};
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{BOARDS, Unit, responder};
use std::sync::{Arc, Mutex};

/// 2026-11-26 09:41:05 UTC
const UNIX: u64 = 1_795_686_065;

/// The frames that leave JBD's factory mode, and enter it.
const LEAVE: [u8; 9] = [0xDD, 0x5A, 0x01, 0x02, 0x00, 0x00, 0xFF, 0xFD, 0x77];
const ENTER: [u8; 9] = [0xDD, 0x5A, 0x00, 0x02, 0x56, 0x78, 0xFF, 0x30, 0x77];

/// The writes for `command` to the board.
fn encode(protocol: &dyn Protocol, command: Command, known: &Reading, first_try: bool) -> Option<WriteSequence> {
    protocol.commands()?.encode(command, known, Some(UNIX), first_try)
}

/// A board on a simulated line, read once.
struct Rig {
    link: Link,
    far: Arc<Mutex<SharedLine>>,
    protocol: Box<dyn Protocol>,
    known: Reading,
}

impl Rig {
    fn new(board: &'static str, obedience: CommandBehaviour) -> Self {
        Self::with_faults(board, obedience, "")
    }

    fn with_faults(board: &'static str, obedience: CommandBehaviour, faults: &str) -> Self {
        let driver = bms::driver(BOARDS.iter().find(|known| known.name == board).unwrap().driver).unwrap();
        let address = driver.addresses.first().copied();
        let mut unit =
            Unit::new(address.filter(|address| *address < 0xD2).unwrap_or(1), &PackConfig::default(), Scenario::default());
        unit.pack.command_behaviour = obedience;
        let clock = SimClock::default();
        let port = SimPort::new(clock.clone(), responder(board).unwrap(), vec![unit], Faults::parse(faults).unwrap(), 7);
        let far = port.shared_line();
        let mut link = Link::new(Box::new(port), Box::new(clock));
        link.prepare(driver.lines[0], driver.gap).unwrap();
        let mut protocol = (driver.new)(address);
        let mut known = Reading::new(driver.name, address);
        // The second reading contains the values missing in the first.
        for _ in 0..2 {
            known = (0..20).find_map(|_| link.poll(protocol.as_mut(), &known).ok()).expect("a reading");
        }
        Self { link, far, protocol, known }
    }

    fn tell(&mut self, command: Command) -> Outcome {
        let outcome = self.link.command(self.protocol.as_mut(), command, &mut self.known, Some(UNIX)).unwrap();
        if let Ok(reading) = self.link.poll(self.protocol.as_mut(), &self.known) {
            self.known = reading;
        }
        outcome
    }

    fn supports(&self, command: Command) -> bool {
        encode(self.protocol.as_ref(), command, &self.known, true).is_some()
    }

    fn sent(&self) -> Vec<Vec<u8>> {
        self.far.lock().unwrap().sent.iter().map(|(_, bytes)| bytes.clone()).collect()
    }

    /// Charge, discharge and balance switches of the simulated battery.
    fn switches(&self) -> [bool; 3] {
        let pack = &self.far.lock().unwrap().units[0].pack;
        [!pack.charge_off, !pack.discharge_off, !pack.balance_off]
    }
}

const ALL: [&str; 7] = ["jk", "jk-2020", "jk-pb", "jbd", "daly", "daly-newer", "daly-modbus"];

#[test]
fn each_family_has_the_commands_that_are_certain() {
    for (board, expected) in [
        ("jk", [true, true, true, false]),
        ("jk-pb", [true, true, true, false]),
        ("jk-pb-15.41", [true, true, true, false]),
        ("jbd", [true, true, false, false]),
        ("jbd-2022", [true, true, false, false]),
        ("daly", [true, true, false, true]),
        ("daly-modbus", [true, true, false, true]),
        ("topbms", [false, false, false, false]),
        ("pace", [false, false, false, false]),
        ("seplos", [false, false, false, false]),
        ("pylontech", [false, false, false, false]),
        ("daren", [false, false, false, false]),
        ("lifepower4", [false, false, false, false]),
    ] {
        let rig = Rig::new(board, CommandBehaviour::Executes);
        let soc = Command::SetSoc(Percent::new(50.0));
        let commands = [Switch::Charge.to(false), Switch::Discharge.to(false), Switch::Balance.to(false), soc];
        assert_eq!(commands.map(|command| rig.supports(command)), expected, "{board}");
    }
    // Only the board at D2 certainly has the switches.
    let p81 = (bms::daly_modbus::DRIVER.new)(Some(1));
    assert!(encode(p81.as_ref(), Switch::Charge.to(false), &Reading::default(), true).is_none());
    // Address 0 is a broadcast, or the master.
    for address in [None, Some(0), Some(16)] {
        let pb = (bms::jk_pb::DRIVER.new)(address);
        assert!(encode(pb.as_ref(), Switch::Charge.to(false), &Reading::default(), true).is_none(), "{address:?}");
    }
}

#[test]
fn what_is_obeyed_is_done_and_nothing_else_is_touched() {
    for board in ALL {
        let mut rig = Rig::new(board, CommandBehaviour::Executes);
        for (place, switch) in Switch::ALL.into_iter().enumerate() {
            if !rig.supports(switch.to(false)) {
                assert_eq!(rig.tell(switch.to(false)), Outcome::NotSupported, "{board}");
                continue;
            }
            let mut expected = [true; 3];
            assert_eq!(rig.tell(switch.to(false)), Outcome::Done, "{board} {switch:?} off");
            expected[place] = false;
            assert_eq!(rig.switches(), expected, "{board} {switch:?} off");
            assert!(switch.to(false).is_shown_by(&rig.known), "{board}: the next reading shows it, too");
            assert_eq!(rig.tell(switch.to(false)), Outcome::Done, "{board}: it is so already");
            assert_eq!(rig.tell(switch.to(true)), Outcome::Done, "{board} {switch:?} on");
            assert_eq!(rig.switches(), [true; 3], "{board} {switch:?} on");
        }
    }
}

#[test]
fn one_switch_stays_off_while_the_other_moves() {
    for board in ALL {
        let mut rig = Rig::new(board, CommandBehaviour::Executes);
        assert_eq!(rig.tell(Switch::Charge.to(false)), Outcome::Done, "{board}");
        assert_eq!(rig.tell(Switch::Discharge.to(false)), Outcome::Done, "{board}");
        assert_eq!(rig.switches()[..2], [false, false], "{board}");
        assert_eq!(rig.tell(Switch::Charge.to(true)), Outcome::Done, "{board}");
        assert_eq!(rig.switches()[..2], [true, false], "{board}");
    }
}

#[test]
fn a_refusal_is_told_where_the_protocol_has_one() {
    for (board, told) in [("jk", false), ("jk-pb", true), ("jbd", true), ("daly", true), ("daly-modbus", true)] {
        let mut rig = Rig::new(board, CommandBehaviour::Refuses);
        let outcome = rig.tell(Switch::Charge.to(false));
        match told {
            true => assert!(matches!(outcome, Outcome::Refused { .. }), "{board}: {outcome:?}"),
            // A JK board that refuses sends no reply.
            false => assert_eq!(outcome, Outcome::NotConfirmed, "{board}"),
        }
        assert_eq!(rig.switches(), [true; 3], "{board}");
    }
}

/// An unconfirmed first try may have been carried out: a switch that may be off is persisted, a refused one is not.
#[test]
fn a_second_try_that_is_refused_makes_no_refusal_of_the_first() {
    let clock = SimClock::default();
    let port = ReplayPort::new(&clock, {
        let mut entered = false;
        move |sent, _| {
            entered |= sent == ENTER;
            let answer: &[u8] = match sent {
                [_, 0x5A, 0xE1, ..] if entered => &[0xDD, 0xE1, 0x80, 0x00, 0xFF, 0x80, 0x77],
                _ => &[],
            };
            vec![TimedBytes::after_ms(20, answer)]
        }
    });
    let mut link = Link::new(Box::new(port), Box::new(clock));
    link.prepare(bms::jbd::DRIVER.lines[0], bms::jbd::DRIVER.gap).unwrap();
    let mut protocol = (bms::jbd::DRIVER.new)(None);
    let mut known = Reading {
        fets: Fets { charge_switch: Some(true), discharge_switch: Some(true), ..Fets::default() },
        ..Reading::new("jbd", None)
    };
    assert_eq!(link.command(protocol.as_mut(), Switch::Charge.to(false), &mut known, None).unwrap(), Outcome::NotConfirmed);
}

#[test]
fn an_acknowledge_alone_counts_for_nothing() {
    for board in ALL {
        let mut rig = Rig::new(board, CommandBehaviour::OnlyAcknowledges);
        let before = rig.sent().len();
        assert_eq!(rig.tell(Switch::Charge.to(false)), Outcome::NotConfirmed, "{board}");
        let writes = encode(rig.protocol.as_ref(), Switch::Charge.to(false), &rig.known, true).unwrap().requests;
        let repeated = rig.sent()[before..].iter().filter(|bytes| **bytes == *writes[0].bytes).count();
        assert_eq!(repeated, 2, "{board}: sent once more, and no further time");
    }
    for board in ["daly", "daly-modbus"] {
        assert_eq!(
            Rig::new(board, CommandBehaviour::OnlyAcknowledges).tell(Command::SetSoc(Percent::new(20.0))),
            Outcome::NotConfirmed,
            "{board}"
        );
    }
}

#[test]
fn the_state_of_charge_is_set_where_it_can_be() {
    for board in ["daly", "daly-newer", "daly-modbus"] {
        let mut rig = Rig::new(board, CommandBehaviour::Executes);
        assert_eq!(rig.tell(Command::SetSoc(Percent::new(95.5))), Outcome::Done, "{board}");
        let soc = rig.known.soc.unwrap().get();
        assert!((soc - 95.5).abs() < 0.3, "{board}: {soc}");
        assert_eq!(rig.known.capacity, Some(AmpHours::new(280.0)), "{board}");
    }
}

#[test]
fn factory_mode_is_left_whatever_happens() {
    for (obedience, entered) in [
        (CommandBehaviour::Executes, false),
        (CommandBehaviour::Refuses, true),
        (CommandBehaviour::OnlyAcknowledges, true),
        (CommandBehaviour::NeedsFactoryMode, true),
    ] {
        let mut rig = Rig::new("jbd", obedience);
        let outcome = rig.tell(Switch::Charge.to(false));
        assert_eq!(
            outcome == Outcome::Done,
            matches!(obedience, CommandBehaviour::Executes | CommandBehaviour::NeedsFactoryMode),
            "{outcome:?}"
        );
        let sent = rig.sent();
        let last = |frame: &[u8]| sent.iter().rposition(|bytes| bytes == frame);
        assert_eq!(last(&ENTER).is_some(), entered, "{obedience:?}: only who wants it gets it");
        assert!(last(&LEAVE) > last(&ENTER), "{obedience:?}");
    }
    // After an interrupted command.
    let mut rig = Rig::new("jbd", CommandBehaviour::Executes);
    rig.link.cleanup(rig.protocol.as_ref()).unwrap();
    assert_eq!(rig.sent().last().unwrap(), &LEAVE);
    for board in ["jk", "jk-pb", "daly", "daly-modbus", "topbms"] {
        let mut rig = Rig::new(board, CommandBehaviour::Executes);
        let before = rig.sent().len();
        rig.link.cleanup(rig.protocol.as_ref()).unwrap();
        assert_eq!(rig.sent().len(), before, "{board}: nothing to be put right, nothing sent");
    }
}

#[test]
fn a_disturbed_line_never_makes_done_of_what_was_not() {
    for board in ["jk", "jbd", "daly", "jk-pb", "daly-modbus"] {
        let mut done = 0;
        for seed in 0..20 {
            let faults = "drop=15,corrupt=10,cut=5,noise";
            let mut rig = Rig::with_faults(board, CommandBehaviour::Executes, faults);
            for _ in 0..seed {
                let _ = rig.link.poll(rig.protocol.as_mut(), &rig.known);
            }
            if rig.tell(Switch::Charge.to(false)) == Outcome::Done {
                done += 1;
                assert!(!rig.switches()[0], "{board}: done, and it is not");
            }
            let mut rig = Rig::with_faults(board, CommandBehaviour::OnlyAcknowledges, faults);
            assert_ne!(rig.tell(Switch::Charge.to(false)), Outcome::Done, "{board}");
        }
        assert!(done >= 10, "{board}: it came through {done} times of 20");
    }
}

/// The frames of a command are not decoded as a reading, nor those of a reading as an acknowledgement.
#[test]
fn reading_never_writes_and_writes_are_never_read() {
    let mut commanded = 0;
    for driver in DRIVERS {
        let address = driver.addresses.first().copied();
        let mut protocol = (driver.new)(address);
        let known = Reading {
            fets: Fets { charge_switch: Some(true), discharge_switch: Some(true), ..Fets::default() },
            ..Reading::new(driver.name, address)
        };
        let orders: Vec<_> = Switch::ALL.into_iter().flat_map(|switch| [switch.to(true), switch.to(false)]).collect();
        let writes: Vec<_> = orders
            .into_iter()
            .chain([Command::SetSoc(Percent::new(50.0))])
            .flat_map(|command| [true, false].map(|first| encode(protocol.as_ref(), command, &known, first)))
            .flatten()
            .flat_map(|orders| orders.requests.into_iter().chain(orders.after))
            .map(|request| request.bytes)
            .collect();
        let reads: Vec<_> = (0..200).flat_map(|_| protocol.plan(&known)).map(|request| request.bytes).collect();
        for write in &writes {
            assert!(!reads.contains(write), "{}: {write:02x?} is sent by reading", driver.name);
        }
        commanded += usize::from(!writes.is_empty());
    }
    assert!(commanded >= 5, "{commanded} families have commands");
}

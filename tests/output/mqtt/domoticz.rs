//! Domoticz over HTTP: the exact calls, as received by a stub.

use crate::mqtt::connection::battery;
use crate::support::board::{Board, replay, vector};
use crate::support::driver::{Home, wait};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const FINE: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\n\t\"status\" : \"OK\",\n\t\"title\" : \"Update Device\"\n}\n";
const NO_DEVICE: &str = "HTTP/1.1 200 OK\r\n\r\n{\n\t\"status\" : \"ERR\"\n}\n";
const NO_USER: &str = "HTTP/1.1 401 Unauthorized\r\n\r\n<html></html>";

/// A Domoticz that replies with the result of `answer`; `None` closes the connection.
struct Stub {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    fn start(answer: impl Fn(usize, &str) -> Option<&'static str> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, heard) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<String>>>::default());
        let all = Arc::clone(&heard);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    request.push(byte[0]);
                }
                let request = String::from_utf8(request).unwrap();
                let reply = answer(number, &request);
                all.lock().unwrap().push(request);
                if let Some(reply) = reply {
                    let _ = stream.write_all(reply.as_bytes());
                }
            }
        });
        Self { url: format!("http://127.0.0.1:{port}"), heard }
    }

    fn wait_for(&self, count: usize) -> Vec<String> {
        wait(|| Some(self.heard.lock().unwrap().clone()).filter(|heard| heard.len() >= count))
            .unwrap_or_else(|| panic!("{:#?}", self.heard.lock().unwrap()))
    }
}

pub(crate) fn configure(home: &Home, url: &str, lines: &str) {
    home.configure(&format!(
        "bms = [\"jbd\"]\ndbus.required = false\ndbus.bus = \"unix:path={}\"\n\
         [domoticz]\nurl = \"{url}\"\ninterval_s = 5.0\npause_s = 0.0\n{lines}",
        home.path("nobus").display()
    ));
}

#[test]
fn each_value_with_a_number_is_one_call() {
    let home = Home::new();
    let stub = Stub::start(|_, _| Some(FINE));
    let board = Board::on_pty(&home.path("ttyTEST0"), replay(&["jbd/readme-4s"]));
    let lines = "user = \"me\"\npassword = \"secret words\"\n[battery.\"jbd_ttyTEST0\".domoticz.idx]\n\
                 current_a = 2404\nvoltage_v = 2284\nsoc_pct = 2290\nremaining_ah = 2401\ncycles = 2402\nalarm_level = 2403\n";
    configure(&home, &stub.url, lines);
    let driver = home.start(&["run", &board.port]);
    let heard = stub.wait_for(6);
    let reading = vector("jbd/readme-4s").readings.remove(0);
    let number = |key: &str, decimals: usize| format!("{:.decimals$}", reading[key].as_f64().unwrap());
    let expected = [
        (2284, 0, number("voltage_v", 2)),
        (2404, 0, number("current_a", 2)),
        (2290, 0, number("soc_pct", 1)),
        (2401, 0, number("remaining_ah", 1)),
        (2402, 0, number("cycles", 0)),
        (2403, 4, "cell%20high%20voltage".to_owned()),
    ];
    let expected: Vec<String> = expected
        .iter()
        .map(|(idx, nvalue, svalue)| {
            format!(
                "GET /json.htm?type=command&param=udevice&idx={idx}&nvalue={nvalue}&svalue={svalue} HTTP/1.1\r\nHost: {}\r\n\
                 Accept: application/json\r\nConnection: close\r\nAuthorization: Basic bWU6c2VjcmV0IHdvcmRz\r\n\r\n",
                stub.url.trim_start_matches("http://")
            )
        })
        .collect();
    assert_eq!(heard[..6], expected);
    let log = driver.stop().log.join("\n");
    assert!(!log.contains("secret") && !log.contains("Domoticz"), "{log}");
}

#[test]
fn a_call_that_was_lost_is_made_again_and_a_device_that_is_missing_does_not_stop_the_others() {
    let home = Home::new();
    let board = battery(&home);
    let stub = Stub::start(|number, request| match (number, request.contains("idx=7&")) {
        (0, _) => None,
        (_, true) => Some(NO_DEVICE),
        _ => Some(FINE),
    });
    configure(&home, &stub.url, "[domoticz.idx]\nvoltage_v = 7\ncurrent_a = 8\n");
    let driver = home.start(&["run", &board.port]);
    let heard = stub.wait_for(5);
    let of: Vec<bool> = heard.iter().map(|request| request.contains("idx=7&")).collect();
    assert_eq!(of[..5], [true, true, false, true, false], "once more, then round by round");
    let line = driver.wait_for_log("idx 7");
    assert!(line.contains("device with this idx exists"), "{line}");
    let log = driver.stop().log;
    assert_eq!(log.iter().filter(|line| line.contains("idx 7")).count(), 1, "{log:#?}");
}

#[test]
fn a_refused_user_is_said_once() {
    let home = Home::new();
    let (stub, board) = (Stub::start(|_, _| Some(NO_USER)), battery(&home));
    configure(&home, &stub.url, "user = \"me\"\npassword = \"tr0ub4dor\"\n[domoticz.idx]\nvoltage_v = 7\ncurrent_a = 8\n");
    let driver = home.start(&["run", &board.port, "--log", "trace"]);
    let heard = stub.wait_for(2);
    assert!(heard.iter().all(|request| request.contains("idx=7&")), "one refusal ends the round: {heard:#?}");
    let log = driver.stop().log;
    assert_eq!(log.iter().filter(|line| line.contains("refuses user and password")).count(), 1, "{log:#?}");
    assert!(!log.join("\n").contains("tr0ub4dor") && !log.join("\n").contains("bWU6"), "{log:#?}");
}

#[test]
fn what_cannot_be_is_refused_in_the_configuration() {
    let home = Home::new();
    for (lines, words) in [
        ("[domoticz]\nurl = \"http://me:hidden@10.0.0.5\"\n", "in `domoticz.user` and `domoticz.password`"),
        ("[mqtt]\npassword = 12345\n", "`mqtt.password` is invalid"),
        ("[mqtt]\ntopic = \"a/#\"\n", "is not a valid topic"),
        ("[domoticz.idx]\nsoc = 3\n", "unknown key `domoticz.idx.soc`"),
    ] {
        home.configure(lines);
        let ended = home.start(&["config", "check", &home.path("dbus-bms/config.toml").display().to_string()]).end();
        ended.assert(2, &[words]);
        let said = ended.log.join("\n");
        assert!(!said.contains("hidden") && !said.contains("12345"), "{said}");
    }
}

//! Encrypted connections to a real broker and to a web server in the place of Domoticz, with the owner's own authority.

use super::certificates::{Wrong, all, no_certificates};
use super::connection::{battery, run};
use super::domoticz::configure;
use crate::support::broker::Broker;
use crate::support::driver::{Driver, Home, wait};
use std::io::Write;
use std::net::TcpListener;
use std::process::Command;

/// A server on 127.0.0.1 that encrypts with OpenSSL; [`Driver::output`] has its TCP port, then a line per request.
fn web_server(home: &Home, certificate: &str, version: &str) -> (Driver, String) {
    let mut command = Command::new("python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/output/mqtt/https_server.py")).args([certificate, version]);
    command.current_dir(home.path(""));
    let server = Driver::start(command);
    let port = wait(|| server.output().first().cloned()).unwrap_or_else(|| panic!("{:#?}", server.log()));
    (server, format!("https://127.0.0.1:{port}"))
}

fn trusted(home: &Home, authority: &str) -> String {
    format!("tls_ca = \"{}\"\n", home.path(&format!("{authority}.pem")).display())
}

#[test]
fn a_broker_is_trusted_if_the_named_authority_signed_its_certificate_and_else_not() {
    let home = Home::new();
    let board = battery(&home);
    let wrong = all(&home);
    let path = |name: &str| home.path(name).display().to_string();
    let broker = |certificate: &str| {
        let lines = format!("certfile {}\nkeyfile {}\n", path(&format!("{certificate}.pem")), path(&format!("{certificate}.key")));
        Broker::with(&home, &format!("allow_anonymous true\n{lines}"), &["--cafile", &path("ca.pem")])
    };
    let refused = |port, authority: &str, words: &str, remedy: &str| {
        let driver = run(&home, &board, port, &format!("tls = true\n{}", trusted(&home, authority)));
        let line = driver.wait_for_log("MQTT broker");
        assert!(line.contains(words) && line.contains(remedy), "{line}");
        let log = driver.stop().log.join("\n");
        assert!(!log.contains(&format!("{port} connected")), "{log}");
    };
    for Wrong { server, authority, words, remedy } in wrong {
        refused(broker(server).port, authority, words, remedy);
    }
    let good = broker("good");
    for (file, words) in no_certificates(&home) {
        refused(good.port, file, words, "correct `mqtt.tls_ca`");
    }
    let driver = run(&home, &board, good.port, &format!("tls = true\n{}", trusted(&home, "ca")));
    good.observe("#").wait_text("dbus-bms/jbd_ttyTEST0/availability", "online");
    driver.stop();
    // A broker that does not encrypt.
    let plain = Broker::start(&home);
    refused(plain.port, "ca", "closed the connection", "check `mqtt.tls`");
}

#[test]
fn domoticz_gets_values_and_password_over_https_only_if_its_certificate_is_trusted() {
    let home = Home::new();
    let board = battery(&home);
    let wrong = all(&home);
    let start = |url: &str, authority: &str| {
        let lines =
            format!("{}user = \"me\"\npassword = \"secret words\"\n[domoticz.idx]\nvoltage_v = 7\n", trusted(&home, authority));
        configure(&home, url, &lines);
        home.start(&["run", &board.port])
    };
    for Wrong { server, authority, words, remedy } in wrong {
        let (domoticz, url) = web_server(&home, server, "any");
        let driver = start(&url, authority);
        let line = driver.wait_for_log("Domoticz");
        assert!(line.contains(words) && line.contains(remedy), "{line}");
        driver.stop();
        assert_eq!(domoticz.output()[1..], [""; 0], "nothing is sent to a server that is not trusted");
    }
    for version in ["1.2", "1.3"] {
        let (domoticz, url) = web_server(&home, "good", version);
        let driver = start(&url, "ca");
        let heard = wait(|| domoticz.output().get(2).cloned()).unwrap_or_else(|| panic!("{:#?}", driver.log()));
        let wanted =
            format!("TLSv{version} Basic bWU6c2VjcmV0IHdvcmRz /json.htm?type=command&param=udevice&idx=7&nvalue=0&svalue=");
        assert!(heard.starts_with(&wanted), "{heard}");
        let log = driver.stop().log.join("\n");
        assert!(!log.contains("Domoticz"), "{log}");
    }
    let (_domoticz, url) = web_server(&home, "good", "any");
    for (file, words) in no_certificates(&home) {
        let driver = start(&url, file);
        let line = driver.wait_for_log("Domoticz");
        assert!(line.contains(words) && line.contains("correct `domoticz.tls_ca`"), "{line}");
        driver.stop();
    }
    // The port of a server that does not encrypt.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let driver = start(&url, "ca");
    let line = driver.wait_for_log("Domoticz");
    assert!(line.contains("does not encrypt") && line.contains("`domoticz.url`"), "{line}");
    driver.stop();
}

//! An encrypted connection with the owner's certificate.

use crate::mqtt::connection::{battery, run};
use crate::support::broker::Broker;
use crate::support::driver::Home;
use std::process::Command;

fn openssl(home: &Home, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split_whitespace()).current_dir(home.path("")).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_own_certificate_is_trusted_when_it_is_named_and_else_not() {
    let home = Home::new();
    let board = battery(&home);
    openssl(&home, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=Home");
    openssl(&home, "req -newkey rsa:2048 -nodes -keyout broker.key -out broker.csr -subj /CN=broker");
    std::fs::write(home.path("names"), "subjectAltName = IP:127.0.0.1\n").unwrap();
    openssl(&home, "x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names -out broker.pem");
    let path = |name: &str| home.path(name).display().to_string();
    let lines = format!("allow_anonymous true\ncertfile {}\nkeyfile {}\n", path("broker.pem"), path("broker.key"));
    let broker = Broker::with(&home, &lines, &["--cafile", &path("ca.pem")]);
    let driver = run(&home, &board, broker.port, &format!("tls = true\ntls_ca = \"{}\"\n", path("ca.pem")));
    broker.observe("#").wait_text("dbus-bms/jbd_ttyTEST0/availability", "online");
    driver.stop();
    openssl(&home, "req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -days 30 -subj /CN=Other");
    let driver = run(&home, &board, broker.port, &format!("tls = true\ntls_ca = \"{}\"\n", path("other.pem")));
    let line = driver.wait_for_log("MQTT broker");
    assert!(line.contains("certificate") && line.contains("`mqtt.tls_ca`"), "{line}");
    driver.stop();
    std::fs::write(home.path("empty.pem"), "no certificate\n").unwrap();
    for (file, words) in [("empty.pem", "holds no certificate"), ("nowhere.pem", "cannot be read")] {
        let driver = run(&home, &board, broker.port, &format!("tls = true\ntls_ca = \"{}\"\n", path(file)));
        let line = driver.wait_for_log("MQTT broker");
        assert!(line.contains(words) && line.contains("`mqtt.tls_ca`"), "{line}");
        driver.stop();
    }
}

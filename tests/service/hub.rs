//! The hub: one dashboard for the batteries of several processes, on a real bus.

use crate::support::board;
use crate::support::bus;
use crate::support::driver;
use crate::support::http;

use board::{Board, simulated};
use bus::Bus;
use driver::Home;
use rustix::process::Signal;
use serde_json::Value as Json;

fn find<'a>(all: &'a [Json], id: &str) -> Option<&'a Json> {
    all.iter().find(|view| view["id"] == id)
}

fn is(all: &[Json], id: &str, freshness: &str) -> bool {
    find(all, id).is_some_and(|view| view["freshness"] == freshness)
}

#[test]
fn batteries_of_two_processes_and_their_bank_are_shown_come_and_go() {
    let (home, bus, page) = (Home::new(), Bus::start(), http::free());
    home.configure(&format!("member_of_bank = true\nsilence.preset = \"strict\"\nweb.enabled = true\nweb.listen = \"{page}\"\n"));
    let address = bus.address().to_string();
    let hub = home.start(&["hub", "--bus", &address]);
    http::until(page, "nobody yet", |all| all.is_empty());
    assert_eq!(http::get(page, "/healthz").status, 503);
    let ports = ["ttyA", "ttyB"].map(|name| home.path(name));
    let _boards = ports.clone().map(|port| Board::on_pty(&port, simulated()));
    let run = |port: &std::path::Path| home.run(&bus, &port.display().to_string(), &["--bms", "jbd", "--outputs-elsewhere"]);
    let (a, b) = (run(&ports[0]), run(&ports[1]));
    let bank = home.start(&["bank", "--bus", &address]);
    let all =
        http::until(page, "both and their bank", |all| ["jbd_ttyA", "jbd_ttyB", "bank_bank"].iter().all(|id| is(all, id, "fresh")));
    assert_eq!(find(&all, "bank_bank").unwrap()["kind"], "bank");
    assert_eq!(find(&all, "bank_bank").unwrap()["modules"]["online"], 2);
    let first = find(&all, "jbd_ttyA").unwrap();
    assert_eq!((&first["bank"], &first["service"]), (&Json::from("bank_bank"), &Json::from("com.victronenergy.battery.ttyA")));
    assert!(first["voltage_v"].is_f64() && first["age_s"].as_f64().unwrap() < 5.0, "{first}");
    assert_eq!(http::get(page, "/healthz").status, 200);
    let mut events = http::Events::open(page);
    assert!(events.next("view")["id"].is_string());

    // A process that hangs does not reply: its values must become unknown.
    a.signal(Signal::STOP);
    let all = http::until(page, "the one that hangs is stale", |all| is(all, "jbd_ttyA", "stale") || is(all, "jbd_ttyA", "silent"));
    let hung = find(&all, "jbd_ttyA").unwrap();
    assert!(hung.get("voltage_v").is_none() && hung.get("soc_pct").is_none() && hung["limits"].get("ccl_a").is_none(), "{hung}");
    assert!(is(&all, "jbd_ttyB", "fresh"), "the other is not affected");
    assert_eq!(http::get(page, "/healthz").status, 503);
    a.signal(Signal::CONT);
    http::until(page, "it is back", |all| is(all, "jbd_ttyA", "fresh"));

    // A stopped battery is removed; a returning one is shown again.
    b.stop();
    assert_eq!(events.next("gone")["id"], "jbd_ttyB");
    http::until(page, "it is gone", |all| find(all, "jbd_ttyB").is_none());
    let b = run(&ports[1]);
    http::until(page, "it is shown again", |all| is(all, "jbd_ttyB", "fresh"));
    for driver in [a, b, bank] {
        driver.stop();
    }
    http::until(page, "nobody is left", |all| all.is_empty());
    hub.stop().assert(0, &["SIGTERM"]);
}

#[test]
fn a_command_reaches_the_bms_and_the_output_over_can_is_shown() {
    let (home, bus, page) = (Home::new(), Bus::start(), http::free());
    home.configure(&format!(
        "commands.enabled = true\nweb.enabled = true\nweb.listen = \"{page}\"\nweb.token = \"0123456789abcdef\"\n\
         can.interface = \"canHUB\"\n"
    ));
    let hub = home.start(&["hub", "--bus", &bus.address().to_string()]);
    let port = home.path("ttyA");
    let _board = Board::on_pty(&port, simulated());
    let driver = home.run(&bus, &port.display().to_string(), &["--bms", "jbd", "--outputs-elsewhere"]);
    let all = http::until(page, "it is fresh, and not on CAN", |all| {
        is(all, "jbd_ttyA", "fresh") && find(all, "jbd_ttyA").is_some_and(|view| view["can"]["up"] == false)
    });
    let view = find(&all, "jbd_ttyA").unwrap();
    assert_eq!((&view["can"]["interface"], &view["can"]["profile"]), (&Json::from("canHUB"), &Json::from("pylontech")));
    assert!(view["commands"].as_array().unwrap().contains(&Json::from("charge")), "{view}");
    let ask = |lines: &str| {
        http::request(page, "POST", "/api/v1/batteries/jbd_ttyA/commands", lines, "{\"command\": \"charge\", \"on\": false}")
    };
    assert_eq!(ask("").status, 401, "without the token nothing is switched");
    let done = ask("Authorization: Bearer 0123456789abcdef\r\n");
    assert_eq!(done.status, 200, "{}", done.body);
    http::until(page, "the switch is off", |all| find(all, "jbd_ttyA").is_some_and(|view| view["charge_fet"] == false));
    driver.stop();
    hub.stop();
}

#[test]
fn without_a_sink_it_ends_at_once() {
    let home = Home::new();
    home.configure("");
    home.start(&["hub", "--bus", "unix:path=/nonexistent"]).end().assert(0, &["nothing to serve", "web.enabled"]);
}

#[test]
fn a_bus_that_refuses_to_let_it_ask_is_named_with_the_remedy() {
    let (home, page) = (Home::new(), http::free());
    let mut bus = Bus::prepare().with_rule("<deny send_interface=\"dbus_bms.Battery\"/>");
    bus.begin();
    home.configure(&format!("web.enabled = true\nweb.listen = \"{page}\"\n"));
    let board = Board::on_pty(&home.path("ttyA"), simulated());
    let driver = home.run(&bus, &board.port, &["--bms", "jbd", "--outputs-elsewhere"]);
    driver.wait_for_log("is on D-Bus");
    let address = bus.address().to_string();
    let hub = home.start(&["hub", "--bus", &address]);
    hub.wait_for_log(
        "com.victronenergy.battery.ttyA is not shown: the bus refuses to let this program ask it; install dbus-bms.conf",
    );
    let doctor = home.start(&["doctor", "--root", "/nonexistent/root", "--bus", &address]).end();
    assert!(doctor.code == Some(1) && doctor.output.join("\n").contains("-> install dbus-bms.conf"), "{doctor:#?}");
}

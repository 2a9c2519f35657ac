//! The web server of the real program, tested over raw sockets, including malicious clients.
#![allow(clippy::disallowed_methods, reason = "a test waits for another process in real time")]

use crate::support::board;
use crate::support::driver;
use crate::support::http;

use crate::openapi::answer_faults;

use board::{Board, simulated};
use driver::{Driver, Home};
use http::{get, request};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

const TOKEN: &str = "0123456789abcdef";

struct Site {
    home: Home,
    page: SocketAddr,
    _board: Board,
}

impl Site {
    fn new(more: &str) -> Self {
        let (home, page) = (Home::new(), http::free());
        home.configure(&format!("web.enabled = true\nweb.listen = \"{page}\"\nbms = [\"jbd\"]\nname = \"Shed\"\n{more}"));
        let board = Board::on_pty(&home.path("ttyA"), simulated());
        Self { home, page, _board: board }
    }

    /// The driver without D-Bus.
    fn run(&self) -> Driver {
        self.home.start(&["run", &self.home.path("ttyA").display().to_string(), "--no-dbus", "--bus", "unix:path=/nonexistent"])
    }
}

#[test]
fn the_page_the_api_and_the_metrics_show_the_battery() {
    let site = Site::new("");
    let driver = site.run();
    let all = http::until(site.page, "the battery", |all| all.len() == 1);
    assert_eq!((&all[0]["id"], &all[0]["name"]), (&"jbd_ttyA".into(), &"Shed".into()));
    let one = get(site.page, "/api/v1/batteries/jbd_ttyA");
    assert_eq!(
        (one.status, one.header("content-type"), one.header("cache-control")),
        (200, Some("application/json"), Some("no-store"))
    );
    assert_eq!(one.json()["cell_voltages_v"].as_array().unwrap().len(), 16);
    assert_eq!(get(site.page, "/api/v1/batteries/other").status, 404);
    assert!(get(site.page, "/api/v1/batteries/other").json()["error"].is_string());
    let page = get(site.page, "/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    for (name, value) in [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("referrer-policy", "no-referrer")] {
        assert_eq!(page.header(name), Some(value));
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    let tag = page.header("etag").unwrap().to_owned();
    let again = request(site.page, "GET", "/", &format!("If-None-Match: {tag}\r\n"), "");
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    // The length of the page, or none (RFC 9110, 8.6).
    assert_eq!(again.header("content-length"), page.header("content-length"));
    assert_eq!(request(site.page, "HEAD", "/", "", "").body, "");
    let metrics = get(site.page, "/metrics");
    assert!(
        metrics.body.contains("\n# TYPE dbus_bms_soc_pct gauge\ndbus_bms_soc_pct{battery=\"jbd_ttyA\"} 62\n"),
        "{}",
        metrics.body
    );
    assert!(metrics.body.contains("dbus_bms_cell_voltage_v{battery=\"jbd_ttyA\",cell=\"16\"} 3."), "{}", metrics.body);
    assert!(metrics.body.contains("# TYPE dbus_bms_line_ok_total counter"), "{}", metrics.body);
    let hour = get(site.page, "/api/v1/history?id=jbd_ttyA&range=hour");
    assert_eq!((hour.status, hour.json()["step_s"].as_u64()), (200, Some(60)));
    assert!(!hour.json()["soc_pct"].as_array().unwrap().is_empty());
    let csv = get(site.page, "/api/v1/history?id=jbd_ttyA&range=hour&format=csv");
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let mut lines = csv.body.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let row = lines.next().unwrap();
    assert_eq!((head.len(), row[head.iter().position(|key| *key == "soc_pct").unwrap()]), (row.len(), "62.0"), "{}", csv.body);
    assert_eq!(
        get(site.page, "/api/v1/history?id=jbd_ttyA&range=year&format=csv").body.lines().next(),
        Some("date,charged_kwh,discharged_kwh")
    );
    let cells = get(site.page, "/api/v1/history/cells?id=jbd_ttyA").json();
    assert_eq!((cells["deviation_mv"].as_array().unwrap().len(), cells["median_v"].as_array().unwrap().len()), (16, 1), "{cells}");
    let limited = get(site.page, "/api/v1/limited?id=jbd_ttyA").json();
    assert!(limited["days"].is_array() && limited["today"].is_string(), "{limited}");
    let log = get(site.page, "/api/v1/log?id=jbd_ttyA&limit=5");
    assert!(log.json()["entries"].is_array() && log.json()["now"].as_u64() > Some(1_700_000_000), "{}", log.body);
    let csv = get(site.page, "/api/v1/log?format=csv");
    assert_eq!(
        (csv.header("content-type"), csv.body.lines().next().unwrap().split(',').next()),
        (Some("text/csv; charset=utf-8"), Some("id"))
    );
    let about = get(site.page, "/api/v1/about").json();
    assert_eq!((&about["version"], &about["can_command"]), (&env!("CARGO_PKG_VERSION").into(), &false.into()));
    assert!(about["languages"].as_array().unwrap().contains(&"de".into()), "{about}");
    // Each answer is as the served description says.
    let all = get(site.page, "/api/v1/openapi.json").json();
    for (path, target) in [
        ("/api/v1/batteries", "/api/v1/batteries"),
        ("/api/v1/batteries/{id}", "/api/v1/batteries/jbd_ttyA"),
        ("/api/v1/devices", "/api/v1/devices"),
        ("/api/v1/history", "/api/v1/history?id=jbd_ttyA&range=hour"),
        ("/api/v1/history", "/api/v1/history?id=jbd_ttyA&range=month"),
        ("/api/v1/history", "/api/v1/history?id=jbd_ttyA&range=year"),
        ("/api/v1/history/cells", "/api/v1/history/cells?id=jbd_ttyA"),
        ("/api/v1/limited", "/api/v1/limited?id=jbd_ttyA"),
        ("/api/v1/log", "/api/v1/log"),
        ("/api/v1/recordings", "/api/v1/recordings"),
        ("/api/v1/about", "/api/v1/about"),
    ] {
        assert_eq!(answer_faults(&all, path, "get", &get(site.page, target).json()), Vec::<String>::new(), "{target}");
    }
    for (target, status) in [
        ("/api/v1/history?id=jbd_ttyA&range=decade", 400),
        ("/api/v1/history", 400),
        ("/api/v1/history?id=x", 404),
        ("/api/v1/history/cells?id=x", 404),
        ("/api/v1/limited?id=x", 404),
        ("/api/v1/limited", 400),
        ("/api/v1/log?limit=all", 400),
        ("/api/v1/recordings/flight-1.json", 404),
        ("/api/v1/recordings/../config.toml", 404),
        ("/api/v1/recordings/%2e%2e%2fconfig.toml", 404),
        ("/../../etc/passwd", 404),
        ("//", 404),
        ("/api/v1/", 404),
        ("/%2e%2e/config.toml", 404),
    ] {
        assert_eq!(get(site.page, target).status, status, "{target}");
    }
    let mut events = http::Events::open(site.page);
    let (first, second) = (events.next("view"), events.next("view"));
    assert_eq!((&first["id"], &second["id"]), (&"jbd_ttyA".into(), &"jbd_ttyA".into()));
    driver.stop().assert(0, &[]);
    // The earlier data is available after a restart.
    assert!(site.home.path("dbus-bms/jbd_ttyA.history").exists());
}

#[test]
fn foreign_names_and_writers_without_the_token_are_refused() {
    let site = Site::new(&format!("web.token = \"{TOKEN}\"\n"));
    let driver = site.run();
    let answer = |host: &str, target: &str| {
        http::send(site.page, format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap()
            .status
    };
    assert_eq!(answer("evil.example.com", "/api/v1/batteries"), 421);
    assert_eq!(answer("127.0.0.1", "http://evil.example.com/api/v1/batteries"), 421);
    assert_eq!(answer("venus.local", "/api/v1/batteries"), 200);
    let target = "/api/v1/batteries/jbd_ttyA/commands";
    let right = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(request(site.page, "POST", target, "", "{}").status, 401);
    assert_eq!(request(site.page, "POST", target, "Authorization: Bearer 0123456789abcdeX\r\n", "{}").status, 401);
    assert_eq!(request(site.page, "POST", target, &format!("{right}Origin: http://evil.example.com\r\n"), "{}").status, 403);
    let refused = [401, 403, 421];
    let status = request(site.page, "POST", target, &right, "{}").status;
    assert!(!refused.contains(&status), "the token opens: {status}");
    assert_eq!(request(site.page, "DELETE", "/api/v1/batteries", "", "").status, 405);
    driver.stop();
    let closed = Site::new("");
    let driver = closed.run();
    assert_eq!(request(closed.page, "POST", target, &right, "{}").status, 403, "nobody may write without a token being set");
    driver.stop();
}

#[test]
fn bad_requests_and_slow_clients_hurt_nobody_else() {
    let site = Site::new("");
    let driver = site.run();
    http::until(site.page, "the battery", |all| all.len() == 1);
    let long = "x".repeat(100_000);
    let many = "a: b\r\n".repeat(500);
    for bad in [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nx: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
        format!("POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{long}"),
        "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nfffffffffffffffffff\r\n"
            .to_owned(),
        "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello".to_owned(),
    ] {
        if let Some(answer) = http::send(site.page, bad.as_bytes()) {
            assert!((400..600).contains(&answer.status), "{:?} for {:?}", answer, &bad[..bad.len().min(60)]);
        }
    }
    // Silent connections, up to the limit and beyond, and clients that never read.
    let idle: Vec<_> = (0..15).map(|_| http::connect(site.page)).collect();
    let deaf: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = http::connect(site.page);
            let _ = write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n\r\n", site.page);
            stream
        })
        .collect();
    // They are closed after their timeout; then connections are accepted again.
    let since = Instant::now();
    drop(deaf);
    loop {
        let mut stream = http::connect(site.page);
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let _ = write!(stream, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        if text.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "no room again");
    }
    // Idle connections were closed, without a reply or with 408.
    for mut stream in idle {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
    }
    assert!(since.elapsed() < Duration::from_secs(60), "idle connections are closed");
    http::until(site.page, "all is well", |all| all.len() == 1 && all[0]["freshness"] == "fresh");
    driver.stop().assert(0, &[]);
}

/// A connection from this local address.
fn connect_from(from: [u8; 4], to: std::net::SocketAddr) -> std::net::TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &std::net::SocketAddr::from((from, 0))).unwrap();
    connect(&socket, &to).unwrap();
    std::net::TcpStream::from(socket)
}

#[test]
fn one_client_cannot_hold_all_connections() {
    let site = Site::new("");
    let driver = site.run();
    http::until(site.page, "the battery", |all| all.len() == 1);
    let mut held: Vec<_> = (0..60).map(|_| connect_from([127, 0, 0, 9], site.page)).collect();
    // Half a head counts as none.
    for stream in &mut held {
        let _ = stream.write_all(b"GET / HT");
    }
    for number in 0..60 {
        let answer = http::send(site.page, b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(answer.map(|answer| answer.status), Some(200), "request {number} of another client");
    }
    drop(held);
    driver.stop().assert(0, &[]);
}

#[test]
fn a_page_too_many_is_refused_in_words() {
    let site = Site::new("");
    let driver = site.run();
    http::until(site.page, "the battery", |all| all.len() == 1);
    let request = "GET /api/v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let pages: Vec<_> = (0..16)
        .map(|number| {
            let mut page = connect_from([127, 0, 0, 10 + number / 4], site.page);
            page.write_all(request.as_bytes()).unwrap();
            let mut status = [0; 12];
            page.read_exact(&mut status).unwrap();
            assert_eq!(&status, b"HTTP/1.1 200");
            page
        })
        .collect();
    let refused = http::send(site.page, request.as_bytes()).unwrap();
    assert_eq!((refused.status, refused.body.as_str()), (503, r#"{"error":"too many pages are open"}"#));
    drop(pages);
    driver.stop().assert(0, &[]);
}

#[test]
fn a_request_says_its_host_once() {
    let site = Site::new(&format!("web.token = \"{TOKEN}\"\n"));
    let driver = site.run();
    http::until(site.page, "the battery", |all| all.len() == 1);
    let status = |lines: &str| {
        let request = format!("GET /api/v1/batteries HTTP/1.1\r\n{lines}Connection: close\r\n\r\n");
        http::send(site.page, request.as_bytes()).unwrap().status
    };
    assert_eq!(status("Host: venus.local\r\n"), 200);
    for lines in [
        "",
        "Host: venus.local\r\nHost: venus.local\r\n",
        "Host: venus.local\r\nhost: evil.example.com\r\n",
        "Host: evil.example.com\r\nX: y\r\nHost: venus.local\r\n",
        "Host: venus.local, evil.example.com\r\n",
        "Host: venus.local evil.example.com\r\n",
        "Host: user@venus.local\r\n",
        "Host: venus.local:x\r\n",
        "Host: v\u{e9}nus\r\n",
        "Host:\r\n",
        "Host: venus.local\r\nOrigin: http://venus.local\r\nOrigin: http://evil.example.com\r\n",
        "Host: venus.local\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n",
    ] {
        assert_eq!(status(lines), 400, "{lines:?}");
    }
    driver.stop();
}

#[test]
fn a_port_that_is_taken_is_said_once_and_waited_for() {
    let site = Site::new("");
    let other = TcpListener::bind(site.page).unwrap();
    let driver = site.run();
    driver.wait_for_log("cannot serve the dashboard");
    std::thread::sleep(Duration::from_millis(1500));
    drop(other);
    http::until(site.page, "it is there after all", |all| all.len() == 1);
    assert_eq!(driver.log().iter().filter(|line| line.contains("cannot serve the dashboard")).count(), 1);
    driver.stop();
}

/// The status line and header lines, and the body as bytes.
fn raw(page: SocketAddr, target: &str, lines: &str) -> (String, Vec<u8>) {
    let mut stream = http::connect(page);
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n{lines}\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let body = bytes.split_off(end + 4);
    (String::from_utf8(bytes).unwrap().to_ascii_lowercase(), body)
}

fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn what_is_sent_is_compressed_for_those_who_take_it() {
    let site = Site::new("");
    let driver = site.run();
    http::until(site.page, "the battery", |all| all.len() == 1);
    let mut all = 0;
    for target in ["/", "/app.js", "/style.css", "/api/v1/batteries", "/metrics"] {
        let (plain_head, plain) = raw(site.page, target, "");
        let (head, packed) = raw(site.page, target, "Accept-Encoding: gzip, br\r\n");
        assert!(!plain_head.contains("content-encoding"), "{plain_head}");
        assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
        assert!(packed.len() < plain.len() * 2 / 3, "{target}: {} of {}", packed.len(), plain.len());
        if !target.starts_with("/api") && target != "/metrics" {
            assert_eq!(unpacked(&packed).as_bytes(), plain, "{target}");
        }
        assert!(!raw(site.page, target, "Accept-Encoding: gzip;q=0\r\n").0.contains("content-encoding"), "{target}");
        all += packed.len();
    }
    println!("page, script, style, batteries and metrics: {all} bytes compressed");
    // The compressed form has a tag of its own, by which the browser finds it unchanged.
    let (head, _) = raw(site.page, "/app.js", "Accept-Encoding: gzip\r\n");
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    let (again, body) = raw(site.page, "/app.js", &format!("Accept-Encoding: gzip\r\nIf-None-Match: {tag}\r\n"));
    assert!(again.starts_with("http/1.1 304") && body.is_empty(), "{again}");
    let (other, _) = raw(site.page, "/app.js", "");
    assert!(!other.contains(&tag), "{other}");
    driver.stop().assert(0, &[]);
}

#[test]
fn a_page_by_a_foreign_name_says_what_to_do_in_words() {
    let site = Site::new("");
    let driver = site.run();
    http::until(site.page, "the battery", |all| all.len() == 1);
    let by = |target: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: gx.fritz.box:8080\r\nConnection: close\r\n\r\n");
        http::send(site.page, request.as_bytes()).unwrap()
    };
    let page = by("/");
    assert_eq!((page.status, page.header("content-type")), (421, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("hosts = [\"gx.fritz.box\"]") && page.body.contains("IP address"), "{}", page.body);
    assert!(!page.body.contains("jbd_ttyA"), "nothing of the battery");
    let api = by("/api/v1/batteries");
    assert_eq!((api.status, api.header("content-type")), (421, Some("application/json")));
    driver.stop().assert(0, &[]);
}

#[test]
fn the_token_is_checked_when_it_is_entered_and_guessing_is_slow() {
    let site = Site::new(&format!("web.token = \"{TOKEN}\"\n"));
    let driver = site.run();
    http::until(site.page, "the battery", |all| all.len() == 1);
    let ask = |token: &str| request(site.page, "POST", "/api/v1/token", &format!("Authorization: Bearer {token}\r\n"), "").status;
    let since = Instant::now();
    assert_eq!(ask(TOKEN), 204);
    let quick = since.elapsed();
    let since = Instant::now();
    assert_eq!(ask("0123456789abcdeX"), 401);
    assert!(since.elapsed() >= Duration::from_millis(950), "{:?} after {quick:?}", since.elapsed());
    driver.stop().assert(0, &[]);
}

#[test]
fn a_limit_says_its_rule_and_its_maximum() {
    let site = Site::new("max_charge_current_a = 40\n");
    let driver = site.run();
    let all = http::until(site.page, "the battery", |all| all.len() == 1 && all[0]["limits"]["ccl"]["value"].is_number());
    let limits = &all[0]["limits"];
    for (limit, key, why) in [("cvl", "cvl_v", "cvl_why"), ("ccl", "ccl_a", "ccl_why"), ("dcl", "dcl_a", "dcl_why")] {
        assert_eq!(limits[limit]["value"], limits[key], "{limits}");
        let words = limits[why].as_str().unwrap().to_ascii_lowercase();
        let rule = words.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        assert_eq!(limits[limit]["rule"], rule.collect::<Vec<_>>().join("_"), "{limits}");
        assert!(limits[limit]["since"].as_u64().unwrap() > 1_700_000_000, "{limits}");
    }
    assert_eq!(limits["ccl"]["max"], 40.0);
    driver.stop().assert(0, &[]);
}

//! Any request to the web server, any view from another process, any history file: never a panic; requests with a foreign host
//! name, and writes without the token, are rejected; JSON replies are valid JSON; metrics can be parsed line by line.
#![no_main]

use dbus_bms::base::time::Now;
use dbus_bms::base::units::Moment;
use dbus_bms::model::{DeviceInfo, DeviceKind, Quantity};
use dbus_bms::output::api::{View, device_metrics, metrics};
use dbus_bms::output::event_log::EventLogs;
use dbus_bms::output::registry::BatteryRegistry;
use dbus_bms::output::timeseries::{CellCourse, Course, Range};
use dbus_bms::output::web::{Body, Config, Head, World, answer};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

const POWER: Quantity = Quantity::new("power_w", "Power", "W");
const STATE: Quantity = Quantity::new("state", "State", "");
const TOKEN: &str = "0123456789abcdef";

fuzz_target!(|input: &[u8]| {
    held::heap::bounded(64 << 20, || {
        let mut parts = input.splitn(9, |byte| *byte == b'\n');
        let mut text = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
        let (method, path, query) = (text().unwrap_or("GET"), text().unwrap_or("/"), text().unwrap_or(""));
        let (host, origin, authorization, if_none_match) = (text(), text(), text(), text());
        let told = text().unwrap_or_default();
        let rest = parts.next().unwrap_or_default();
        let registry = BatteryRegistry::default();
        let mut view = View::default();
        view.identity.id = "jbd_1".into();
        view.pack.soc_pct = Some(62.0);
        registry.publish(view);
        if let Ok(view) = serde_json::from_str::<View>(told) {
            registry.publish(view);
        }
        let mut course = Course::new(0.0);
        course.load(rest);
        let now = Now { at: Moment::default(), unix: Some(1_772_323_200) };
        let history = |id: &str, range: (&'static str, Range)| Some(course.json(id, range, now));
        let meter = registry.devices().add(DeviceInfo {
            id: "grid".into(),
            kind: DeviceKind::Meter,
            name: told.into(),
            connection: "test".into(),
            timeout: Duration::from_secs(10),
        });
        meter.publish(vec![(&POWER, 412.0.into()), (&STATE, told.to_owned().into())], now.at);
        let (views, devices) = (registry.current(), registry.devices().current());
        let config = Config { token: Some(TOKEN.into()), ..Config::default() };
        let head = Head { method, path, query, host, origin, authorization, if_none_match, body: rest };
        let logs = EventLogs::default();
        let cells = CellCourse::load(rest, now);
        let world = World {
            config: &config,
            views: &views,
            devices: &devices,
            now: now.at,
            history: &history,
            log: &|query| logs.json(query, now),
            limited: &|id| logs.limited(id, now),
            cells: &|id| Some(cells.json(id, now)),
        };
        let found = answer(&head, &world);
        assert!([200, 204, 304, 400, 401, 403, 404, 405, 421, 503].contains(&found.status), "{}", found.status);
        let refused = (400..500).contains(&found.status);
        assert!(host.is_some() || refused);
        assert!(host != Some("evil.example.com") || refused);
        assert!(!["POST", "PUT", "DELETE"].contains(&method) || authorization.is_some_and(|text| text.contains(TOKEN)) || refused);
        if let (Body::Text(text), "application/json") = (&found.body, found.content_type) {
            serde_json::from_str::<serde_json::Value>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        }
        for line in (metrics(&views) + &device_metrics(&devices, now.at)).lines() {
            let number = line.rsplit_once(' ').map(|(_, number)| number);
            let sample = line.starts_with("dbus_bms_") && number.is_some_and(|number| number.parse::<f64>().is_ok());
            assert!(line.starts_with("# ") || sample, "{line:?}");
        }
        for (name, range) in Range::ALL {
            let text = course.json("x", (name, range), now);
            serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        }
    });
});

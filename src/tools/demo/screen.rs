//! The demo's terminal screen, redrawn with every reading.

use super::TOKEN;
use crate::dbus::service_name;
use crate::model::{Freshness, Limits, Snapshot};
use crate::terminal::output::{Show, paintable_rows};
use crate::terminal::paint::screen;
use crate::terminal::table::{labelled, table};
use std::io::{self, Write};
use std::net::SocketAddr;

/// Output of the demo.
#[derive(Debug, Clone)]
pub(super) struct DemoScreen {
    show: Show,
    bus: String,
    address: String,
    service: String,
    port: String,
    page: SocketAddr,
}

impl DemoScreen {
    pub(super) fn new(show: Show, bus: String, port: String, page: SocketAddr) -> Self {
        let address = bus.split(' ').next().unwrap_or_default().to_owned();
        Self { show, bus, address, service: service_name(&port, None), port, page }
    }

    /// Draws one snapshot: a whole screen on a terminal, else one line.
    pub(super) fn draw(&self, snapshot: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
        match self.show {
            Show::Json => writeln!(out, "{}", summary(snapshot)),
            Show::Table { width, colour } => {
                let rows = paintable_rows().unwrap_or(usize::MAX);
                out.write_all(screen(&self.screen(snapshot, width, colour), rows).as_bytes())
            }
        }
    }

    fn screen(&self, snapshot: &Snapshot, width: usize, colour: bool) -> String {
        let Limits { cvl, ccl, dcl, mode, .. } = &snapshot.limits;
        let link = &snapshot.link;
        let about = [
            ("Open", vec![format!("http://{}/ in a browser: four batteries, one bank", self.page)]),
            ("Token", vec![format!("{TOKEN} allows commands there; Ctrl-C stops everything")]),
        ];
        let more = [
            ("Mode", vec![mode.text().to_owned(), freshness(snapshot.freshness).to_owned()]),
            ("Link", vec![format!("{} answers", link.ok), format!("{} lost", link.lost), format!("{} damaged", link.damaged)]),
            ("Port", vec![self.port.clone()]),
            ("D-Bus", vec![format!("{} on {}", self.service, self.bus)]),
            (
                "Inspect",
                vec![format!("busctl --address={} call {} / com.victronenergy.BusItem GetItems", self.address, self.service)],
            ),
        ];
        let control = [
            ("CVL", vec![format!("{:.2}", cvl.value), cvl.why.to_owned()]),
            ("CCL", vec![format!("{:.1}", ccl.value), ccl.why.to_owned()]),
            ("DCL", vec![format!("{:.1}", dcl.value), dcl.why.to_owned()]),
        ];
        let section = |rows: &[(&str, Vec<String>)]| {
            rows.iter().map(|(label, items)| labelled(label, items, width, colour)).collect::<String>()
        };
        // What does not fit is cut at the end: first what only a developer needs.
        let [about, control, more] = [section(&about), section(&control), section(&more)];
        format!("{about}{control}\n{}\n{more}", table(&snapshot.reading, width, colour))
    }
}

fn freshness(freshness: Freshness) -> &'static str {
    match freshness {
        Freshness::Fresh => "data is fresh",
        Freshness::Stale => "stale data: values unknown, charging fades out",
        Freshness::Silent => "no data for long: cable warning",
        Freshness::Lost => "battery lost: cable alarm",
    }
}

/// One line for logs and pipes.
fn summary(snapshot: &Snapshot) -> String {
    let number = |value: Option<f64>, unit: &str| value.map_or("unknown".to_owned(), |value| format!("{value:.2} {unit}"));
    let reading = &snapshot.reading;
    let limits = &snapshot.limits;
    format!(
        "SoC {}, {}, {}; CVL {:.2}, CCL {:.1} ({}), DCL {:.1} ({})",
        number(reading.soc.map(f64::from), "%"),
        number(reading.voltage.map(f64::from), "V"),
        number(reading.current.map(f64::from), "A"),
        limits.cvl.value,
        limits.ccl.value,
        limits.ccl.why,
        limits.dcl.value,
        limits.dcl.why
    )
}

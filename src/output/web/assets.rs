//! The files of `page/`, embedded in the program. **A new file of the page is one line in [`ASSETS`].**

use super::encoding::gzip;
use axum::body::Bytes;
use std::sync::OnceLock;

/// A file of the page.
pub(super) struct Asset {
    /// Its path in requests.
    pub(super) path: &'static str,
    pub(super) content_type: &'static str,
    pub(super) bytes: &'static [u8],
}

macro_rules! asset {
    ($path:literal, $file:literal, $content_type:literal) => {
        Asset { path: $path, content_type: $content_type, bytes: include_bytes!(concat!("page/", $file)) }
    };
}

/// All of them.
#[rustfmt::skip]
pub(super) const ASSETS: &[Asset] = &[
    asset!("/", "index.html", "text/html; charset=utf-8"),
    asset!("/style.css", "style.css", "text/css; charset=utf-8"),
    asset!("/icon.svg", "icon.svg", "image/svg+xml"),
    asset!("/access.js", "access.js", "text/javascript; charset=utf-8"),
    asset!("/app.js", "app.js", "text/javascript; charset=utf-8"),
    asset!("/causes.js", "causes.js", "text/javascript; charset=utf-8"),
    asset!("/cellday.js", "cellday.js", "text/javascript; charset=utf-8"),
    asset!("/cells.js", "cells.js", "text/javascript; charset=utf-8"),
    asset!("/chart.js", "chart.js", "text/javascript; charset=utf-8"),
    asset!("/commands.js", "commands.js", "text/javascript; charset=utf-8"),
    asset!("/dom.js", "dom.js", "text/javascript; charset=utf-8"),
    asset!("/energy.js", "energy.js", "text/javascript; charset=utf-8"),
    asset!("/flow.js", "flow.js", "text/javascript; charset=utf-8"),
    asset!("/generator.js", "generator.js", "text/javascript; charset=utf-8"),
    asset!("/health.js", "health.js", "text/javascript; charset=utf-8"),
    asset!("/history.js", "history.js", "text/javascript; charset=utf-8"),
    asset!("/house.js", "house.js", "text/javascript; charset=utf-8"),
    asset!("/kiosk.js", "kiosk.js", "text/javascript; charset=utf-8"),
    asset!("/live.js", "live.js", "text/javascript; charset=utf-8"),
    asset!("/log.js", "log.js", "text/javascript; charset=utf-8"),
    asset!("/map.js", "map.js", "text/javascript; charset=utf-8"),
    asset!("/notices.js", "notices.js", "text/javascript; charset=utf-8"),
    asset!("/now.js", "now.js", "text/javascript; charset=utf-8"),
    asset!("/panels.js", "panels.js", "text/javascript; charset=utf-8"),
    asset!("/recordings.js", "recordings.js", "text/javascript; charset=utf-8"),
    asset!("/text.js", "text.js", "text/javascript; charset=utf-8"),
    asset!("/theme.js", "theme.js", "text/javascript; charset=utf-8"),
    asset!("/lang/en.json", "lang/en.json", "application/json"),
    asset!("/lang/de.json", "lang/de.json", "application/json"),
    asset!("/lang/es.json", "lang/es.json", "application/json"),
    asset!("/lang/fr.json", "lang/fr.json", "application/json"),
    asset!("/lang/nl.json", "lang/nl.json", "application/json"),
];

impl Asset {
    /// An ETag from the content (FNV-1a), so that the browser can use its cache.
    pub(super) fn tag(&self) -> String {
        let hash = self
            .bytes
            .iter()
            .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3));
        format!("\"{hash:016x}\"")
    }
}

/// The tag of the compressed form of a file with this tag.
pub(super) fn tag_of_compressed(tag: &str) -> String {
    format!("{}-gz\"", tag.trim_end_matches('"'))
}

/// The compressed form of a file's content, made once; of other bytes, made now.
pub(super) fn compressed(bytes: &'static [u8]) -> Bytes {
    static FILES: [OnceLock<Bytes>; ASSETS.len()] = [const { OnceLock::new() }; ASSETS.len()];
    let known = ASSETS.iter().position(|asset| std::ptr::eq(asset.bytes, bytes)).and_then(|place| FILES.get(place));
    let make = || Bytes::from(gzip(bytes, 9));
    known.map_or_else(make, |file| file.get_or_init(make).clone())
}

/// The file at `path`.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    let path = if path == "/index.html" { "/" } else { path };
    ASSETS.iter().find(|asset| asset.path == path)
}

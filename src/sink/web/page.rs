//! The dashboard's files as they are in `page/`, embedded in the program. The server answers a path with the row that has it.

/// A file of the page.
pub struct Asset {
    /// Path in the address, without the leading `/`; the page itself is the empty path.
    pub path: &'static str,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The file.
    pub body: &'static [u8],
}

/// `Content-Security-Policy` of the page: it loads nothing from elsewhere and runs nothing that is not in a file of its own.
pub const POLICY: &str = "default-src 'self'; base-uri 'none'; object-src 'none'";

macro_rules! assets {
    ($($path:literal: $content_type:literal = $file:literal,)*) => {
        /// Every file of the page.
        pub const ASSETS: &[Asset] = &[
            $(Asset { path: $path, content_type: $content_type, body: include_bytes!(concat!("page/", $file)) },)*
        ];
    };
}

assets! {
    "": "text/html; charset=utf-8" = "index.html",
    "style.css": "text/css; charset=utf-8" = "style.css",
    "icon.svg": "image/svg+xml" = "icon.svg",
    "theme.js": "text/javascript; charset=utf-8" = "theme.js",
    "app.js": "text/javascript; charset=utf-8" = "app.js",
    "cells.js": "text/javascript; charset=utf-8" = "cells.js",
    "chart.js": "text/javascript; charset=utf-8" = "chart.js",
    "commands.js": "text/javascript; charset=utf-8" = "commands.js",
    "dom.js": "text/javascript; charset=utf-8" = "dom.js",
    "history.js": "text/javascript; charset=utf-8" = "history.js",
    "limits.js": "text/javascript; charset=utf-8" = "limits.js",
    "live.js": "text/javascript; charset=utf-8" = "live.js",
    "panels.js": "text/javascript; charset=utf-8" = "panels.js",
    "text.js": "text/javascript; charset=utf-8" = "text.js",
    "lang/en.json": "application/json" = "lang/en.json",
    "lang/de.json": "application/json" = "lang/de.json",
}

//! Which program this is.

use std::sync::LazyLock;

/// Version, commit, processor and features: `0.1.0 (commit 98121f8, arm, features: tls)`.
pub static VERSION: LazyLock<String> = LazyLock::new(|| {
    let features = [("embedded-bus", cfg!(feature = "embedded-bus")), ("tls", cfg!(feature = "tls"))];
    let features: Vec<&str> = features.into_iter().filter_map(|(name, on)| on.then_some(name)).collect();
    let features = if features.is_empty() { "no features".to_owned() } else { format!("features: {}", features.join(", ")) };
    // Set by cross/build.sh.
    let commit = option_env!("DBUS_BMS_COMMIT").map_or("built by hand".to_owned(), |commit| format!("commit {commit}"));
    format!("{} ({commit}, {}, {features})", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH)
});

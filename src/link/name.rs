//! What a port is called where no `/` may stand.

/// The name of a port in `[port.NAME]` and at the end of a D-Bus service name: the last path component, for
/// `tcp://HOST:PORT` the whole; characters that D-Bus does not take become `_`.
pub fn port_name(port: &str) -> String {
    let name = match port.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}_{}", rest.trim_end_matches('/')),
        None => port.trim_end_matches('/').rsplit('/').next().unwrap_or(port).to_owned(),
    };
    word(&name)
}

/// `text` with everything but ASCII letters, digits and `_` replaced by `_`, as names on D-Bus must be.
pub(crate) fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

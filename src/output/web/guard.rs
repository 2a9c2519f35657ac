//! Access control. Pure.
//!
//! A foreign page can make the owner's browser send requests to a host name of its own that resolves to our address (DNS rebinding)
//! and read the answers. So the host name of a request must be one that no stranger can own.

use super::Config;
use std::net::{IpAddr, Ipv6Addr};

/// Domains of local networks.
const LOCAL: [&str; 5] = [".local", ".lan", ".home.arpa", ".internal", ".localhost"];

/// Whether a `Host` is accepted.
pub(super) fn is_ours(host: &str, config: &Config) -> bool {
    let name = name_of(host).to_ascii_lowercase();
    let name = name.trim_end_matches('.');
    let address = name.parse::<IpAddr>().is_ok();
    let word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let local = !name.contains('.') || LOCAL.iter().any(|end| name.ends_with(end));
    address || (word && (local || config.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))))
}

/// Whether a `Host` is well-formed: a name or an address, and optionally a port.
pub(super) fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => ("v6", port),
        _ => host.split_at_checked(host.find(':').unwrap_or(host.len())).unwrap_or((host, "")),
    };
    let port_is_one = port.strip_prefix(':').is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    word && !name.is_empty() && port_is_one && (port.is_empty() || port.starts_with(':'))
}

/// The host without its port and brackets.
pub(super) fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    }
}

/// Whether `authorization` contains the token, compared in constant time.
pub(super) fn may_write(authorization: Option<&str>, config: &Config) -> bool {
    let Some(token) = config.token.as_deref().filter(|token| !token.is_empty()) else { return false };
    let Some(given) = authorization.and_then(|text| text.strip_prefix("Bearer ")) else { return false };
    let given = given.trim();
    given.len() == token.len() && given.bytes().zip(token.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// Whether a changing request comes from our own page or from no page.
pub(super) fn is_same_origin(origin: Option<&str>, host: &str) -> bool {
    origin.is_none_or(|origin| origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_stranger_can_own_are_refused() {
        let config = Config { hosts: vec!["boat.example.org".into()], ..Config::default() };
        for ours in [
            "127.0.0.1:8080",
            "192.168.1.7",
            "[::1]:8080",
            "[fe80::1]",
            "localhost:8080",
            "venus",
            "venus.local:8080",
            "gx.lan",
            "BOAT.example.org:80",
            "venus.local.",
        ] {
            assert!(is_ours(ours, &config), "{ours}");
        }
        for foreign in
            ["evil.com", "evil.com:8080", "127.0.0.1.evil.com", "local.evil.com", "", ":8080", "evil.com#.local", "[::1", "a b"]
        {
            assert!(!is_ours(foreign, &config), "{foreign}");
        }
    }

    #[test]
    fn what_is_no_host_is_told_from_one() {
        for host in ["127.0.0.1:8080", "[::1]:8080", "[fe80::1]", "venus", "venus.local.", "my_gx:", "evil.com"] {
            assert!(is_host(host), "{host}");
        }
        for none in
            ["", ":80", "a b", "a,b", "a@b", "a/b", "a:b", "a:80:80", "[::1", "[::1]x", "[a]", "[]", "a#.local", "venus, evil.com"]
        {
            assert!(!is_host(none), "{none}");
        }
    }

    #[test]
    fn only_the_whole_token_opens() {
        let config = Config { token: Some("0123456789abcdef".into()), ..Config::default() };
        assert!(may_write(Some("Bearer 0123456789abcdef"), &config));
        for wrong in [
            None,
            Some(""),
            Some("0123456789abcdef"),
            Some("Bearer 0123456789abcde"),
            Some("Bearer 0123456789abcdeF"),
            Some("Bearer "),
        ] {
            assert!(!may_write(wrong, &config), "{wrong:?}");
        }
        assert!(!may_write(Some("Bearer "), &Config { token: Some(String::new()), ..Config::default() }));
        assert!(!may_write(Some("Bearer 0123456789abcdef"), &Config::default()), "no token, no writing");
        assert!(is_same_origin(None, "venus") && is_same_origin(Some("http://venus:8080"), "venus:8080"));
        assert!(!is_same_origin(Some("http://evil.com"), "venus:8080") && !is_same_origin(Some("null"), "venus"));
    }
}

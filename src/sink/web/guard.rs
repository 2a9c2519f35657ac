//! Who may ask what. Pure.
//!
//! A page elsewhere can make the owner's browser ask us under a name of its own that leads to our address (DNS rebinding), and
//! could then read what we answer. So the name by which we are asked must be one that no stranger can own.

use super::Config;
use std::net::IpAddr;

/// Names below these belong to local networks.
const LOCAL: [&str; 5] = [".local", ".lan", ".home.arpa", ".internal", ".localhost"];

/// Whether a `Host` names us.
pub(super) fn is_ours(host: &str, config: &Config) -> bool {
    let name = name_of(host).to_ascii_lowercase();
    let name = name.trim_end_matches('.');
    let address = name.parse::<IpAddr>().is_ok();
    let word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let local = !name.contains('.') || LOCAL.iter().any(|end| name.ends_with(end));
    address || (word && (local || config.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))))
}

/// The host without its port and brackets.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    }
}

/// Whether `authorization` presents the token. Takes as long for a wrong one as for the right one.
pub(super) fn may_write(authorization: Option<&str>, config: &Config) -> bool {
    let Some(token) = config.token.as_deref().filter(|token| !token.is_empty()) else { return false };
    let Some(given) = authorization.and_then(|text| text.strip_prefix("Bearer ")) else { return false };
    let given = given.trim();
    given.len() == token.len() && given.bytes().zip(token.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// Whether a request that changes something comes from our own page, or from no page.
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

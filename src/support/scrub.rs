//! Takes secrets out of texts that are to be shown to others. Rather too much than too little. Pure.

use toml::de::{DeTable, DeValue};

/// What stands in place of a secret.
pub const REMOVED: &str = "[removed]";

/// A name with one of these in it is that of a secret.
const SECRET: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "token",
    "secret",
    "credential",
    "authorization",
    "api_key",
    "apikey",
    "private_key",
    "psk",
    "username",
];

/// Shorter values are no secrets worth the name, and occur everywhere by chance.
const SHORTEST: usize = 4;

/// The secrets of a configuration, for taking them out of all other texts, too.
#[derive(Debug, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Every text under a secret name in a TOML file; none of a file that is no TOML.
    pub fn of_toml(text: &str) -> Self {
        let mut secrets = Vec::new();
        if let Ok(document) = DeTable::parse(text) {
            document.get_ref().iter().for_each(|(name, value)| collect(is_secret(name.get_ref()), value.get_ref(), &mut secrets));
        }
        Self(secrets).sorted()
    }

    /// And those in the files that secret keys name (`password_file`).
    #[must_use]
    pub fn and_in_files(mut self, read: impl Fn(&str) -> Option<String>) -> Self {
        let found: Vec<String> = self.0.iter().filter(|value| value.starts_with('/')).filter_map(|path| read(path)).collect();
        self.0.extend(found.iter().flat_map(|text| text.lines()).map(|line| line.trim().to_owned()));
        self.0.retain(|secret| secret.len() >= SHORTEST);
        self.sorted()
    }

    /// The longest first: one may be part of another.
    fn sorted(mut self) -> Self {
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self
    }

    /// A text without them, and without what looks like one.
    pub fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            text = text.replace(secret, REMOVED);
        }
        text.lines().map(|line| scrub_line(line) + "\n").collect()
    }

    /// A configuration without them. Of one that is no TOML nothing is told from the first secret on: where it ends is not clear.
    pub fn scrub_toml(&self, text: &str) -> String {
        if DeTable::parse(text).is_ok() {
            return self.scrub(text);
        }
        let mut kept = String::new();
        for line in text.lines() {
            let shown = scrub_line(line);
            kept.push_str(&shown);
            kept.push('\n');
            if shown != line {
                kept.push_str("# the rest is left out: this file is no valid TOML, and a secret stands in the line above\n");
                break;
            }
        }
        kept
    }
}

/// Whether a name is that of a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "user" || SECRET.iter().any(|secret| name.contains(secret))
}

fn collect(secret: bool, value: &DeValue<'_>, secrets: &mut Vec<String>) {
    match value {
        DeValue::Table(table) => {
            table.iter().for_each(|(name, value)| collect(secret || is_secret(name.get_ref()), value.get_ref(), secrets));
        }
        DeValue::Array(items) => items.iter().for_each(|item| collect(secret, item.get_ref(), secrets)),
        DeValue::String(text) if secret => {
            // As it is, and as it may be written with escapes or over several lines.
            let parts = text.lines().chain([text.as_ref()]).map(str::trim);
            secrets.extend(parts.filter(|part| part.len() >= SHORTEST).map(str::to_owned));
        }
        _ => {}
    }
}

/// A line up to the name of a secret, and without the user part of addresses.
fn scrub_line(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let end = SECRET.iter().filter_map(|secret| Some(lower.find(secret)?.saturating_add(secret.len()))).min();
    // Lower case of ASCII letters moves no byte, so the place is the same.
    let line = match end.and_then(|end| Some((line.get(..end)?, line.get(end..)?))) {
        Some((name, rest)) if !rest.trim().is_empty() => format!("{name} {REMOVED}"),
        _ => line.to_owned(),
    };
    without_user(&line)
}

/// `mqtt://user:word@host` without `user:word`.
fn without_user(line: &str) -> String {
    let mut parts = line.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean.push_str("://");
        let authority = part.split(['/', ' ', '"', '\'', ',']).next().unwrap_or_default();
        match authority.rfind('@').and_then(|at| part.get(at..)) {
            Some(rest) => {
                clean.push_str(REMOVED);
                clean.push_str(rest);
            }
            None => clean.push_str(part),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WORD: &str = "Q7xv#Zk9!w";

    #[test]
    fn a_configuration_keeps_its_settings_and_loses_its_secrets() {
        for text in [
            format!("name = \"x\"\n[web]\ntoken = \"{WORD}\"\nlisten = \"1.2.3.4:80\"\n"),
            format!("name = \"x\"\nmqtt = {{ username = \"{WORD}\", password='{WORD}' }}\nlisten = \"1.2.3.4:80\"\n"),
            format!("name = \"x\"\n# password = \"{WORD}\"\nlisten = \"1.2.3.4:80\"\n"),
            format!("name = \"x\"\nweb.token = '''\n{WORD}'''\nlisten = \"1.2.3.4:80\"\n"),
            format!("name = \"x\"\ntokens = [\n\"{WORD}\",\n]\nlisten = \"1.2.3.4:80\"\n"),
            format!("name = \"x\"\nbroker = \"mqtt://me:{WORD}@10.0.0.1:1883\"\nlisten = \"1.2.3.4:80\"\n"),
        ] {
            let clean = Secrets::of_toml(&text).scrub_toml(&text);
            assert!(!clean.contains(WORD), "{clean}");
            assert!(clean.contains("name = \"x\"") && clean.contains("listen = \"1.2.3.4:80\""), "{clean}");
        }
    }

    #[test]
    fn a_secret_is_found_wherever_it_turns_up() {
        let secrets = Secrets::of_toml(&format!("web.token = \"{WORD}\""));
        assert_eq!(secrets.scrub(&format!("GET /?t={WORD} from 10.0.0.1")), "GET /?t=[removed] from 10.0.0.1\n");
    }

    #[test]
    fn a_broken_file_ends_at_its_first_secret() {
        let text = format!("a = 1\nb = = 2\ntoken = \"\"\"\n{WORD}\n\"\"\"\n");
        let clean = Secrets::of_toml(&text).scrub_toml(&text);
        assert!(clean.contains("b = = 2") && !clean.contains(WORD), "{clean}");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(?s).{0,200}") {
            Secrets::of_toml(&text).scrub_toml(&text);
        }

        #[test]
        fn no_value_of_a_secret_is_left(word in "[A-Za-z0-9+/=!]{8,24}", key in proptest::sample::select(SECRET.to_vec())) {
            let text = format!("x = 1\n[web]\n{key} = \"{word}\"\ny = \"{word}\"\n");
            prop_assert!(!Secrets::of_toml(&text).scrub_toml(&text).contains(&word));
        }
    }
}

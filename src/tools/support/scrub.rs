//! Removes secrets from texts for others; in doubt removes too much. Pure.

use super::spelling;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Replacement for a secret.
pub const REMOVED: &str = "[removed]";

/// Words in the names of secrets.
const SECRET_NAMES: [&str; 20] = [
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
    "bearer",
    "api-key",
    "private-key",
    "cookie",
    "pwd",
    "pass=",
    "pass:",
];

/// Minimum length of a secret: shorter values occur everywhere by chance.
const SHORTEST_SECRET: usize = 4;

/// The secrets of a configuration, to remove them from all other texts, too.
#[derive(Debug, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Collects every text under a secret name in a TOML file, and the user part of every address in it, including lines that are
    /// commented out and files with TOML errors.
    pub fn of_toml(text: &str) -> Self {
        let mut found = Vec::new();
        let valid = values(text, &mut found);
        for line in text.lines().filter(|line| !valid || line.trim_start().starts_with('#')) {
            let line = line.trim_start_matches(['#', ' ', '\t']).trim_start_matches("example:");
            if !values(line, &mut found) {
                found.extend(in_broken(line).map(str::to_owned));
            }
            found.extend(user_part(line).into_iter().flat_map(of_user_part));
        }
        let mut secrets = Self::default();
        found.iter().for_each(|value| secrets.add(value));
        secrets.sorted()
    }

    /// Adds the secrets in the files that secret keys refer to (`password_file`).
    #[must_use]
    pub fn and_in_files(mut self, read: impl Fn(&str) -> Option<String>) -> Self {
        let found: Vec<String> = self.0.iter().filter(|value| value.starts_with('/')).filter_map(|path| read(path)).collect();
        found.iter().for_each(|text| self.add(text));
        self.sorted()
    }

    /// Adds a value as it is, each of its lines, and its percent-decoded form.
    fn add(&mut self, value: &str) {
        for part in value.lines().chain([value]).map(str::trim) {
            let forms = [Some(part.to_owned()), decoded(part)];
            self.0.extend(forms.into_iter().flatten().filter(|form| form.len() >= SHORTEST_SECRET));
        }
    }

    /// Sorts the longest first: one may be part of another.
    fn sorted(mut self) -> Self {
        self.0.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.0.dedup();
        self
    }

    /// Removes these secrets from a text, however they are written there, and anything that looks like a secret.
    pub fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            text = spelling::replace(&text, secret, REMOVED);
        }
        let (mut clean, mut follows) = (String::with_capacity(text.len()), false);
        for line in text.lines() {
            let (shown, open) = if follows && !line.trim().is_empty() { (REMOVED.to_owned(), false) } else { scrub_line(line) };
            follows = open;
            clean.push_str(&shown);
            clean.push('\n');
        }
        clean
    }

    /// Removes the secrets from a configuration. A file with TOML errors is cut at its first secret, because its end is not clear.
    pub fn scrub_toml(&self, text: &str) -> String {
        let Ok(document) = DeTable::parse(text) else { return self.scrub_broken(text) };
        let mut places: Vec<Range<usize>> = Vec::new();
        each_leaf(document.get_ref(), false, &mut |secret, value| {
            if secret {
                places.push(value.span());
            }
        });
        places.sort_by_key(|place| place.start);
        let (mut open, mut from) = (String::with_capacity(text.len()), 0);
        for place in places {
            open.push_str(text.get(from..place.start).unwrap_or_default());
            open.push_str(&format!("\"{REMOVED}\""));
            from = place.end;
        }
        open.push_str(text.get(from..).unwrap_or_default());
        self.scrub(&open)
    }

    fn scrub_broken(&self, text: &str) -> String {
        let mut kept = String::new();
        for line in text.lines() {
            let shown = self.scrub(line);
            kept.push_str(&shown);
            if shown.trim_end() != line.trim_end() {
                kept.push_str("# the rest is left out: this file is not valid TOML, and the line above contains a secret\n");
                break;
            }
        }
        kept
    }
}

/// Whether a name denotes a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "user" || name == "pass" || SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

/// Calls `look` with every value that is not a table or list, and whether it is under a secret name.
fn each_leaf<'a>(table: &DeTable<'a>, secret: bool, look: &mut impl FnMut(bool, &Spanned<DeValue<'a>>)) {
    for (name, value) in table {
        each_leaf_of(value, secret || is_secret(name.get_ref()), look);
    }
}

fn each_leaf_of<'a>(value: &Spanned<DeValue<'a>>, secret: bool, look: &mut impl FnMut(bool, &Spanned<DeValue<'a>>)) {
    match value.get_ref() {
        DeValue::Table(table) => each_leaf(table, secret, look),
        DeValue::Array(items) => items.iter().for_each(|item| each_leaf_of(item, secret, look)),
        _ => look(secret, value),
    }
}

/// Adds the secrets of a TOML document; false if it is not one.
fn values(text: &str, found: &mut Vec<String>) -> bool {
    let Ok(document) = DeTable::parse(text) else { return false };
    each_leaf(document.get_ref(), false, &mut |secret, value| match value.get_ref() {
        DeValue::String(text) if secret => found.push(text.to_string()),
        DeValue::String(text) => found.extend(user_part(text).into_iter().flat_map(of_user_part)),
        DeValue::Integer(number) if secret => found.push(number.as_str().to_owned()),
        _ => {}
    });
    true
}

/// The value of a line `name = "value"` in a file with TOML errors, if the name is that of a secret.
fn in_broken(line: &str) -> Option<&str> {
    let (name, value) = line.split_once('=')?;
    (is_secret(name.trim()) && !name.trim().contains(' ')).then(|| value.trim().trim_matches(['"', '\'']))
}

/// A line up to the name of a secret, and without the user part of addresses; and whether the secret follows on the next line.
fn scrub_line(line: &str) -> (String, bool) {
    let line = without_basic(&without_user(line));
    let lower = line.to_ascii_lowercase();
    let end = SECRET_NAMES.iter().filter_map(|secret| Some(lower.find(secret)?.saturating_add(secret.len()))).min();
    // Converting ASCII letters to lower case moves no byte, so the position is the same.
    match end.and_then(|end| Some((line.get(..end)?, line.get(end..)?))) {
        Some((name, rest)) if !rest.trim().is_empty() => {
            let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || "_-\"'".contains(letter));
            let open = rest.contains([':', '=']) && !rest.contains(|letter: char| letter.is_alphanumeric());
            (format!("{name} {REMOVED}"), open)
        }
        Some((name, _)) => (name.to_owned(), name.ends_with([':', '='])),
        None => (line, false),
    }
}

/// `mqtt://user:word@host` without `user:word`. A password may contain any character, so it ends at the last `@`.
fn without_user(line: &str) -> String {
    match user_part(line) {
        Some(user) => line.replacen(&format!("://{user}@"), &format!("://{REMOVED}@"), 1),
        None => line.to_owned(),
    }
}

/// The part between `://` and the last `@`.
fn user_part(text: &str) -> Option<&str> {
    Some(text.split_once("://")?.1.rsplit_once('@')?.0)
}

/// The whole user part, the user and the password, because each may appear alone.
fn of_user_part(user: &str) -> Vec<String> {
    let (name, word) = user.split_once(':').unwrap_or((user, ""));
    [user, name, word].map(str::to_owned).into()
}

/// `Basic dXNlcjp3b3Jk` without the encoded user and password.
fn without_basic(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let end = lower.find("basic ").map(|at| at.saturating_add("basic ".len()));
    match end.and_then(|end| Some((line.get(..end)?, line.get(end..)?))) {
        Some((scheme, rest)) if rest.split_whitespace().next().is_some_and(|word| word.len() >= SHORTEST_SECRET) => {
            format!("{scheme}{REMOVED}")
        }
        _ => line.to_owned(),
    }
}

/// Decodes a percent-encoded text; `None` if nothing is encoded.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| *first == b'%').and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok().filter(|plain| plain != text)
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
    fn strings_over_several_lines_are_taken_out_whole() {
        for text in [
            "x = 1\n[mqtt]\npassword = \"\"\"\nab\ncd\"\"\"\ny = 2\n",
            "x = 1\n[mqtt]\npassword = \"\"\"Q7x \\\n      vZk9\"\"\"\ny = 2\n",
            "x = 1\r\n[mqtt]\r\npassword = '''\r\na\r\nb'''\r\ny = 2\r\n",
            "x = 1\n[mqtt]\npassword = 12345678\ny = 2\n",
            "x = 1\nmqtt.\"pass\\u0077ord\" = 'z1'\ny = 2\n",
            "x = 1\nmqtt = { host = \"h\", user = \"me\", password = \"z,1\" }\ny = 2\n",
        ] {
            let clean = Secrets::of_toml(text).scrub_toml(text);
            for left in ["ab", "cd", "Q7x", "vZk9", "a\n", "b'", "12345678", "z1", "z,1", "\"me\""] {
                assert!(!clean.contains(left), "{left}: {clean}");
            }
            assert!(clean.starts_with("x = 1\n") && clean.ends_with("y = 2\n"), "{clean}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_goes_although_nobody_knows_it() {
        let nothing = Secrets::default();
        for (text, clean) in [
            ("GET / Bearer abc.def\nnext", "GET / Bearer [removed]\nnext\n"),
            ("header: Basic dXNlcjp3b3Jk", "header: Basic [removed]\n"),
            ("authorization: Digest x=\"y\"", "authorization [removed]\n"),
            ("{\"password\":\n \"pa,ss\"\n}", "{\"password [removed]\n[removed]\n}\n"),
            ("http://u:pa,ss@h", "http://[removed]@h\n"),
            ("http://u:p'a/s s@h:80/x", "http://[removed]@h:80/x\n"),
            ("http://u:a://b@h", "http://[removed]@h\n"),
            ("tcp://10.0.0.1:23 answers", "tcp://10.0.0.1:23 answers\n"),
            ("the basic settings", "the basic [removed]\n"),
        ] {
            assert_eq!(nothing.scrub(text), clean);
        }
    }

    #[test]
    fn a_secret_that_is_commented_out_is_one_in_the_log_too() {
        let secrets = Secrets::of_toml("#password = \"abc,def\"\n#url = \"http://u1:gh'ij@h\"\nbroken = = 1\n");
        assert_eq!(secrets.scrub("E abc,def and gh'ij"), "E [removed] and [removed]\n");
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
        fn no_value_of_a_secret_is_left(word in "[A-Za-z0-9+/=!]{8,24}", key in proptest::sample::select(SECRET_NAMES.to_vec())) {
            let text = format!("x = 1\n[web]\n{key} = \"{word}\"\ny = \"{word}\"\n");
            prop_assert!(!Secrets::of_toml(&text).scrub_toml(&text).contains(&word));
        }

        #[test]
        fn no_secret_is_left_in_any_spelling(word in "[A-Za-z0-9,'/\\\\\"@:;#?&=+%{} \tä€😀-]{5,20}", how in 0..9usize) {
            prop_assume!(word.trim() == word && word.len() >= SHORTEST_SECRET && !word.contains(REMOVED));
            let secrets = Secrets::of_toml(&format!("mqtt.password = {}\n", toml_text(&word)));
            let told = spell(&word, how);
            let clean = secrets.scrub(&format!("12:00 I before\n12:01 E broker says {told} here\n12:02 I after\n"));
            prop_assert!(!clean.contains(&told) && clean.contains("I before") && clean.contains("I after"), "{told}: {clean}");
            prop_assert!(clean.contains("broker says [removed] here") || word.contains("://"), "{told}: {clean}");
        }

        #[test]
        fn no_password_of_an_address_is_left(word in "[A-Za-z0-9,'/:;#?&=+ @ä-]{5,20}", how in 0..9usize) {
            prop_assume!(word.trim() == word && word.trim_matches('@') == word && word.trim_matches(':') == word);
            let text = format!("name = \"x\"\n[domoticz]\nurl = \"http://somebody:{word}@10.0.0.1:8080\"\n[can]\ninterval_s = 1\n");
            let secrets = Secrets::of_toml(&text);
            let clean = secrets.scrub_toml(&text);
            prop_assert!(!clean.contains(&word) && clean.contains("@10.0.0.1:8080") && clean.contains("interval_s = 1"), "{clean}");
            let told = spell(&word, how);
            let log = secrets.scrub(&format!("E http://somebody:{told}@10.0.0.1:8080 away\nE only {told} away\n"));
            prop_assert!(!log.contains(&told) && log.contains("away\nE only [removed] away"), "{told}: {log}");
            // An address that is not in the configuration.
            let strange = Secrets::default().scrub(&format!("E http://other:{word}@10.0.0.9:80 away\n"));
            prop_assert_eq!(strange, "E http://[removed]@10.0.0.9:80 away\n");
        }
    }

    /// As a basic string of TOML.
    fn toml_text(word: &str) -> String {
        format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"").replace('\t', "\\t"))
    }

    /// Without the quotes around it.
    fn inside(quoted: &str) -> String {
        quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(quoted).to_owned()
    }

    /// The word in one of the spellings used by logs, files and addresses.
    fn spell(word: &str, how: usize) -> String {
        let percent = |keep: &dyn Fn(u8) -> bool, lower: bool| -> String {
            let coded = |byte: u8| if lower { format!("%{byte:02x}") } else { format!("%{byte:02X}") };
            // Characters beyond ASCII are encoded completely.
            word.bytes()
                .map(|byte| if byte.is_ascii() && keep(byte) { char::from(byte).to_string() } else { coded(byte) })
                .collect()
        };
        match how {
            0 => word.to_owned(),
            1 => inside(&serde_json::to_string(word).unwrap()),
            2 => inside(&toml_text(word)),
            3 => percent(&|byte| byte.is_ascii_alphanumeric(), false),
            4 => percent(&|_| false, true),
            5 => percent(&|byte| byte.is_ascii_alphanumeric() || byte == b' ', false).replace(' ', "+"),
            6 => word.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect(),
            7 => word.chars().map(|letter| format!("\\U{:08x}", u32::from(letter))).collect(),
            _ => word.chars().map(|letter| format!("\\u{{{:x}}}", u32::from(letter))).collect(),
        }
    }
}

//! Sanitises foreign text before it is shown: names from GX settings, from other services on the bus, from state files. It must
//! not control a terminal, a log line, a page or a name in another system.

use serde_json::Value;

/// Maximum length of a battery name, characters; GUIs allow 32.
pub const MAX_NAME: usize = 64;
/// Maximum length of other foreign text, characters.
pub const MAX_TEXT: usize = 1000;

/// `text` as one line of at most `longest` characters, without escapes and other control characters and without marks that change
/// the writing direction.
pub fn printable(text: &str, longest: usize) -> String {
    // A line end or tab separates words.
    let shown = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !is_steering(*c));
    shown.take(longest).collect()
}

/// `name` as a valid battery name.
pub fn printable_name(name: &str) -> String {
    printable(name.trim(), MAX_NAME).trim().to_owned()
}

/// Makes all texts in a JSON value printable; keys are unchanged.
pub(crate) fn printable_json(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(printable(&text, MAX_TEXT)),
        Value::Array(values) => Value::Array(values.into_iter().map(printable_json).collect()),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(key, value)| (key, printable_json(value))).collect()),
        plain => plain,
    }
}

/// Control characters, and invisible ones that change the text direction or the line.
fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_that_steers_remains() {
        assert_eq!(printable("Shed \u{1b}[31m\u{9b}2Jred\u{7}\u{202e}\u{2066}\u{feff}", 99), "Shed [31m2Jred");
        assert_eq!(printable("two\r\nlines\u{2028}x\u{85}y\tz", 99), "two  lines x y z");
        assert_eq!(printable("ÄÖÜ ☀ 電池 é", 7), "ÄÖÜ ☀ 電");
        assert_eq!(printable_name(&format!(" \n{}", "x".repeat(5000))).len(), MAX_NAME);
        let value = printable_json(serde_json::json!({"name": "a\u{1b}b", "list": [{"by": "\n"}, 1.5, null]}));
        assert_eq!(value, serde_json::json!({"name": "ab", "list": [{"by": " "}, 1.5, null]}));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_one_short_line(text in any::<String>(), longest in 0..200usize) {
            let shown = printable(&text, longest);
            prop_assert!(shown.chars().count() <= longest && !shown.chars().any(char::is_control));
            prop_assert_eq!(printable(&shown, longest), shown);
        }
    }
}

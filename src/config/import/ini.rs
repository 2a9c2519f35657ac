//! INI files as Python's configparser reads them, but lenient: every `name = value` counts, in any section.

/// The options, names in capitals, in the order of the file. If an option is written twice, the last value counts.
pub(super) fn options(text: &str) -> Vec<(String, String)> {
    let mut options: Vec<(String, String)> = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let content = line.trim();
        if content.is_empty() || content.starts_with([';', '#', '[']) {
            continue;
        }
        let goes_on = line.starts_with([' ', '\t']);
        match content.split_once(['=', ':']).map(|(name, value)| (name.trim(), value.trim())) {
            Some((name, value)) if is_name(name) => {
                let name = name.to_ascii_uppercase();
                options.retain(|(known, _)| *known != name);
                options.push((name, value.to_owned()));
            }
            // Indented lines continue a value.
            _ if goes_on => {
                if let Some((_, value)) = options.last_mut() {
                    value.push(' ');
                    value.push_str(content);
                }
            }
            _ => {}
        }
    }
    options
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A number; infinite ones count as none.
pub(super) fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// `3.5, 3.4, 3.3`
pub(super) fn numbers(text: &str) -> Option<Vec<f64>> {
    text.split(',').map(number).collect()
}

/// `True` in any case; everything else is false, as there.
pub(super) fn flag(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("true")
}

/// The comma-separated parts.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_by_configparser() {
        let text = "\u{feff}[DEFAULT]\r\n; A = 1\n# B = 2\nmax_cell_voltage : 3.45\nNAMES = a,\n    b\nC=\nD = 1\nD = 2\n";
        let expected = [("MAX_CELL_VOLTAGE", "3.45"), ("NAMES", "a, b"), ("C", ""), ("D", "2")];
        assert_eq!(options(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

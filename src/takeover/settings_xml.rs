//! `settings.xml`, the file of a GX's settings service, in the form written by that service: groups are elements, settings are
//! elements with a `type`, and a name that would begin with a digit has a `_` in front. Pure.

use super::entries::{Devices, SettingValue, devices};

/// The devices in the text of the file; empty for any other file.
pub fn read(text: &str) -> Devices {
    let mut place: Vec<String> = Vec::new();
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((tag, after)) = after.split_once('>') else { break };
        rest = after;
        let name = tag.split_whitespace().next().unwrap_or_default().trim_end_matches('/');
        if name.is_empty() || name.starts_with(['?', '!']) {
            continue;
        }
        if name.starts_with('/') {
            place.pop();
            continue;
        }
        place.push(name.strip_prefix('_').unwrap_or(name).to_owned());
        let value = rest.split('<').next().unwrap_or_default();
        if let Some(kind) = attribute(tag, "type")
            && let Some(path) = place.join("/").strip_prefix("Settings/Devices/")
        {
            let value = plain(value);
            let held = match kind {
                "i" => value.trim().parse().ok().map(SettingValue::Integer),
                "f" => value.trim().parse().ok().map(SettingValue::Float),
                _ => Some(SettingValue::Text(value)),
            };
            found.extend(held.map(|held| (path.to_owned(), held)));
        }
        if tag.ends_with('/') {
            place.pop();
        }
    }
    devices(found)
}

/// Value of an attribute, which the service always writes in double quotes.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

fn plain(text: &str) -> String {
    let signs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#13;", "\r"), ("&amp;", "&")];
    signs.iter().fold(text.to_owned(), |text, (written, sign)| text.replace(written, sign))
}

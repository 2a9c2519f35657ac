//! Compressed answers (RFC 9110, 8.4). The files of the page are compressed once, at their first request; other answers each time.

use super::answer::{Answer, Body};
use super::assets;
use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

/// A shorter content is not worth the work, bytes.
const MIN_BYTES: usize = 1000;

/// Whether a client that sends these values of `Accept-Encoding` takes gzip.
pub(super) fn accepts_gzip<'a>(mut values: impl Iterator<Item = &'a str>) -> bool {
    values.any(|value| {
        value.split(',').any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let refused = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f64>().ok()) == Some(0.0);
            name.trim().eq_ignore_ascii_case("gzip") && !refused
        })
    })
}

/// The bytes in gzip form. `level` 1 is quick, 9 small.
pub(super) fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    // Writing to a vector cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// The answer with its content in gzip form, if that is worth the work.
pub(super) fn compressed(answer: Answer) -> Answer {
    let bytes = match &answer.body {
        Body::Constant(bytes) if bytes.len() >= MIN_BYTES => assets::compressed(bytes),
        Body::Text(text) if text.len() >= MIN_BYTES => Bytes::from(gzip(text.as_bytes(), 1)),
        _ => return answer,
    };
    // Another form of the same content has another tag.
    let tag = answer.tag.map(|tag| assets::tag_of_compressed(&tag));
    Answer { tag, body: Body::Compressed(bytes), ..answer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn only_clients_that_take_it_get_gzip() {
        for (values, accepted) in [
            (vec!["gzip, deflate, br"], true),
            (vec!["br", "GZIP;q=0.5"], true),
            (vec!["gzip;q=0"], false),
            (vec!["gzip;q=0.0, br"], false),
            (vec!["xgzip"], false),
            (vec![], false),
        ] {
            assert_eq!(accepts_gzip(values.iter().copied()), accepted, "{values:?}");
        }
    }

    #[test]
    fn what_is_compressed_is_read_again() {
        let text = "CVL 55.2 V ".repeat(500);
        for level in [1, 9] {
            let short = gzip(text.as_bytes(), level);
            assert!(short.len() < text.len() / 10);
            let mut again = String::new();
            flate2::read::GzDecoder::new(&*short).read_to_string(&mut again).unwrap();
            assert_eq!(again, text);
        }
    }
}

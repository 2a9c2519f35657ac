//! Signatures of releases, in minisign's format: Ed25519 over the BLAKE2b hash of the file (<https://jedisct1.github.io/minisign>).

use crate::base::printable::{MAX_TEXT, printable};
use minisign_verify::{Error, PublicKey, Signature};
use std::io::{self, Read};
use thiserror::Error;

/// The keys of this project's releases. A file in the repository and nothing else decides which: no setting, no variable of the build.
const RELEASE_KEYS: &str = include_str!("../../cross/release-keys.txt");

/// Maximum bytes of a signature or key file; minisign's have less than 1000.
pub const MAX_TEXT_BYTES: u64 = 8000;

/// Characters of a key's text that tell it from others: algorithm and number.
const KEY_NAME_LENGTH: usize = 13;

/// Why a file does not count as released.
#[derive(Debug, Error)]
pub enum SignatureError {
    /// No key to check against.
    #[error("this program was built without a release key; use one from a signed release")]
    NoKey,
    /// Signed with another key.
    #[error("it is signed with a key that this program does not know; take the file from the release page")]
    UnknownKey,
    /// The file or its signature was changed.
    #[error("it is not the file that was signed, but damaged or altered; take it from the release page again")]
    Altered,
    /// The signature file is incomplete, or not one of minisign's.
    #[error("its signature file is damaged or of another kind; take it from the release page again")]
    Malformed,
    /// The file cannot be read to its end.
    #[error("it cannot be read: {0}; check the disk")]
    Read(#[from] io::Error),
}

/// A valid signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// First characters of the public key.
    pub key: String,
    /// The comment that is signed along with the file, such as "dbus-bms 1.2.0 venus-data.tar.gz"; any text.
    pub comment: String,
}

/// Public keys that are trusted.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<(String, PublicKey)>);

impl Keys {
    /// Those of this project's releases.
    #[must_use]
    pub fn of_releases() -> Self {
        Self::parse(RELEASE_KEYS).unwrap_or_default()
    }

    /// Keys from a text in the form of minisign's `.pub` files: one on each line. Empty lines, those with `#` and minisign's
    /// comments are skipped. `None` if another line is no key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("untrusted comment:"));
        lines
            .map(|line| Some((line.chars().take(KEY_NAME_LENGTH).collect(), PublicKey::from_base64(line).ok()?)))
            .collect::<Option<_>>()
            .map(Self)
    }

    /// Checks `content` against the text of its signature file.
    ///
    /// # Errors
    /// [`SignatureError`]
    pub fn verify(&self, mut content: impl Read, signature: &str) -> Result<Signed, SignatureError> {
        if self.0.is_empty() {
            return Err(SignatureError::NoKey);
        }
        let signature = Signature::decode(signature).map_err(|_| SignatureError::Malformed)?;
        for (name, key) in &self.0 {
            let mut verifier = match key.verify_stream(&signature) {
                Ok(verifier) => verifier,
                Err(Error::UnexpectedKeyId) => continue,
                Err(_) => return Err(SignatureError::Malformed),
            };
            let mut buffer = [0; 16 * 1024];
            loop {
                let length = match content.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) => length,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error.into()),
                };
                verifier.update(buffer.get(..length).unwrap_or_default());
            }
            verifier.finalize().map_err(|_| SignatureError::Altered)?;
            let comment = printable(signature.trusted_comment(), MAX_TEXT);
            return Ok(Signed { key: name.clone(), comment });
        }
        Err(SignatureError::UnknownKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // Two keys made for this test, and the signature of "driver\n" by the first.
    const KEY: &str = "untrusted comment: of a test\nRWQaEkGB971TbCNA9coZAUkiwXRquM6QrGDQ6/gUaA8BOrwY62bu3J5n\n";
    const OTHER: &str = "# another\n\nRWTlwRv2TEyt2AqIBweC7llWyU8R5lu7YdA1fQhifOG8ZwAvz+1yKZjv";
    const SIGNATURE: &str = "untrusted comment: release of dbus-bms
RUQaEkGB971TbGDzms5ARchTafTi60W1gCPSCYzqdnSOmH9OTYBBxdlSbaM3e6sNxbRWcQT9zGiK+5y7/4PhVKNYNsbD247e4Q8=
trusted comment: dbus-bms 1.2.0 venus-data.tar.gz
zmgMePOCt51QLhkBEevPwljiyVoWvSybHAaZzeBUlWkKtnhn7DiDhXDuM/dPos1gHodEiE/SyCvQodl275/XCQ==
";

    fn check(keys: &str, content: &str, signature: &str) -> Result<Signed, SignatureError> {
        Keys::parse(keys).unwrap().verify(content.as_bytes(), signature)
    }

    #[test]
    fn only_the_signed_bytes_under_a_known_key_count() {
        let signed = Signed { key: "RWQaEkGB971Tb".to_owned(), comment: "dbus-bms 1.2.0 venus-data.tar.gz".to_owned() };
        assert_eq!(check(KEY, "driver\n", SIGNATURE).unwrap(), signed);
        assert_eq!(check(&format!("{OTHER}\n{KEY}"), "driver\n", SIGNATURE).unwrap(), signed, "the second of two keys");
        assert!(matches!(check(KEY, "Driver\n", SIGNATURE), Err(SignatureError::Altered)));
        assert!(matches!(check(KEY, "driver", SIGNATURE), Err(SignatureError::Altered)));
        assert!(matches!(check(KEY, "", SIGNATURE), Err(SignatureError::Altered)));
        assert!(matches!(check(OTHER, "driver\n", SIGNATURE), Err(SignatureError::UnknownKey)));
        assert!(matches!(check("", "driver\n", SIGNATURE), Err(SignatureError::NoKey)));
        let another_version = SIGNATURE.replace("1.2.0", "9.2.0");
        assert!(matches!(check(KEY, "driver\n", &another_version), Err(SignatureError::Altered)), "the comment is signed, too");
    }

    #[test]
    fn a_cut_signature_is_none() {
        for end in 0..SIGNATURE.trim_end().len() {
            assert!(check(KEY, "driver\n", SIGNATURE.get(..end).unwrap()).is_err(), "cut after {end} characters");
        }
    }

    #[test]
    fn the_program_has_at_most_two_keys_and_they_are_readable() {
        assert!(Keys::parse(RELEASE_KEYS).is_some_and(|keys| keys.0.len() <= 2));
        assert!(Keys::parse("no key").is_none());
    }

    proptest! {
        #[test]
        fn no_other_signature_passes(place in 0..SIGNATURE.len(), byte in 0x20..0x7fu8) {
            let mut bytes = SIGNATURE.as_bytes().to_vec();
            bytes[place] = byte;
            let changed = String::from_utf8(bytes).unwrap();
            // The first line is not signed, and says so.
            let is_free = place < SIGNATURE.find('\n').unwrap();
            prop_assert_eq!(check(KEY, "driver\n", &changed).is_ok(), is_free || changed == SIGNATURE);
        }

        #[test]
        fn no_text_panics(keys in any::<String>(), signature in any::<String>(), content in any::<String>()) {
            let _ = Keys::parse(&keys).map(|keys| keys.verify(content.as_bytes(), &signature));
            let _ = check(KEY, &content, &signature);
        }
    }
}

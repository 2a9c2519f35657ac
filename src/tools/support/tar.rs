//! POSIX ustar archives, uncompressed, which is sufficient for a few small texts. Pure.

/// Block size in bytes.
const BLOCK: usize = 512;
/// Maximum length of a name; longer ones are cut.
const NAME: usize = 100;

/// An archive under construction.
#[derive(Debug, Default)]
pub struct Archive(Vec<u8>);

impl Archive {
    /// Adds a file: its path in the archive, and the time of its last change in seconds since 1970.
    pub fn add(&mut self, path: &str, content: &[u8], time: u64) {
        self.0.extend_from_slice(&header(path, content.len(), time));
        self.0.extend_from_slice(content);
        self.pad();
    }

    /// The bytes of the archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 2 * BLOCK]);
        self.0
    }

    fn pad(&mut self) {
        let length = self.0.len().next_multiple_of(BLOCK);
        self.0.resize(length, 0);
    }
}

/// name 100, mode 8, uid 8, gid 8, size 12, mtime 12, checksum 8, type 1, linkname 100, magic 6, version 2, and 247 bytes of zeros
/// (owner's names, device, prefix).
fn header(path: &str, size: usize, time: u64) -> Vec<u8> {
    let name: Vec<u8> = path.bytes().take(NAME).collect();
    let field = |bytes: &[u8], length: usize| bytes.iter().copied().chain(std::iter::repeat(0)).take(length).collect::<Vec<u8>>();
    let octal = |number: u64, length: usize| format!("{number:0width$o}\0", width = length.saturating_sub(1)).into_bytes();
    let before = [field(&name, NAME), octal(0o644, 8), octal(0, 8), octal(0, 8), octal(size as u64, 12), octal(time, 12)].concat();
    let after = [b"0".to_vec(), field(&[], 100), b"ustar\x0000".to_vec(), field(&[], 247)].concat();
    // The checksum counts its own field as blanks.
    let sum: u64 = before.iter().chain(&after).map(|byte| u64::from(*byte)).sum::<u64>().saturating_add(8 * 32);
    [before, format!("{sum:06o}\0 ").into_bytes(), after].concat()
}

/// Maximum number of files in an archive that is read.
const MAX_READ: usize = 1000;

/// The files of an archive: path and content. It ends at the first header that is not one.
pub fn files(archive: &[u8]) -> Vec<(String, &[u8])> {
    let (mut rest, mut files) = (archive, Vec::new());
    while files.len() < MAX_READ
        && let Some((header, behind)) = rest.split_at_checked(BLOCK)
        && header.get(257..262) == Some(b"ustar")
        && let Some(size) = octal(header.get(124..136).unwrap_or_default())
        && let Some(content) = behind.get(..size)
    {
        let name = header.get(..NAME).unwrap_or_default().split(|byte| *byte == 0).next().unwrap_or_default();
        let is_file = matches!(header.get(156), Some(b'0' | 0));
        files.extend(is_file.then(|| (String::from_utf8_lossy(name).into_owned(), content)));
        rest = behind.get(size.next_multiple_of(BLOCK)..).unwrap_or_default();
    }
    files
}

/// Whether this is the beginning of an archive.
pub fn is_archive(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

fn octal(field: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(field).ok()?;
    usize::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked_and_other_bytes_are_not() {
        let mut archive = Archive::default();
        archive.add("a/b.txt", b"one", 0);
        archive.add("a/c.txt", &[7; 513], 0);
        let bytes = archive.finish();
        assert!(is_archive(&bytes));
        let found = files(&bytes);
        assert_eq!(found, [("a/b.txt".to_owned(), b"one".as_slice()), ("a/c.txt".to_owned(), [7; 513].as_slice())]);
        for cut in [0, 100, 512, 515, 600, 1024, 1500] {
            assert!(files(&bytes[..cut]).len() <= 1, "{cut}");
        }
        let mut wrong = bytes.clone();
        wrong[124..135].copy_from_slice(b"77777777777");
        assert!(files(&wrong).is_empty() && files(b"{}").is_empty());
    }

    #[test]
    fn a_header_is_one_block_whatever_the_name() {
        for path in ["", "a/b.txt", &"x".repeat(300)] {
            assert_eq!(header(path, 123, 1_700_000_000).len(), BLOCK);
        }
    }
}

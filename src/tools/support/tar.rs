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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_one_block_whatever_the_name() {
        for path in ["", "a/b.txt", &"x".repeat(300)] {
            assert_eq!(header(path, 123, 1_700_000_000).len(), BLOCK);
        }
    }
}

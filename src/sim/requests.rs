//! Finds the requests to a simulated board in the received bytes: in parts, several at once, with garbage in between.

/// Meaning of the first received bytes to a board.
pub(super) enum RequestScan<T> {
    /// Start of a request; more bytes are needed.
    Incomplete,
    /// A request of this many bytes.
    Complete(T, usize),
    /// The first byte does not start a request.
    NoRequest,
}

/// Received bytes that are not parsed yet.
#[derive(Debug, Default)]
pub(super) struct RequestBuffer(Vec<u8>);

impl RequestBuffer {
    /// Adds received bytes.
    pub(super) fn put(&mut self, input: &[u8]) {
        self.0.extend_from_slice(input);
    }

    /// Drops an incomplete request.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The next request found by `scan`, which gets at least one byte; bytes that do not start one are dropped.
    pub(super) fn take<T>(&mut self, scan: impl Fn(&[u8]) -> RequestScan<T>) -> Option<T> {
        let mut done = 0usize;
        let found = loop {
            match self.0.get(done..).filter(|rest| !rest.is_empty()).map(&scan) {
                None | Some(RequestScan::Incomplete) => break None,
                Some(RequestScan::Complete(request, length)) => {
                    done = done.saturating_add(length);
                    break Some(request);
                }
                Some(RequestScan::NoRequest) => done = done.saturating_add(1),
            }
        };
        self.0.drain(..done.min(self.0.len()));
        found
    }
}

/// For protocols whose requests all have `N` bytes: a request begins with a byte accepted by `begins` and is complete if
/// `understood` accepts all bytes.
pub(super) fn of_length<const N: usize, T>(
    bytes: &[u8],
    begins: impl Fn(u8) -> bool,
    understood: impl Fn(&[u8; N]) -> Option<T>,
) -> RequestScan<T> {
    match (bytes.first(), bytes.first_chunk()) {
        (Some(first), None) if begins(*first) => RequestScan::Incomplete,
        (Some(first), Some(request)) if begins(*first) => {
            understood(request).map_or(RequestScan::NoRequest, |it| RequestScan::Complete(it, N))
        }
        _ => RequestScan::NoRequest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `<ab>`
    fn scan(bytes: &[u8]) -> RequestScan<[u8; 2]> {
        of_length(
            bytes,
            |first| first == b'<',
            |request: &[u8; 4]| match request {
                [_, a, b, b'>'] => Some([*a, *b]),
                _ => None,
            },
        )
    }

    #[test]
    fn requests_are_found_however_they_come() {
        let mut buffer = RequestBuffer::default();
        let mut found = Vec::new();
        for byte in b"..<<12>3><45><6" {
            buffer.put(&[*byte]);
            found.extend(buffer.take(scan));
        }
        assert_eq!(found, [*b"12", *b"45"]);
        buffer.put(b"7><89>");
        assert_eq!([buffer.take(scan), buffer.take(scan), buffer.take(scan)], [Some(*b"67"), Some(*b"89"), None]);
    }

    #[test]
    fn silence_ends_a_request() {
        let mut buffer = RequestBuffer::default();
        buffer.put(b"<1");
        assert_eq!(buffer.take(scan), None);
        buffer.clear();
        buffer.put(b"2>");
        assert_eq!(buffer.take(scan), None);
    }
}

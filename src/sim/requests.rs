//! How a simulated board finds requests in the bytes that come: in pieces, several at once, with garbage between.

/// What the first of the bytes that have come are to a board.
pub(super) enum Sight<T> {
    /// The beginning of a request; the rest is awaited.
    Begun,
    /// A request of so many bytes.
    Whole(T, usize),
    /// The first byte begins no request.
    Nothing,
}

/// Bytes that have come and are not understood yet.
#[derive(Debug, Default)]
pub(super) struct Inbox(Vec<u8>);

impl Inbox {
    /// Takes bytes as they come.
    pub(super) fn put(&mut self, input: &[u8]) {
        self.0.extend_from_slice(input);
    }

    /// Forgets a request that was begun.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The next request as `look` sees it, which is given one byte at least; what begins none is dropped.
    pub(super) fn take<T>(&mut self, look: impl Fn(&[u8]) -> Sight<T>) -> Option<T> {
        let mut done = 0usize;
        let found = loop {
            match self.0.get(done..).filter(|rest| !rest.is_empty()).map(&look) {
                None | Some(Sight::Begun) => break None,
                Some(Sight::Whole(request, length)) => {
                    done = done.saturating_add(length);
                    break Some(request);
                }
                Some(Sight::Nothing) => done = done.saturating_add(1),
            }
        };
        self.0.drain(..done.min(self.0.len()));
        found
    }
}

/// For requests that all are `N` bytes long: one begins with a byte that `begins`, and is one if it can be `understood` as a whole.
pub(super) fn of_length<const N: usize, T>(
    bytes: &[u8],
    begins: impl Fn(u8) -> bool,
    understood: impl Fn(&[u8; N]) -> Option<T>,
) -> Sight<T> {
    match (bytes.first(), bytes.first_chunk()) {
        (Some(first), None) if begins(*first) => Sight::Begun,
        (Some(first), Some(request)) if begins(*first) => understood(request).map_or(Sight::Nothing, |it| Sight::Whole(it, N)),
        _ => Sight::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `<ab>`
    fn look(bytes: &[u8]) -> Sight<[u8; 2]> {
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
        let mut inbox = Inbox::default();
        let mut said = Vec::new();
        for byte in b"..<<12>3><45><6" {
            inbox.put(&[*byte]);
            said.extend(inbox.take(look));
        }
        assert_eq!(said, [*b"12", *b"45"]);
        inbox.put(b"7><89>");
        assert_eq!([inbox.take(look), inbox.take(look), inbox.take(look)], [Some(*b"67"), Some(*b"89"), None]);
    }

    #[test]
    fn silence_ends_a_request() {
        let mut inbox = Inbox::default();
        inbox.put(b"<1");
        assert_eq!(inbox.take(look), None);
        inbox.clear();
        inbox.put(b"2>");
        assert_eq!(inbox.take(look), None);
    }
}

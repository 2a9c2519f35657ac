//! Standard input of the commands that convert something.

use std::io::{self, BufRead, IsTerminal, Read, StdinLock};

/// Standard input. If it is a terminal, a log line says what is awaited before the first byte is read: a command that waits silently
/// looks as if it hung.
#[derive(Debug)]
pub struct StandardInput {
    content: Option<&'static str>,
    input: StdinLock<'static>,
}

impl StandardInput {
    /// Standard input with this content.
    pub fn new(content: &'static str) -> Self {
        let input = io::stdin().lock();
        Self { content: input.is_terminal().then_some(content), input }
    }

    fn announce(&mut self) {
        if let Some(content) = self.content.take() {
            log::info!("reading {content} from this terminal; end with Ctrl-D, or give a file: `… < FILE`");
        }
    }
}

impl Read for StandardInput {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.announce();
        self.input.read(buf)
    }
}

impl BufRead for StandardInput {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.announce();
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.input.consume(amount);
    }
}

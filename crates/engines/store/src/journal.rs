//! What changed, as Redis commands.

use crate::text::decimal;

/// The changes of one group of commands as Redis commands, ready for the append-only file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    pub(crate) bytes: Vec<u8>,
    /// What is replayed is written down already.
    pub(crate) muted: bool,
}

/// A buffer of this size, in bytes, is kept for the next group.
const KEPT: usize = 256 << 10;

impl Journal {
    /// What is there is in the log now.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
    }

    /// Adds one command.
    pub(crate) fn record<'a>(
        &mut self,
        arguments: impl IntoIterator<Item = &'a [u8], IntoIter: ExactSizeIterator>,
    ) {
        let arguments = arguments.into_iter();
        self.begin(arguments.len());
        arguments.for_each(|argument| self.word(argument));
    }

    /// Begins a command of so many words, each of which follows by [`Journal::word`].
    pub(crate) fn begin(&mut self, words: usize) {
        if !self.muted {
            self.bytes.push(b'*');
            decimal(words as u64, &mut self.bytes);
            self.bytes.extend_from_slice(b"\r\n");
        }
    }

    pub(crate) fn word(&mut self, word: &[u8]) {
        if !self.muted {
            self.bytes.push(b'$');
            decimal(word.len() as u64, &mut self.bytes);
            self.bytes.extend_from_slice(b"\r\n");
            self.bytes.extend_from_slice(word);
            self.bytes.extend_from_slice(b"\r\n");
        }
    }
}

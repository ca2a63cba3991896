//! Commands one after the other, in few pieces of memory.
//!
//! A pipelined command has a few words of a few bytes. With an allocation for each, a busy store would spend a fifth of
//! its time on making and freeing them; here a connection's requests come to the same memory again and again.

/// Commands in order, and perhaps the words of one that is not whole yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Commands {
    /// All words.
    bytes: Vec<u8>,
    /// Where each word ends.
    word_ends: Vec<usize>,
    /// Each command's end, as a number of words.
    ends: Vec<usize>,
    /// How many commands were taken off the front.
    taken: usize,
}

impl Commands {
    pub(crate) fn len(&self) -> usize {
        self.ends.len() - self.taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much memory it holds for words, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes of all words.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The words of one command, its name first, in the memory of an earlier call.
    pub(crate) fn read<'a>(&'a self, at: usize, words: &mut Vec<&'a [u8]>) {
        words.clear();
        let first = self.first_word(at);
        let mut begin = self.word_begin(first);
        for end in &self.word_ends[first..self.ends[self.taken + at]] {
            words.push(&self.bytes[begin..*end]);
            begin = *end;
        }
    }

    /// A command's name.
    pub(crate) fn name(&self, at: usize) -> &[u8] {
        let first = self.first_word(at);
        &self.bytes[self.word_begin(first)..self.word_ends[first]]
    }

    /// Adds a word to the command that is not whole yet.
    pub(crate) fn add_word(&mut self, word: &[u8]) {
        self.bytes.extend_from_slice(word);
        self.word_ends.push(self.bytes.len());
    }

    /// [`Commands::add_word`] of what `read` puts at the end.
    pub(crate) fn read_word<E>(&mut self, read: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        read(&mut self.bytes)?;
        self.word_ends.push(self.bytes.len());
        Ok(())
    }

    /// All words of the command are there.
    pub(crate) fn end_command(&mut self) {
        self.ends.push(self.word_ends.len());
    }

    /// Adds a whole command.
    pub(crate) fn push<'w>(&mut self, words: impl IntoIterator<Item = &'w [u8]>) {
        words.into_iter().for_each(|word| self.add_word(word));
        self.end_command();
    }

    /// Takes commands off the front.
    pub(crate) fn take(&mut self, count: usize) {
        self.taken += count;
    }

    /// Puts a command in the first one's place.
    pub(crate) fn replace_first(&mut self, first: &Commands) {
        let (mut commands, mut words) = (Commands::default(), Vec::new());
        first.read(0, &mut words);
        commands.push(words.iter().copied());
        for at in 1..self.len() {
            self.read(at, &mut words);
            commands.push(words.iter().copied());
        }
        *self = commands;
    }

    /// Keeps so many commands.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.ends.truncate(self.taken + count);
        self.word_ends.truncate(self.ends.last().copied().unwrap_or(0));
        self.bytes.truncate(self.word_ends.last().copied().unwrap_or(0));
    }

    /// Separates the words of the command that is not whole yet.
    pub(crate) fn split_unfinished(&mut self) -> Commands {
        let words = self.ends.last().copied().unwrap_or(0);
        let begin = self.word_begin(words);
        let mut unfinished = Commands::default();
        if words < self.word_ends.len() {
            unfinished.bytes.extend_from_slice(&self.bytes[begin..]);
            unfinished.word_ends.extend(self.word_ends[words..].iter().map(|end| end - begin));
            self.truncate(self.len());
        }
        unfinished
    }

    /// Forgets everything but the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.word_ends.clear();
        self.ends.clear();
        self.taken = 0;
    }

    fn first_word(&self, at: usize) -> usize {
        match self.taken + at {
            0 => 0,
            command => self.ends[command - 1],
        }
    }

    fn word_begin(&self, word: usize) -> usize {
        if word == 0 { 0 } else { self.word_ends[word - 1] }
    }
}

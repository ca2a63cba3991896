//! Words in a row, in one piece of memory, each behind its length: what Redis's listpack is for.
//!
//! A cart of three lines has six words of a few bytes. Each in an allocation of its own would take ten times
//! their length, and there are very many carts.

/// A list of byte strings.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Listpack(Vec<u8>);

impl Listpack {
    /// In bytes.
    pub(crate) fn size(&self) -> usize {
        self.0.len()
    }

    /// Adds a word at the end. Memory grows by what is needed: doubling would leave half of it empty.
    pub(crate) fn push(&mut self, word: &[u8]) {
        let (length, digits) = prefix(word.len());
        self.0.reserve_exact(digits + word.len());
        self.0.extend_from_slice(&length[..digits]);
        self.0.extend_from_slice(word);
    }

    /// Puts another word in the place of one; `at` is its position, as [`Listpack::positions`] gives it.
    pub(crate) fn replace(&mut self, at: usize, word: &[u8]) {
        let (length, digits) = prefix(word.len());
        let end = self.end(at);
        self.0.splice(at..end, length[..digits].iter().chain(word).copied());
    }

    /// Removes so many words from a position on.
    pub(crate) fn remove(&mut self, at: usize, count: usize) {
        let end = (0..count).fold(at, |at, _| self.end(at));
        self.0.drain(at..end);
        self.0.shrink_to_fit();
    }

    /// All words.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.positions().map(|(_, word)| word)
    }

    /// All words with their positions.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let at = next;
            let (length, start) = self.length(at)?;
            next = start + length;
            Some((at, self.0.get(start..next)?))
        })
    }

    fn end(&self, at: usize) -> usize {
        self.length(at).map_or(self.0.len(), |(length, start)| start + length)
    }

    /// The length that stands here, and where its word begins; none at the end.
    fn length(&self, at: usize) -> Option<(usize, usize)> {
        let (mut length, mut shift) = (0, 0);
        for (digits, byte) in self.0.get(at..)?.iter().enumerate() {
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((length, at + digits + 1));
            }
            shift += 7;
        }
        None
    }
}

impl<'a> FromIterator<&'a [u8]> for Listpack {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(words: I) -> Self {
        let mut bytes = Vec::new();
        for word in words {
            let (length, digits) = prefix(word.len());
            bytes.extend_from_slice(&length[..digits]);
            bytes.extend_from_slice(word);
        }
        bytes.shrink_to_fit();
        Self(bytes)
    }
}

/// A length in digits of 7 bits, the lowest first; all but the last have the highest bit set (LEB128).
fn prefix(mut length: usize) -> ([u8; 10], usize) {
    let (mut bytes, mut digits) = ([0; 10], 0);
    loop {
        let last = length < 0x80;
        bytes[digits] = (length & 0x7f) as u8 | if last { 0 } else { 0x80 };
        (length, digits) = (length >> 7, digits + 1);
        if last {
            return (bytes, digits);
        }
    }
}

//! Some bytes, mostly few.

/// So many bytes lie in place; it is 40 bytes large.
const IN_PLACE: usize = 38;

/// Some bytes that do not change: a name, a word. What is longer than 38 bytes is allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short(Kept);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    InPlace { length: u8, bytes: [u8; IN_PLACE] },
    Elsewhere(Box<[u8]>),
}

impl Short {
    /// Copies them.
    pub fn new(bytes: &[u8]) -> Self {
        let mut short = [0; IN_PLACE];
        match (short.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(bytes);
                Short(Kept::InPlace { length, bytes: short })
            }
            _ => Short(Kept::Elsewhere(bytes.into())),
        }
    }

    /// What was copied.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Kept::InPlace { length, bytes } => &bytes[..usize::from(*length)],
            Kept::Elsewhere(bytes) => bytes,
        }
    }

    /// The same as text; empty if they are none.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Small letters of ASCII become capitals.
    pub fn make_ascii_uppercase(&mut self) {
        match &mut self.0 {
            Kept::InPlace { bytes, .. } => bytes.make_ascii_uppercase(),
            Kept::Elsewhere(bytes) => bytes.make_ascii_uppercase(),
        }
    }
}

impl From<&str> for Short {
    fn from(text: &str) -> Self {
        Short::new(text.as_bytes())
    }
}

#[cfg(test)]
mod tests;

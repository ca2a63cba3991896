//! Tokens that were verified lately.
//!
//! A signature on P-256 takes longer to check than anything else of a short request, and a customer sends the same token
//! with each. A signature that was right stays right; what changes is the time, which is looked at again at every use.
//! Only what the issuer has signed is remembered, so nobody else can fill the memory.

use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;

/// So many tokens at most, and of each at most so many bytes; a longer one is verified each time.
const TOKENS: NonZeroUsize = NonZeroUsize::new(1_024).expect("it is not zero");
const LONGEST: usize = 2_048;

/// What a token proves, and from when until when, in seconds since the Unix epoch.
#[derive(Clone, Debug)]
pub(super) struct Proven {
    pub(super) subject: String,
    pub(super) not_before: f64,
    pub(super) expires: f64,
}

pub(super) struct Remembered(Mutex<LruCache<String, Proven>>);

impl Default for Remembered {
    fn default() -> Self {
        Remembered(Mutex::new(LruCache::new(TOKENS)))
    }
}

impl Remembered {
    /// The subject of a token that was verified before and is valid `now` (in seconds since the Unix epoch). A token is compared only with one of the same
    /// hash, whose key is random: how long that takes says nothing about anybody else's.
    pub(super) fn subject(&self, token: &str, now: u64) -> Option<String> {
        let mut tokens = self.0.lock();
        let (proven, now) = (tokens.get(token)?, now as f64);
        if proven.not_before <= now && now < proven.expires {
            return Some(proven.subject.clone());
        }
        // Why it is not valid any more, its next verification says.
        tokens.pop(token);
        None
    }

    /// Remembers a token that was verified.
    pub(super) fn add(&self, token: &str, proven: Proven) {
        if token.len() <= LONGEST {
            self.0.lock().put(token.to_owned(), proven);
        }
    }
}

#[cfg(test)]
mod tests;

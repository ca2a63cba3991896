//! Zone files: from the text that a person edits to records (RFC 1035 §5, the "master file" format).
//!
//! A file is read as it was meant, or refused with its line: nothing is guessed, dropped or changed.
//!
//! The parser of hickory-proto is not used: it refuses DNAME, DS and whatever else it has no form for, and
//! does not tell a quoted string from a word.
//!
//! | module | answers |
//! |---|---|
//! | `lexer` | which characters make a token, and where does a line end? |
//! | `token` | what does a token say: a number, a time, a string, a name? |
//! | `reader` | owner, TTL, class, type; `$ORIGIN`, `$TTL`, `$INCLUDE` |
//! | `types`, `mnemonics` | which fields does the data of each type have, and which numbers have names? |
//! | `encode`, `values` | how is each field written, and what are its bytes? |
//! | `check` | what if the data is given in bytes? |
//! | `service` | the parameters of SVCB and HTTPS records (RFC 9460) |
//! | `error` | where is the file wrong? |

#![warn(missing_docs)]

mod check;
mod encode;
mod error;
mod lexer;
mod mnemonics;
mod reader;
mod service;
mod token;
mod types;
mod values;

pub use error::Error;
pub use reader::{Contents, Entry, files, read};

#[cfg(test)]
mod tests;

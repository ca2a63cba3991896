//! What one connection hands over at once.

use crate::protocol::{Commands, Parser, ProtocolError};

/// The most commands that one connection hands over at once, and about the most bytes.
const BATCH_COMMANDS: usize = 1024;
pub(super) const BATCH_BYTES: usize = 1 << 20;

/// Why no more of a connection's bytes can be understood: it must end.
pub(super) enum InputError {
    Protocol(ProtocolError),
    /// It speaks HTTP: a web page has been tricked into sending a request here. It gets no reply.
    NotRedis,
}

/// Takes complete commands out of what was received, as many as one request may have.
pub(super) fn take_batch(parser: &mut Parser) -> (Commands, Option<InputError>) {
    let mut error = None;
    while parser.commands().len() < BATCH_COMMANDS && parser.commands().size() < BATCH_BYTES {
        match parser.advance() {
            Ok(true) if speaks_http(parser.commands()) => {
                hop::warn_throttled!("a client speaks HTTP to the store: connection closed");
                parser.drop_last();
                error = Some(InputError::NotRedis);
                break;
            }
            Ok(true) => {}
            Ok(false) => break,
            Err(input_error) => {
                error = Some(InputError::Protocol(input_error));
                break;
            }
        }
    }
    (parser.take(), error)
}

fn speaks_http(commands: &Commands) -> bool {
    let last = commands.name(commands.len() - 1);
    [b"post", &b"host:"[..]].iter().any(|word| last.eq_ignore_ascii_case(word))
}

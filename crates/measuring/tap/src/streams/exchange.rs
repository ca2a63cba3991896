//! Requests and responses on a flow, told apart by their directions alone.

use journey::Direction;

use super::passed::Passed;

/// A request and its response on one flow, by packets alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// The request's last byte left, and arrived.
    pub(crate) request: Passed,
    /// The response's last byte left, and arrived.
    pub(crate) response: Passed,
}

/// A request is what goes to the server until something comes back; its response, all that comes back
/// until something goes to the server again. `moves` are in the order of time.
pub(crate) fn pair(moves: &[(Direction, Passed)]) -> Vec<Exchange> {
    let mut found: Vec<Exchange> = Vec::new();
    // A response whose request lies before the first of them belongs to another exchange.
    let mut open = None;
    for (direction, passed) in moves {
        match (direction, open.take()) {
            (Direction::Request, _) => open = Some(*passed),
            (Direction::Response, Some(request)) => found.push(Exchange { request, response: *passed }),
            (Direction::Response, None) => {
                if let Some(last) = found.last_mut() {
                    last.response = *passed;
                }
            }
        }
    }
    found
}

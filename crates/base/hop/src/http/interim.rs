//! Interim responses (1xx, RFC 9110 §15.2): what is said before the response, such as `103 Early Hints`.

use std::fmt;
use std::sync::Arc;

use hyper::{HeaderMap, StatusCode};

/// Sends interim responses to the client of one request. Cheap to clone; in the request's extensions where the
/// server can send any, and a [`Client`](super::Client) hands on through it what its next hop says.
#[derive(Clone)]
pub struct Interim(Arc<Sending>);

type Sending = dyn Fn(StatusCode, &HeaderMap) + Send + Sync;

impl Interim {
    /// Sends through `send`, which is called with a status from 100 to 199, save 101.
    pub fn new(send: impl Fn(StatusCode, &HeaderMap) + Send + Sync + 'static) -> Self {
        Interim(Arc::new(send))
    }

    /// Sends one, unless the response has begun, or the client went away: then nobody is there to receive it.
    ///
    /// `101` is no interim response but the last one of its protocol, and never sent.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) {
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            (self.0)(status, headers);
        }
    }
}

impl fmt::Debug for Interim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interim")
    }
}

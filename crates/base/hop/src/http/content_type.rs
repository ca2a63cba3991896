//! What a message's content is (RFC 9110 §8.3).

use hyper::StatusCode;
use hyper::header::{self, HeaderMap};

use super::problem::{Fault, Problem};

/// The media type of JSON (RFC 8259 §11).
pub const JSON: &str = "application/json";
/// The media type of problem details (RFC 9457 §3).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The type and subtype, without parameters such as `charset`; empty where there is none.
fn essence(headers: &HeaderMap) -> &str {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim()
}

/// Is the content of this media type? Types are compared without case and without parameters (RFC 9110 §8.3.1).
pub fn is(headers: &HeaderMap, media_type: &str) -> bool {
    essence(headers).eq_ignore_ascii_case(media_type)
}

/// Demands content of this media type.
///
/// # Errors
/// 415 (RFC 9110 §15.5.16), the client's fault.
pub fn require(headers: &HeaderMap, media_type: &str) -> Result<(), Problem> {
    if is(headers, media_type) {
        return Ok(());
    }
    let detail =
        format!("the body must be {media_type}, not {:?}: set the header Content-Type", essence(headers));
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Err(Problem::new(status, Fault::Client, "unsupported-media-type", detail).field("Content-Type"))
}

#[cfg(test)]
mod tests;

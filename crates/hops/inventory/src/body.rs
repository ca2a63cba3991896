//! Reading what a request brings, and naming what is wrong with it.
#![allow(
    clippy::result_large_err,
    reason = "a problem is made once per refused request and answered at once"
)]

use bytes::Bytes;
use hop::http::Problem;
use hop::http::server::{BodyError, RequestBody};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::header::{self, HeaderMap};
use serde_json::{Map, Value};

use crate::server::refuse;
use crate::stock::Name;

/// Refuses anything but JSON before its bytes are read (RFC 9110 §15.5.16).
pub(crate) fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = format!("content-type is {given:?}: expected application/json");
    Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail).field("content-type"))
}

/// Reads the body, and no more than a sane one has.
pub(crate) async fn read(body: RequestBody, limit: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is longer than {limit} bytes");
            Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail).field("content-length"))
        }
        Err(error) => Err(match BodyError::among_causes(&*error) {
            Some(error) => error.problem().field("body"),
            None => refuse(StatusCode::BAD_REQUEST, "body-broken", error.to_string()).field("body"),
        }),
    }
}

/// Takes exactly these members out of a JSON object, and names the one that is missing or one too many.
pub(crate) fn members<const N: usize>(body: &[u8], names: [&'static str; N]) -> Result<[Value; N], Problem> {
    let mut given: Map<String, Value> = match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => members,
        Ok(_) => {
            return Err(bad("body", format!("expected an object with the members {}", names.join(", "))));
        }
        Err(error) => return Err(bad("body", format!("not JSON: {error}"))),
    };
    if let Some(unknown) = given.keys().find(|name| !names.contains(&name.as_str())) {
        return Err(bad(unknown, format!("{unknown:?} is not known: there is only {}", names.join(", "))));
    }
    if let Some(missing) = names.iter().find(|name| !given.contains_key(**name)) {
        return Err(bad(missing, format!("{missing:?} is missing")));
    }
    Ok(names.map(|name| given.remove(name).unwrap_or_default()))
}

/// A whole number of at least `least`.
pub(crate) fn number(field: &str, given: &Value, least: u32) -> Result<u32, Problem> {
    let number = given.as_u64().and_then(|number| u32::try_from(number).ok());
    number
        .filter(|number| *number >= least)
        .ok_or_else(|| bad(field, format!("{given}: expected a whole number from {least} to {}", u32::MAX)))
}

/// A name.
pub(crate) fn name(field: &str, given: &Value) -> Result<Name, Problem> {
    let text = given.as_str().ok_or("expected a text");
    text.and_then(str::parse).map_err(|expected| bad(field, format!("{given}: {expected}")))
}

/// A list of names, no more than `most`.
pub(crate) fn names(field: &str, given: &Value, most: usize) -> Result<Vec<Name>, Problem> {
    match given.as_array() {
        Some(list) if list.len() <= most => list.iter().map(|given| name(field, given)).collect(),
        _ => Err(bad(field, format!("expected a list of at most {most} texts"))),
    }
}

fn bad(field: &str, detail: String) -> Problem {
    refuse(StatusCode::BAD_REQUEST, "bad-body", detail).field(field)
}

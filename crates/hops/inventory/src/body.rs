//! Reading the body of a request, and naming what is wrong with it.

use hop::http::server::{BodyError, RequestBody};
use hop::http::{Problem, content_type};
use hyper::{Request, StatusCode};
use serde_json::{Map, Value};

use crate::problem::refuse;
use crate::stock::Name;

/// Reads JSON: exactly these members of an object. Names the one that is missing or one too many.
pub(crate) async fn members<const N: usize>(
    request: Request<RequestBody>,
    limit: u64,
    names: [&'static str; N],
) -> Result<[Value; N], Box<Problem>> {
    content_type::require(request.headers(), content_type::JSON)?;
    let body = request.into_body().read(limit).await.map_err(|error| {
        let field = if matches!(error, BodyError::TooLarge { .. }) { "content-length" } else { "body" };
        error.problem().field(field)
    })?;
    let mut given: Map<String, Value> = match serde_json::from_slice(&body) {
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
pub(crate) fn number(field: &str, given: &Value, least: u32) -> Result<u32, Box<Problem>> {
    let number = given.as_u64().and_then(|number| u32::try_from(number).ok());
    number
        .filter(|number| *number >= least)
        .ok_or_else(|| bad(field, format!("{given}: expected a whole number from {least} to {}", u32::MAX)))
}

pub(crate) fn name(field: &str, given: &Value) -> Result<Name, Box<Problem>> {
    let text = given.as_str().ok_or("expected a text");
    text.and_then(str::parse).map_err(|expected| bad(field, format!("{given}: {expected}")))
}

/// A list of names, no more than `most`.
pub(crate) fn names(field: &str, given: &Value, most: usize) -> Result<Vec<Name>, Box<Problem>> {
    match given.as_array() {
        Some(list) if list.len() <= most => list.iter().map(|given| name(field, given)).collect(),
        _ => Err(bad(field, format!("expected a list of at most {most} texts"))),
    }
}

fn bad(field: &str, detail: String) -> Box<Problem> {
    refuse(StatusCode::BAD_REQUEST, "bad-body", detail).field(field).into()
}

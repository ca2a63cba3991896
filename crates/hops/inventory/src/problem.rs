//! What is wrong with a request, or with the database.

use hop::http::{Fault, Problem};
use hyper::StatusCode;
use sql_client::DatabaseError;

use crate::stock::ProductId;

/// The caller has to change something.
pub(crate) fn refuse(status: StatusCode, kind: &str, detail: impl Into<String>) -> Problem {
    Problem::new(status, Fault::Client, kind, detail)
}

pub(crate) fn unknown_product(product_id: &ProductId) -> Problem {
    let detail = format!("there is no product {product_id}: PUT its number first");
    refuse(StatusCode::NOT_FOUND, "unknown-product", detail).field("productId")
}

/// The database let us down: our fault, whatever the request was.
pub(crate) fn failed(error: DatabaseError) -> Problem {
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    hop::error_throttled!(%cause, "{error}");
    let (status, kind) = match error {
        DatabaseError::Full(_) => (StatusCode::INSUFFICIENT_STORAGE, "storage-full"),
        DatabaseError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "database-unavailable"),
        DatabaseError::Stopping(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        DatabaseError::Broken(_) => (StatusCode::INTERNAL_SERVER_ERROR, "database-broken"),
    };
    Problem::new(status, Fault::Ours, kind, format!("{error}: {cause}"))
}

#[cfg(test)]
mod tests;

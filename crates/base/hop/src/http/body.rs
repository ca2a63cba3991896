//! Bodies, when it does not matter to whom they are passed what they are made of.

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};

/// Any error, on its way into a problem or a broken body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Any body.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body of known bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// No body.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// All of a response's body, if it is no longer than so many bytes. (A request's: [`RequestBody::read`].)
///
/// # Errors
/// It is longer, or broke off.
///
/// [`RequestBody::read`]: super::server::RequestBody::read
pub async fn collect(mut body: Body, longest: usize) -> Result<Bytes, BoxError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        bytes.extend_from_slice(frame?.data_ref().map_or(&[], |data| &data[..]));
        if bytes.len() > longest {
            return Err(format!("it is larger than {longest} bytes").into());
        }
    }
    Ok(bytes.freeze())
}

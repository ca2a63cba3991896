//! Responses: encoded, framed, and what belongs to them on their way out.

use std::pin::Pin;

use anyhow::Context as _;
use bytes::BytesMut;
use kafka_protocol::messages::{ApiKey, ResponseHeader};
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};
use tokio::sync::OwnedSemaphorePermit;

use crate::appender::Times;

/// The response to a request, once it is there.
pub type Pending = Pin<Box<dyn Future<Output = anyhow::Result<Response>> + Send>>;

/// A response, ready to be sent.
#[derive(Debug, Default)]
pub struct Response {
    /// The frame, its length included; `None` when the client wants none.
    pub frame: Option<BytesMut>,
    /// When its records went through the appender, if they did.
    pub times: Option<Times>,
    /// The part of the memory budget that its bytes take; given back when they have been sent.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// Encodes the response to one request: with its correlation id, in its version.
#[derive(Clone, Copy, Debug)]
pub struct Responder {
    /// The request's API, for the text of errors.
    pub api: ApiKey,
    pub version: i16,
    pub correlation: i32,
}

impl Responder {
    /// The response as a frame.
    ///
    /// # Errors
    /// The response holds what its version has no place for: a mistake of ours.
    pub fn encode<R: Encodable + HeaderVersion>(self, response: &R) -> anyhow::Result<Response> {
        let frame = || -> anyhow::Result<Response> {
            let mut frame = BytesMut::from(&[0; 4][..]);
            let header = ResponseHeader::default().with_correlation_id(self.correlation);
            header.encode(&mut frame, R::header_version(self.version))?;
            response.encode(&mut frame, self.version)?;
            let length = i32::try_from(frame.len() - 4)?;
            frame[..4].copy_from_slice(&length.to_be_bytes());
            Ok(Response { frame: Some(frame), ..Response::default() })
        };
        frame().with_context(|| format!("encode the response to {:?} version {}", self.api, self.version))
    }

    /// The response as something that need not be waited for.
    pub fn at_once<R: Encodable + HeaderVersion>(self, response: &R) -> Pending {
        let encoded = self.encode(response);
        Box::pin(async move { encoded })
    }
}

/// Text of our own as the protocol carries it.
pub(super) fn text(words: impl std::fmt::Display) -> StrBytes {
    StrBytes::from_string(words.to_string())
}

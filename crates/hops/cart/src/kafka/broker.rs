//! A connection to one broker: which versions of each request both sides know, and one call at a time.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, BytesMut};
use hop::http::Exchange;
use journey::Span;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, FetchRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest,
    RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{
    Decodable as _, Encodable, HeaderVersion as _, Request, StrBytes, VersionRange,
    encode_request_header_into_buffer,
};

use super::SYSTEM;
use crate::wire::{Failure, Wire};

/// Produce from 3, the first that carries record batches of format 2, to 9, before topics became numbers.
const PRODUCE: VersionRange = VersionRange { min: 3, max: 9 };
/// Metadata from 4, the first that can ask for the topic to be created.
const METADATA: VersionRange = VersionRange { min: 4, max: 9 };
/// ListOffsets from 1, the first that answers with one offset.
const LIST_OFFSETS: VersionRange = VersionRange { min: 1, max: 5 };
/// Fetch from 4, the first that carries record batches of format 2, to 11, before the flexible encoding.
const FETCH: VersionRange = VersionRange { min: 4, max: 11 };

/// A connection that knows what its broker understands.
pub(crate) struct Broker {
    wire: Wire,
    client_id: StrBytes,
    calls: i32,
    produce: i16,
    metadata: i16,
    /// Only for looking at what is there; a broker without it is told without a look.
    list_offsets: Option<i16>,
    fetch: Option<i16>,
}

impl AsRef<Wire> for Broker {
    fn as_ref(&self) -> &Wire {
        &self.wire
    }
}

impl Broker {
    /// Connects and asks what the broker understands (ApiVersions, with `span`).
    pub(crate) async fn open(
        to: SocketAddr,
        client_id: StrBytes,
        exchange: &Exchange,
        span: Span,
        limit: Duration,
    ) -> Result<Self, Failure> {
        let wire = Wire::open(SYSTEM, to, exchange, limit).await?;
        let mut broker =
            Broker { wire, client_id, calls: 0, produce: 0, metadata: 0, list_offsets: None, fetch: None };
        // Version 0 of this one request is what every broker answers, whatever else it knows.
        let (answer, span) = broker.call(exchange, span, limit, &ApiVersionsRequest::default()).await?;
        exchange.emit(span);
        broker.produce = common(&answer.api_keys, ApiKey::Produce, PRODUCE)?;
        broker.metadata = common(&answer.api_keys, ApiKey::Metadata, METADATA)?;
        broker.list_offsets = common(&answer.api_keys, ApiKey::ListOffsets, LIST_OFFSETS).ok();
        broker.fetch = common(&answer.api_keys, ApiKey::Fetch, FETCH).ok();
        Ok(broker)
    }

    /// One request and its answer.
    pub(crate) async fn call<R: Request>(
        &mut self,
        exchange: &Exchange,
        span: Span,
        limit: Duration,
        request: &R,
    ) -> Result<(R::Response, Span), Failure>
    where
        R::Response: Send,
    {
        let unknown = || Failure::NotDone { system: SYSTEM, text: "it knows no such request".to_owned() };
        let version = match R::KEY {
            ProduceRequest::KEY => self.produce,
            MetadataRequest::KEY => self.metadata,
            ListOffsetsRequest::KEY => self.list_offsets.ok_or_else(unknown)?,
            FetchRequest::KEY => self.fetch.ok_or_else(unknown)?,
            _ => 0,
        };
        self.calls = self.calls.wrapping_add(1);
        let call = self.calls;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(call)
            .with_client_id(Some(self.client_id.clone()));
        let frame = frame(&header, request, version)
            .map_err(|error| Failure::Refused { system: SYSTEM, text: format!("(our request) {error:#}") })?;
        self.wire.ask(exchange, span, limit, &frame, |input| answer::<R>(input, version, call)).await
    }
}

/// The newest version that both sides know.
fn common(theirs: &[ApiVersion], key: ApiKey, ours: VersionRange) -> Result<i16, Failure> {
    let known = theirs.iter().find(|api| api.api_key == key as i16);
    let both = known.map(|api| ours.intersect(&VersionRange { min: api.min_version, max: api.max_version }));
    both.filter(|both| !both.is_empty()).map(|both| both.max).ok_or_else(|| Failure::Refused {
        system: SYSTEM,
        text: format!("it knows no {key:?} of the versions {ours}"),
    })
}

/// Length, header, body: a Kafka frame.
fn frame(header: &RequestHeader, body: &impl Encodable, version: i16) -> anyhow::Result<BytesMut> {
    let mut frame = BytesMut::from(&[0; 4][..]);
    encode_request_header_into_buffer(&mut frame, header)?;
    body.encode(&mut frame, version)?;
    let length = u32::try_from(frame.len() - 4)?;
    (&mut frame[..4]).put_u32(length);
    Ok(frame)
}

/// The answer to one call, once all its bytes are there.
fn answer<R: Request>(input: &mut BytesMut, version: i16, call: i32) -> Result<Option<R::Response>, String> {
    let Some(length) = input.first_chunk::<4>().map(|length| u32::from_be_bytes(*length) as usize) else {
        return Ok(None);
    };
    if input.len() - 4 < length {
        return Ok(None);
    }
    input.advance(4);
    let mut frame = input.split_to(length).freeze();
    let header = ResponseHeader::decode(&mut frame, R::Response::header_version(version));
    let header = header.map_err(|error| format!("an answer that cannot be read: {error:#}"))?;
    if header.correlation_id != call {
        return Err(format!("the answer to call {}, not to call {call}", header.correlation_id));
    }
    let answer = R::Response::decode(&mut frame, version);
    answer.map(Some).map_err(|error| format!("an answer that cannot be read: {error:#}"))
}

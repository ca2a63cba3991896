//! A connection to one broker: in versions that both sides know, one request at a time.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, BytesMut};
use hop::http::Exchange;
use hop::trace;
use hop::upstream::{Connection, Failure};
use journey::semconv::attribute;
use journey::{Kind, Span};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{
    Decodable as _, Encodable, HeaderVersion as _, Request, StrBytes, VersionRange,
    encode_request_header_into_buffer,
};

use crate::failure::{SYSTEM, refused};

/// The longest response to a reader in bytes: a single batch may be as large as its broker allows.
const LONGEST: usize = 64 << 20;

/// The requests that are sent, and the versions that are understood.
const VERSIONS: [(ApiKey, VersionRange); 5] = [
    // From the first that carries record batches of format 2 to the last before topics became numbers.
    (ApiKey::Produce, VersionRange { min: 3, max: 9 }),
    // From the first that says whether the topic is to be created.
    (ApiKey::Metadata, VersionRange { min: 4, max: 9 }),
    // From the first that answers with one offset.
    (ApiKey::ListOffsets, VersionRange { min: 1, max: 5 }),
    // From the first that carries record batches of format 2 to the last before the flexible encoding.
    (ApiKey::Fetch, VersionRange { min: 4, max: 11 }),
    // The oldest version that every broker still speaks.
    (ApiKey::DescribeConfigs, VersionRange { min: 1, max: 1 }),
];

/// A connection that knows what its broker understands.
pub struct Broker {
    connection: Connection,
    client_id: StrBytes,
    correlation_id: i32,
    /// The newest version that both sides know of each request.
    versions: Vec<(ApiKey, i16)>,
}

impl AsRef<Connection> for Broker {
    fn as_ref(&self) -> &Connection {
        &self.connection
    }
}

impl Broker {
    /// Connects and finds out what the broker understands; `client_id` is what it calls us in its logs.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn connect(to: SocketAddr, client_id: &str, limit: Duration) -> Result<Self, Failure> {
        let client_id = StrBytes::from_string(client_id.to_owned());
        let mut broker = Self::open(to, client_id, span("ApiVersions"), limit).await?;
        broker.connection = broker.connection.with_longest_response(LONGEST);
        Ok(broker)
    }

    /// Where the broker listens.
    pub fn address(&self) -> SocketAddr {
        self.connection.address()
    }

    /// One request and its response: Produce, Metadata, ListOffsets, Fetch or DescribeConfigs.
    ///
    /// # Errors
    /// See [`Failure`]. The connection is then in doubt: drop it.
    pub async fn request<R: Request>(&mut self, limit: Duration, request: &R) -> Result<R::Response, Failure>
    where
        R::Response: Send,
    {
        let operation = ApiKey::try_from(R::KEY).map_or("request", operation);
        let (response, span) = self.call(span(operation), limit, request).await?;
        Exchange::current().emit(span);
        Ok(response)
    }

    /// As [`Broker::connect`], with `span` for the ApiVersions request.
    pub(crate) async fn open(
        to: SocketAddr,
        client_id: StrBytes,
        span: Span,
        limit: Duration,
    ) -> Result<Self, Failure> {
        let connection = Connection::open(SYSTEM, to, limit).await?;
        let mut broker = Broker { connection, client_id, correlation_id: 0, versions: Vec::new() };
        let (response, span) = broker.call(span, limit, &ApiVersionsRequest::default()).await?;
        Exchange::current().emit(span);
        let common = |(key, ours): &(ApiKey, VersionRange)| {
            let theirs = response.api_keys.iter().find(|api| api.api_key == *key as i16)?;
            let both = ours.intersect(&VersionRange { min: theirs.min_version, max: theirs.max_version });
            (!both.is_empty()).then_some((*key, both.max))
        };
        broker.versions = VERSIONS.iter().filter_map(common).collect();
        Ok(broker)
    }

    /// As [`Broker::request`], with a span to which the caller adds what the response says.
    pub(crate) async fn call<R: Request>(
        &mut self,
        span: Span,
        limit: Duration,
        request: &R,
    ) -> Result<(R::Response, Span), Failure>
    where
        R::Response: Send,
    {
        let version = self.version(R::KEY)?;
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let correlation_id = self.correlation_id;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(correlation_id)
            .with_client_id(Some(self.client_id.clone()));
        let frame =
            frame(&header, request, version).map_err(|error| refused(format!("(our request) {error}")))?;
        self.connection
            .request(span, limit, &frame, |input| response::<R>(input, version, correlation_id))
            .await
    }

    fn version(&self, key: i16) -> Result<i16, Failure> {
        // Version 0 of this one request is what every broker understands, whatever else it knows.
        if key == ApiKey::ApiVersions as i16 {
            return Ok(0);
        }
        let known = self.versions.iter().find(|(known, _)| *known as i16 == key);
        known.map(|(_, version)| *version).ok_or_else(|| {
            match VERSIONS.iter().find(|(ours, _)| *ours as i16 == key) {
                Some((key, ours)) => refused(format!("it knows no {key:?} of the versions {ours}")),
                None => refused(format!("(our request) no version of request {key} is understood here")),
            }
        })
    }
}

fn operation(key: ApiKey) -> &'static str {
    match key {
        ApiKey::Produce => "Produce",
        ApiKey::Metadata => "Metadata",
        ApiKey::ListOffsets => "ListOffsets",
        ApiKey::Fetch => "Fetch",
        ApiKey::DescribeConfigs => "DescribeConfigs",
        _ => "request",
    }
}

/// The span of a request that is about no topic.
fn span(operation: &'static str) -> Span {
    let span = Exchange::current().child(trace::new_span_id(), Kind::Client, operation, (0, 0));
    span.with(attribute::MESSAGING_SYSTEM, "kafka").with(attribute::MESSAGING_OPERATION_NAME, operation)
}

/// Length, header, body: a Kafka frame.
fn frame(header: &RequestHeader, body: &impl Encodable, version: i16) -> Result<BytesMut, String> {
    let mut frame = BytesMut::from(&[0; 4][..]);
    encode_request_header_into_buffer(&mut frame, header).map_err(|error| format!("{error:#}"))?;
    body.encode(&mut frame, version).map_err(|error| format!("{error:#}"))?;
    let length = u32::try_from(frame.len() - 4).map_err(|error| error.to_string())?;
    (&mut frame[..4]).put_u32(length);
    Ok(frame)
}

/// The response to one request, once all its bytes are there.
fn response<R: Request>(
    input: &mut BytesMut,
    version: i16,
    correlation_id: i32,
) -> Result<Option<R::Response>, String> {
    let Some(length) = input.first_chunk::<4>().map(|length| u32::from_be_bytes(*length) as usize) else {
        return Ok(None);
    };
    if length > LONGEST {
        return Err(format!("a response of {length} bytes"));
    }
    if input.len() - 4 < length {
        return Ok(None);
    }
    input.advance(4);
    let mut frame = input.split_to(length).freeze();
    let unreadable = |error| format!("a response that cannot be read: {error:#}");
    let header = ResponseHeader::decode(&mut frame, R::Response::header_version(version));
    let header = header.map_err(unreadable)?;
    if header.correlation_id != correlation_id {
        return Err(format!("the response to request {}, not to {correlation_id}", header.correlation_id));
    }
    R::Response::decode(&mut frame, version).map(Some).map_err(unreadable)
}

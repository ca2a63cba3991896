//! What requests mean: bytes to a [`Call`], a call to its response.
//!
//! | API (key) | versions | file |
//! |---|---|---|
//! | Produce (0) | 3–9, advertised 0–9 | [`produce`] |
//! | Fetch (1) | 4–12 | [`fetch`] |
//! | ListOffsets (2) | 1–7 | [`list_offsets`] |
//! | Metadata (3) | 0–12 | [`metadata`] |
//! | FindCoordinator (10) | 0–4 | [`coordinator`]: consumer groups live elsewhere |
//! | ApiVersions (18) | 0–3 | [`versions`] |
//! | CreateTopics (19) | 2–7 | [`create_topics`] |
//! | InitProducerId (22) | 0–4 | [`coordinator`] |

pub mod coordinator;
pub mod create_topics;
pub mod fetch;
pub mod guard;
pub mod list_offsets;
pub mod metadata;
pub mod produce;
mod response;
pub mod versions;

use std::sync::Arc;

use bytes::Bytes;
use hop::CancellationToken;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, CreateTopicsRequest, FetchRequest, FindCoordinatorRequest,
    InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest,
};
use kafka_protocol::protocol::{Decodable, decode_request_header_from_buffer};

use crate::broker::Broker;

pub use response::{Pending, Responder, Response};

/// Key, version and correlation id: the shortest beginning of a request.
const SHORTEST: usize = 8;

/// A request, decoded.
#[derive(Debug)]
pub struct Call {
    pub api: ApiKey,
    pub version: i16,
    /// The client's number for it, which the response repeats.
    pub correlation: i32,
    pub request: Request,
}

/// The body of a request.
#[derive(Debug)]
pub enum Request {
    Produce(ProduceRequest),
    Fetch(FetchRequest),
    ListOffsets(ListOffsetsRequest),
    Metadata(MetadataRequest),
    FindCoordinator(FindCoordinatorRequest),
    /// `supported` is false when the version is not: the one request that gets a response even so.
    ApiVersions {
        supported: bool,
    },
    CreateTopics(CreateTopicsRequest),
    InitProducerId(InitProducerIdRequest),
}

/// Why a request gets no response, only its connection closed. Always the client's fault.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not even the beginning of a request.
    #[error("{0} bytes are no Kafka request")]
    TooShort(usize),
    /// No Kafka request, or one that is not served here.
    #[error("API key {0} is not served")]
    UnknownApi(i16),
    /// A version that was not advertised.
    #[error("{0:?} is not served in version {1}")]
    Version(ApiKey, i16),
    /// Its contents contradict its kind.
    #[error("the {0:?} request (version {1}) is malformed: {2}")]
    Malformed(ApiKey, i16, String),
}

impl Call {
    /// Decodes one frame, without its length. Never panics and allocates in proportion to the frame,
    /// whatever the bytes are.
    ///
    /// # Errors
    /// Says why the connection must be closed.
    pub fn decode(mut frame: Bytes) -> Result<Self, Refusal> {
        if frame.len() < SHORTEST {
            return Err(Refusal::TooShort(frame.len()));
        }
        let key = i16::from_be_bytes([frame[0], frame[1]]);
        let served = versions::SERVED.iter().find(|(api, ..)| *api as i16 == key);
        let &(api, _, first, last) = served.ok_or(Refusal::UnknownApi(key))?;
        let version = i16::from_be_bytes([frame[2], frame[3]]);
        let supported = (first..=last).contains(&version);
        if !supported && api != ApiKey::ApiVersions {
            return Err(Refusal::Version(api, version));
        }
        // The decoder ends some of its errors with a line break; a log line has none.
        let malformed = |error: &dyn std::fmt::Display| {
            Refusal::Malformed(api, version, error.to_string().trim_end().to_owned())
        };
        let header = decode_request_header_from_buffer(&mut frame).map_err(|error| malformed(&error))?;
        let request = if supported {
            guard::check(api, version, &frame).map_err(|error| malformed(&error))?;
            Request::decode(api, version, &mut frame).map_err(|error| malformed(&error))?
        } else {
            // The client speaks a newer Kafka than this. It is told which versions there are (KIP-511).
            Request::ApiVersions { supported }
        };
        Ok(Call { api, version, correlation: header.correlation_id, request })
    }

    /// The topic it is about, if it is about one: the first.
    pub fn topic(&self) -> Option<&str> {
        match &self.request {
            Request::Produce(request) => request.topic_data.first().map(|topic| topic.name.as_str()),
            Request::Fetch(request) => request.topics.first().map(|topic| topic.topic.as_str()),
            Request::ListOffsets(request) => request.topics.first().map(|topic| topic.name.as_str()),
            Request::Metadata(request) => {
                request.topics.as_ref()?.first()?.name.as_ref().map(|name| name.as_str())
            }
            Request::CreateTopics(request) => request.topics.first().map(|topic| topic.name.as_str()),
            Request::FindCoordinator(_) | Request::ApiVersions { .. } | Request::InitProducerId(_) => None,
        }
    }

    /// Begins to serve it. What must happen in the order of requests (handing batches to the appender)
    /// has happened when this returns; what may take its time is in the future it returns.
    pub async fn begin(self, broker: &Arc<Broker>, stop: &CancellationToken) -> Pending {
        let Call { api, version, correlation, request } = self;
        let to = Responder { api, version, correlation };
        match request {
            Request::Produce(request) => produce::begin(broker, request, to).await,
            Request::Fetch(request) => {
                let (broker, stop) = (Arc::clone(broker), stop.clone());
                Box::pin(async move { fetch::respond(&broker, &request, to, &stop).await })
            }
            Request::Metadata(request) => {
                let broker = Arc::clone(broker);
                Box::pin(async move { to.encode(&metadata::respond(&broker, request, version).await) })
            }
            Request::CreateTopics(request) => {
                let broker = Arc::clone(broker);
                Box::pin(async move { to.encode(&create_topics::respond(&broker, request).await) })
            }
            Request::ListOffsets(request) => to.at_once(&list_offsets::respond(broker, request, version)),
            Request::InitProducerId(request) => to.at_once(&coordinator::init_producer(broker, &request)),
            Request::FindCoordinator(request) => to.at_once(&coordinator::find(request, version)),
            Request::ApiVersions { supported: true } => to.at_once(&versions::respond(true)),
            Request::ApiVersions { supported: false } => {
                // Version 0 is the one that every client can read.
                Responder { version: 0, ..to }.at_once(&versions::respond(false))
            }
        }
    }
}

impl Request {
    fn decode(api: ApiKey, version: i16, body: &mut Bytes) -> anyhow::Result<Self> {
        Ok(match api {
            ApiKey::Produce => Request::Produce(ProduceRequest::decode(body, version)?),
            ApiKey::Fetch => Request::Fetch(FetchRequest::decode(body, version)?),
            ApiKey::ListOffsets => Request::ListOffsets(ListOffsetsRequest::decode(body, version)?),
            ApiKey::Metadata => Request::Metadata(MetadataRequest::decode(body, version)?),
            ApiKey::FindCoordinator => {
                Request::FindCoordinator(FindCoordinatorRequest::decode(body, version)?)
            }
            ApiKey::ApiVersions => {
                ApiVersionsRequest::decode(body, version)?;
                Request::ApiVersions { supported: true }
            }
            ApiKey::CreateTopics => Request::CreateTopics(CreateTopicsRequest::decode(body, version)?),
            ApiKey::InitProducerId => Request::InitProducerId(InitProducerIdRequest::decode(body, version)?),
            _ => anyhow::bail!("it is not served"),
        })
    }
}

#[cfg(test)]
mod tests;

//! ApiVersions: the first request of every client.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};

/// API, first version advertised, first and last version served.
///
/// Produce is advertised from version 0 although it is served from 3: librdkafka before 2.9 takes the
/// absence of version 0 for a server that cannot compress, and silently sends everything
/// uncompressed. No client chooses a version below the highest it shares with us.
pub const SERVED: &[(ApiKey, i16, i16, i16)] = &[
    (ApiKey::Produce, 0, 3, 9),
    (ApiKey::Fetch, 4, 4, 12),
    (ApiKey::ListOffsets, 1, 1, 7),
    (ApiKey::Metadata, 0, 0, 12),
    (ApiKey::FindCoordinator, 0, 0, 4),
    (ApiKey::ApiVersions, 0, 0, 3),
    (ApiKey::CreateTopics, 2, 2, 7),
    (ApiKey::InitProducerId, 0, 0, 4),
];

/// What is served; with an error beside it when the request came in a version that is not.
pub fn respond(supported: bool) -> ApiVersionsResponse {
    let one = |(api, advertised, _, last): &(ApiKey, i16, i16, i16)| {
        ApiVersion::default().with_api_key(*api as i16).with_min_version(*advertised).with_max_version(*last)
    };
    ApiVersionsResponse::default()
        .with_error_code(if supported { 0 } else { ResponseError::UnsupportedVersion.code() })
        .with_api_keys(SERVED.iter().map(one).collect())
}

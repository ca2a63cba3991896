//! What an exporter sent: the media type that is understood, no more than a batch, unpacked.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use hop::http::content_type;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, StatusCode, header};

/// A batch of spans is never larger, packed or not.
const LIMIT: usize = 32 << 20;
/// Why it is not taken.
type Refusal = (StatusCode, &'static str);
const TOO_LARGE: Refusal = (StatusCode::PAYLOAD_TOO_LARGE, "more than 32 MiB in one batch");

/// The bytes of an `ExportTraceServiceRequest`.
///
/// # Errors
/// The status and the sentence to refuse it with.
pub(super) async fn read(request: Request<Incoming>) -> Result<Bytes, Refusal> {
    if !content_type::is(request.headers(), hop::otlp::CONTENT_TYPE) {
        let what = "only binary protobuf: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf";
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
    }
    // What OTLP demands of every receiver ("OTLP/HTTP": none and gzip).
    let coding = request.headers().get(header::CONTENT_ENCODING).map(|coding| coding.as_bytes());
    let gzip = match coding {
        None | Some(b"" | b"identity") => false,
        Some(b"gzip") => true,
        Some(_) => {
            let what = "only gzip: set OTEL_EXPORTER_OTLP_COMPRESSION=gzip, or none";
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
        }
    };
    let body = Limited::new(request.into_body(), LIMIT).collect().await.map_err(|_| TOO_LARGE)?.to_bytes();
    if gzip { unpacked(&body, LIMIT) } else { Ok(body) }
}

fn unpacked(gzip: &[u8], limit: usize) -> Result<Bytes, Refusal> {
    let mut out = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = MultiGzDecoder::new(gzip).take(most).read_to_end(&mut out);
    read.map_err(|_| (StatusCode::BAD_REQUEST, "Content-Encoding says gzip, but the body is not"))?;
    if out.len() > limit { Err(TOO_LARGE) } else { Ok(out.into()) }
}

#[cfg(test)]
mod tests;

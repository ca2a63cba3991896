//! What an exporter sent: the media type that is understood, no more than a batch, unpacked, within limits of memory
//! and time.

use std::io::Read as _;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use hop::http::content_type;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use tokio::sync::Semaphore;

/// A batch of spans is never larger, in bytes, packed or not: as much as a gRPC message by default, some thousand spans.
const LIMIT: usize = 4 << 20;
/// All batches that are being received take no more than this, in units of [`UNIT`].
const RECEIVING: usize = 4 * LIMIT / UNIT;
/// Bodies are counted in pieces of so many bytes.
const UNIT: usize = 1 << 10;
/// Nobody keeps others from being received for longer.
const BODY_TIME: Duration = Duration::from_secs(5);
/// Why it is not taken.
type Refusal = (StatusCode, &'static str);
const TOO_LARGE: Refusal = (StatusCode::PAYLOAD_TOO_LARGE, "more than 4 MiB in one batch");

const LATE: Refusal = (StatusCode::REQUEST_TIMEOUT, "no whole batch in five seconds");

/// Receives batches, so many bytes of them at once.
pub(super) struct Receiver(Semaphore);

impl Default for Receiver {
    fn default() -> Self {
        Receiver(Semaphore::new(RECEIVING))
    }
}

impl Receiver {
    /// The bytes of an `ExportTraceServiceRequest`.
    ///
    /// # Errors
    /// The status and the sentence to refuse it with.
    pub(super) async fn read(&self, request: Request<Incoming>) -> Result<Bytes, Refusal> {
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
        let body = request.into_body();
        let announced = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
        let room = announced.unwrap_or(LIMIT).min(LIMIT).div_ceil(UNIT);
        let _room = self.0.acquire_many(u32::try_from(room).unwrap_or(u32::MAX)).await;
        let body = tokio::time::timeout(BODY_TIME, Limited::new(body, LIMIT).collect()).await;
        let body = body.map_err(|_| LATE)?.map_err(|_| TOO_LARGE)?.to_bytes();
        if gzip { unpacked(&body, LIMIT) } else { Ok(body) }
    }
}

/// What is no batch of spans.
pub(super) fn refused(request: &Request<Incoming>) -> Option<Response<Full<Bytes>>> {
    if let Err(refusal) = hop::admin::refuse_pages(request.headers()) {
        return Some(reply(refusal.status(), "programs report here, web pages do not"));
    }
    if request.method() != Method::POST || request.uri().path() != hop::otlp::TRACES_PATH {
        return Some(reply(StatusCode::NOT_FOUND, "this is the lab's collector: POST /v1/traces"));
    }
    None
}

pub(super) fn reply(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    // An empty protobuf message is a valid (and complete) ExportTraceServiceResponse.
    if status == StatusCode::OK {
        let kind = header::HeaderValue::from_static(hop::otlp::CONTENT_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
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

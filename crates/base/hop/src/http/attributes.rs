//! What spans say of an HTTP request, the same at both ends: what OpenTelemetry's "HTTP spans" require.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use hyper::{Method, Request, StatusCode, Version};
use journey::semconv::attribute;
use journey::{Span, Value};

/// An attribute of a span.
type Attribute = (Cow<'static, str>, Value);

/// Parameters of a query whose values are secrets: OpenTelemetry's list, and the bearer token of RFC 6750 §2.3.
const SECRETS: [&str; 5] = ["AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature", "access_token"];

/// The URL that a client asks for: `target` is a path with its query, without secrets in what is returned.
pub fn url(scheme: &str, authority: impl Display, target: &str) -> String {
    let mut url = String::with_capacity(scheme.len() + target.len() + 32);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // A text takes whatever is written to it.
    let _ = write!(url, "{scheme}://{authority}{path}");
    if !query.is_empty() {
        url.push('?');
        url.push_str(&without_secrets(query));
    }
    url
}

/// Completes a CLIENT span: whom was asked for what.
pub fn client_request(span: Span, method: &Method, url: String, host: String, port: u16) -> Span {
    let (registered, original) = registered(method);
    let span = span
        .with(attribute::HTTP_REQUEST_METHOD, registered)
        .with(attribute::URL_FULL, url)
        .with(attribute::SERVER_ADDRESS, host)
        .with(attribute::SERVER_PORT, port);
    match original {
        Some(original) => span.with(attribute::HTTP_REQUEST_METHOD_ORIGINAL, original),
        None => span,
    }
}

/// Completes a CLIENT span: what came of it. A status that is an error says so also to those who know no HTTP.
pub fn client_response(span: Span, status: StatusCode) -> Span {
    let failed = status.is_client_error() || status.is_server_error();
    let span = span.with(attribute::HTTP_RESPONSE_STATUS_CODE, status.as_u16());
    if failed { span.with(attribute::ERROR_TYPE, status.as_str().to_owned()) } else { span }
}

/// What a SERVER span says of its request.
pub(super) fn server_request<B>(
    request: &Request<B>,
    scheme: &'static str,
) -> impl Iterator<Item = Attribute> {
    let (registered, original) = registered(request.method());
    let version = match request.version() {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    };
    let query = request.uri().query().map(|query| without_secrets(query).into_owned());
    let always = [
        (attribute::HTTP_REQUEST_METHOD, registered.into()),
        (attribute::URL_PATH, request.uri().path().to_owned().into()),
        (attribute::URL_SCHEME, scheme.into()),
        (attribute::NETWORK_PROTOCOL_VERSION, version.into()),
    ];
    let sometimes = [
        query.map(|query| (attribute::URL_QUERY, query.into())),
        original.map(|original| (attribute::HTTP_REQUEST_METHOD_ORIGINAL, original.into())),
    ];
    always.into_iter().chain(sometimes.into_iter().flatten()).map(|(key, value)| (key.into(), value))
}

/// What a SERVER span says of its response. What a client did wrong is no error of the server's.
pub(super) fn server_response(status: StatusCode) -> impl Iterator<Item = Attribute> {
    let error = status.is_server_error().then(|| (attribute::ERROR_TYPE, status.as_str().to_owned().into()));
    let code = (attribute::HTTP_RESPONSE_STATUS_CODE, status.as_u16().into());
    [code].into_iter().chain(error).map(|(key, value)| (key.into(), value))
}

/// A method as a span says it: of a registered one (RFC 9110 §9, RFC 5789) its name, of another one `_OTHER`, and then
/// its name, too: clients choose it, and figures by method must not grow with what they choose.
fn registered(method: &Method) -> (&'static str, Option<String>) {
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
        Method::CONNECT,
        Method::TRACE,
    ];
    const NAMES: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE"];
    match known.iter().position(|known| known == method) {
        Some(at) => (NAMES[at], None),
        None => ("_OTHER", Some(method.to_string())),
    }
}

/// A query in which the values of [`SECRETS`] are `REDACTED`.
fn without_secrets(query: &str) -> Cow<'_, str> {
    let is_secret = |pair: &str| SECRETS.contains(&pair.split('=').next().unwrap_or_default());
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(query);
    }
    let shown = |pair| match is_secret(pair) {
        true => Cow::Owned(format!("{}=REDACTED", pair.split('=').next().unwrap_or_default())),
        false => Cow::Borrowed(pair),
    };
    Cow::Owned(query.split('&').map(shown).collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests;

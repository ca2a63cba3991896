//! The first words of two protocols: a Redis says PONG, a Kafka which requests it knows.

use std::net::SocketAddr;

use redis_client::Url;

use super::exchange::{LIMIT, connect, exchange};
use super::refusal::Refusal;

/// PING (<https://redis.io/commands/ping>), after AUTH when the URL has a password.
pub(super) async fn ping(login: &Url, at: SocketAddr) -> Result<(), Refusal> {
    let mut send = Vec::new();
    let user = login.user.as_deref();
    let auth = login.password.as_deref().map(|password| ["AUTH"].into_iter().chain(user).chain([password]));
    let commands = auth.into_iter().map(Iterator::collect::<Vec<&str>>).chain([vec!["PING"]]);
    let mut replies = 0;
    for words in commands {
        replies += 1;
        send.extend(format!("*{}\r\n", words.len()).bytes());
        for word in words {
            send.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
        }
    }
    let lines = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').count() - 1;
    // What is no reply has no end that could be waited for.
    let enough = |bytes: &[u8]| lines(bytes) >= replies || !matches!(bytes[0], b'+' | b'-');
    let heard = exchange(&mut connect("PING", at).await?, &send, LIMIT, enough).await;
    if heard.bytes.ends_with(b"+PONG\r\n") {
        return Ok(());
    }
    let (answered, wanted) = match heard.bytes.first() {
        Some(b'-') if heard.bytes.starts_with(b"-NOAUTH") => {
            let wanted = "PONG without a password: it is on loopback alone";
            (heard.shown(), wanted)
        }
        Some(b'+' | b'-') => (heard.shown(), "PONG"),
        _ => (heard.is_no("RESP"), "\"+PONG\\r\\n\", as a Redis says"),
    };
    Err(Refusal { sent: format!("PING at {at}"), answered, wanted: wanted.to_owned() })
}

/// ApiVersions, version 0 (<https://kafka.apache.org/protocol#The_Messages_ApiVersions>): every broker
/// answers it, before anybody has logged in.
pub(super) async fn api_versions(at: SocketAddr) -> Result<(), Refusal> {
    const CORRELATION_ID: [u8; 4] = *b"lab!";
    const CLIENT_ID: &[u8; 3] = b"lab";
    let mut request = [&[0, 18, 0, 0][..], &CORRELATION_ID, &[0, 3], CLIENT_ID].concat();
    let length = u32::try_from(request.len()).unwrap_or_default();
    request.splice(..0, length.to_be_bytes());
    // Length, correlation id, error code; no length of Kafka's begins with another byte.
    let enough = |bytes: &[u8]| bytes.len() >= 10 || !bytes.starts_with(&[0]);
    let heard = exchange(&mut connect("ApiVersions", at).await?, &request, LIMIT, enough).await;
    let answered = match heard.bytes.get(4..10) {
        Some([id @ .., 0, 0]) if *id == CORRELATION_ID => return Ok(()),
        Some([id @ .., high, low]) if *id == CORRELATION_ID => {
            format!("error code {}", i16::from_be_bytes([*high, *low]))
        }
        _ => heard.is_no("response of Kafka"),
    };
    let wanted = "a response of Kafka's protocol".to_owned();
    Err(Refusal { sent: format!("ApiVersions at {at}"), answered, wanted })
}

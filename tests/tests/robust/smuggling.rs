//! Bytes that two programs could take for different requests: each case is refused, or it reaches what is behind
//! the two proxies as exactly one request with the one body that it can have.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tests::edge::Edge;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A connection that is silent for so long has said all it will.
const QUIET: Duration = Duration::from_secs(2);
/// What an attacker hides in the body of another request.
const EVIL: &str = "GET /evil HTTP/1.1\r\nHost: evil\r\n\r\n";

/// What a case must come to.
enum Verdict {
    /// With one of these statuses, and it reaches nobody.
    Refused(&'static [u16]),
    /// As one request with this body.
    Passed(String),
}

use Verdict::{Passed, Refused};

/// A request that an upstream has read whole.
#[derive(Debug)]
struct Seen {
    head: String,
    body: String,
}

/// An upstream that frames as RFC 9112 §6 says and in no other way.
async fn upstream() -> (SocketAddr, Arc<Mutex<Vec<Seen>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let (address, seen) = (listener.local_addr().expect("an address"), Arc::default());
    let all: Arc<Mutex<Vec<Seen>>> = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let all = Arc::clone(&all);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while let Some(seen) = read_one(&mut stream).await {
                    all.lock().expect("no test panics here").push(seen);
                    let _ =
                        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                }
            });
        }
    });
    (address, seen)
}

async fn read_one(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let head = lines_to_an_empty_one(stream).await?;
    let field = |name: &str| {
        let mut values = head.lines().filter_map(|line| line.strip_prefix(name));
        let value = values.next().map(|value| value.trim().to_owned());
        assert!(values.next().is_none(), "{name} twice: {head}");
        value
    };
    let mut body = Vec::new();
    match (field("transfer-encoding:").as_deref(), field("content-length:")) {
        (None, None) => {}
        (None, Some(length)) => {
            body = vec![0; length.parse().expect("a length")];
            stream.read_exact(&mut body).await.ok()?;
        }
        (Some("chunked"), None) => loop {
            let mut size = String::new();
            stream.read_line(&mut size).await.ok()?;
            match usize::from_str_radix(size.trim_end_matches("\r\n"), 16).ok()? {
                0 => {
                    lines_to_an_empty_one(stream).await?;
                    break;
                }
                size => {
                    let mut data = vec![0; size + 2];
                    stream.read_exact(&mut data).await.ok()?;
                    body.extend_from_slice(data.strip_suffix(b"\r\n").expect("a chunk's end"));
                }
            }
        },
        framing => panic!("framed in two ways, {framing:?}: {head}"),
    }
    Some(Seen { head, body: String::from_utf8_lossy(&body).into_owned() })
}

async fn lines_to_an_empty_one(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        let count = stream.read_line(&mut line).await.ok()?;
        match line.as_str() {
            _ if count == 0 => return None,
            "\r\n" => return Some(text),
            line => text += line,
        }
    }
}

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// A POST with these fields and this body, and what it must come to.
fn framings() -> Vec<(&'static str, String, String, Verdict)> {
    let hidden = format!("0\r\n\r\n{EVIL}");
    let length = format!("Content-Length: {}\r\n", hidden.len());
    let chunked = "Transfer-Encoding: chunked\r\n".to_owned();
    let with = |more: &str| format!("{length}{more}\r\n");
    let nothing = || Passed(String::new());
    let as_body = || Passed(hidden.clone());
    let evil_chunk = format!("{}0\r\n\r\n", chunk(EVIL));
    let hello = "5\r\nhello\r\n0\r\n\r\n".to_owned();
    vec![
        ("CL.TE", with("Transfer-Encoding: chunked"), hidden.clone(), nothing()),
        ("TE.CL", format!("{chunked}Content-Length: 4\r\n"), evil_chunk.clone(), Passed(EVIL.into())),
        ("TE in other letters", with("tRANSFER-eNCODING: CHUNKED"), hidden.clone(), nothing()),
        ("a tab before the coding", with("Transfer-Encoding:\tchunked"), hidden.clone(), nothing()),
        ("a bare LF before TE", with("X: y\nTransfer-Encoding: chunked"), hidden.clone(), nothing()),
        ("a space before the colon", with("Transfer-Encoding : chunked"), hidden.clone(), Refused(&[400])),
        ("a tab before the colon", with("Transfer-Encoding\t: chunked"), hidden.clone(), Refused(&[400])),
        ("a folded TE", with("Transfer-Encoding:\r\n chunked"), hidden.clone(), Refused(&[400])),
        ("TE in a folded line", with("X: y\r\n Transfer-Encoding: chunked"), hidden.clone(), Refused(&[400])),
        ("a bare CR before TE", with("X: y\rTransfer-Encoding: chunked"), hidden.clone(), Refused(&[400])),
        ("a NUL in TE", with("Transfer-Encoding: chunked\0"), hidden.clone(), Refused(&[400])),
        ("a vertical tab in TE", with("Transfer-Encoding: \u{b}chunked"), hidden.clone(), Refused(&[400])),
        ("an empty TE", with("Transfer-Encoding: "), hidden.clone(), Refused(&[400])),
        ("a quoted TE", with("Transfer-Encoding: \"chunked\""), hidden.clone(), Refused(&[400, 501])),
        ("an unknown TE", with("Transfer-Encoding: xchunked"), hidden.clone(), Refused(&[400, 501])),
        ("TE identity", with("Transfer-Encoding: identity"), hidden.clone(), Refused(&[400, 501])),
        ("TE chunked, then another", with("Transfer-Encoding: chunked, x"), hidden.clone(), Refused(&[400])),
        ("TE gzip, then chunked", with("Transfer-Encoding: gzip, chunked"), hidden.clone(), Refused(&[501])),
        (
            "TE identity, then chunked",
            with("Transfer-Encoding: identity, chunked"),
            hidden.clone(),
            Refused(&[501]),
        ),
        ("TE chunked twice", with("Transfer-Encoding: chunked, chunked"), hidden.clone(), Refused(&[400])),
        ("two TE lines", format!("{chunked}Transfer-Encoding: x\r\n"), hidden.clone(), Refused(&[400])),
        (
            "two TE lines, chunked last",
            format!("Transfer-Encoding: x\r\n{chunked}"),
            hidden.clone(),
            Refused(&[501]),
        ),
        ("TE with a parameter", with("Transfer-Encoding: chunked;q=1"), hidden.clone(), Refused(&[400, 501])),
        ("TE with an underscore", with("Transfer_Encoding: chunked"), hidden.clone(), as_body()),
        (
            "TE named by Connection",
            with("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked"),
            hidden.clone(),
            nothing(),
        ),
        ("CL named by Connection", with("Connection: Content-Length"), hidden.clone(), as_body()),
        ("CL with an underscore", with("Content_Length: 5"), hidden.clone(), as_body()),
        ("two CLs", with("Content-Length: 5"), hidden.clone(), Refused(&[400])),
        (
            "the same CL twice",
            "Content-Length: 5\r\nContent-Length: 5\r\n".into(),
            "hello".into(),
            Passed("hello".into()),
        ),
        ("a list of CLs", "Content-Length: 5, 5\r\n".into(), "hello".into(), Refused(&[400])),
        ("CL with a sign", "Content-Length: +5\r\n".into(), "hello".into(), Refused(&[400])),
        ("a negative CL", "Content-Length: -5\r\n".into(), "hello".into(), Refused(&[400])),
        ("CL in hexadecimal", "Content-Length: 0x5\r\n".into(), "hello".into(), Refused(&[400])),
        ("an empty CL", "Content-Length:\r\n".into(), "hello".into(), Refused(&[400])),
        (
            "CL beyond 64 bits",
            "Content-Length: 18446744073709551621\r\n".into(),
            "hello".into(),
            Refused(&[400]),
        ),
        (
            "a chunk extension",
            chunked.clone(),
            hello.replacen('5', "5;a=b;c=\"d\"", 1),
            Passed("hello".into()),
        ),
        (
            "a bare LF in an extension",
            chunked.clone(),
            hello.replacen("5\r\n", "5;a\nGET /evil HTTP/1.1\r\n", 1),
            Refused(&[400]),
        ),
        ("a bare LF after a size", chunked.clone(), hello.replacen("5\r\n", "5\n", 1), Refused(&[400])),
        ("a size with 0x", chunked.clone(), hello.replacen('5', "0x5", 1), Refused(&[400])),
        ("a negative size", chunked.clone(), hello.replacen('5', "-5", 1), Refused(&[400])),
        (
            "a size beyond 64 bits",
            chunked.clone(),
            hello.replacen('5', "10000000000000005", 1),
            Refused(&[400]),
        ),
        (
            "data longer than its size",
            chunked.clone(),
            hello.replacen("hello", "hello, all", 1),
            Refused(&[400]),
        ),
        ("a bare LF after data", chunked.clone(), hello.replacen("hello\r\n", "hello\n", 1), Refused(&[400])),
        (
            "framing in trailers",
            chunked.clone(),
            hello.replace("0\r\n\r\n", "0\r\nContent-Length: 9\r\nHost: evil\r\n\r\n"),
            Passed("hello".into()),
        ),
        (
            "a request in trailers",
            chunked.clone(),
            hello.replace("0\r\n\r\n", &format!("0\r\n{EVIL}")),
            Refused(&[400]),
        ),
        ("a body that nobody announced", String::new(), hidden.clone(), nothing()),
    ]
}

/// Whole heads, and what they must come to.
fn heads() -> Vec<(&'static str, String, Verdict)> {
    let nothing = || Passed(String::new());
    let get = |line: &str, fields: &str| format!("{line}\r\n{fields}Connection: close\r\n\r\n");
    let host = "Host: api.myshop.com\r\n";
    vec![
        ("empty lines first", format!("\r\n\r\n{}", get("GET /x HTTP/1.1", host)), nothing()),
        ("two spaces in the first line", get("GET  /x HTTP/1.1", host), Refused(&[400])),
        ("a tab in the first line", get("GET\t/x HTTP/1.1", host), Refused(&[400])),
        ("a space at its end", get("GET /x HTTP/1.1 ", host), Refused(&[400])),
        ("no version", get("GET /x", host), Refused(&[400])),
        ("another version", get("GET /x HTTP/9.9", host), Refused(&[400, 505])),
        ("the version of HTTP/2", get("GET /x HTTP/2.0", host), Refused(&[400, 505])),
        ("a space before the first field", get("GET /x HTTP/1.1", &format!(" {host}")), Refused(&[400])),
        ("two hosts", get("GET /x HTTP/1.1", &format!("{host}Host: evil\r\n")), Refused(&[400])),
        ("two hosts in one field", get("GET /x HTTP/1.1", "Host: api.myshop.com, evil\r\n"), Refused(&[400])),
        ("a host with a user", get("GET /x HTTP/1.1", "Host: evil@api.myshop.com\r\n"), Refused(&[400])),
        ("a host with a path", get("GET /x HTTP/1.1", "Host: api.myshop.com/evil\r\n"), Refused(&[400])),
        ("a port that is none", get("GET /x HTTP/1.1", "Host: api.myshop.com:evil\r\n"), Refused(&[400])),
        ("an absolute target", get("GET http://other/x HTTP/1.1", host), nothing()),
        ("another scheme", get("GET ftp://api.myshop.com/x HTTP/1.1", host), Refused(&[400])),
        ("a target that is an authority", get("CONNECT evil:443 HTTP/1.1", host), Refused(&[405])),
        (
            "transfer coding of HTTP/1.0",
            format!("POST /x HTTP/1.0\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{EVIL}"),
            Refused(&[400]),
        ),
    ]
}

#[tokio::test]
async fn what_two_programs_could_read_in_two_ways_is_read_in_one_or_refused() {
    let (address, seen) = upstream().await;
    let edge = Edge::start(address).await.expect("the two proxies");
    let mut cases = heads();
    for (name, fields, body, verdict) in framings() {
        let close = if fields.contains("Connection:") { "" } else { "Connection: close\r\n" };
        let text = format!("POST /x HTTP/1.1\r\nHost: api.myshop.com\r\n{close}{fields}\r\n{body}");
        cases.push((name, text, verdict));
    }
    let mut wrong = String::new();
    for (name, bytes, verdict) in cases {
        let said = edge.say(bytes.as_bytes(), QUIET).await.expect("an answer");
        let status = said.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0_u16);
        let seen = std::mem::take(&mut *seen.lock().expect("no task panicked"));
        let right = match &verdict {
            Refused(statuses) => {
                statuses.contains(&status) && seen.is_empty() && said.contains(r#""fault":"client""#)
            }
            Passed(body) => status == 200 && seen.len() == 1 && seen[0].body == *body,
        };
        let evil = seen.iter().any(|seen| !seen.head.contains(" /x HTTP/1.1\r\n"));
        let heads = said.split("HTTP/1.1 ").filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if !right || evil || heads.count() != 1 {
            let _ = writeln!(wrong, "{name}: {status}, behind it {seen:?}\n    {bytes:?}\n    {said:?}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

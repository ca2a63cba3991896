//! The load balancer and the Ingress, judged by programs of others: h2spec, curl, nghttp.

use std::net::SocketAddr;

use tests::edge::{Edge, HOST};
use tests::programs;
use tests::readers::H2spec;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// An upstream that answers every connection's first request in this way, and the head of it.
async fn upstream<R>(answer: impl Fn(TcpStream, String) -> R + Clone + Send + 'static) -> SocketAddr
where
    R: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await?);
                }
                answer(stream, String::from_utf8_lossy(&head).into_owned()).await
            });
        }
    });
    address
}

/// curl's words for a request to the load balancer.
fn words(edge: &Edge, more: &[&str]) -> Vec<String> {
    let resolve = format!("{HOST}:{}:{}", edge.lb.port(), edge.lb.ip());
    let certificate = edge.certificate().to_string_lossy().into_owned();
    let fixed = ["-sS", "--max-time", "20", "--resolve", &resolve, "--cacert", &certificate];
    let url = format!("https://{HOST}:{}/x", edge.lb.port());
    fixed.iter().chain(more).map(|word| (*word).to_owned()).chain([url]).collect()
}

#[tokio::test]
async fn h2spec_finds_nothing() {
    let Some(h2spec) = H2spec::find("h2spec").expect("a workspace") else { return };
    let text = "longer than the few bytes without which h2spec skips its tests of flow control\n";
    let answer =
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}", text.len());
    let address = upstream(move |mut stream, head| {
        let answer = answer.clone();
        async move {
            // Whatever it sends is read, so that no answer is lost to a reset.
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await?;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.map(|_| drop(head))
        }
    })
    .await;
    let edge = Edge::start(address).await.expect("the two proxies");
    let found = h2spec.judge(edge.lb).await.expect("h2spec runs");
    assert_eq!(found, "145 tests, 145 passed, 0 skipped, 0 failed");
}

#[tokio::test]
async fn curl_waits_for_100_and_gets_it_when_the_service_says_so() {
    let address = upstream(|mut stream, head| async move {
        let kind = if head.contains("expect: 100-continue") { "expects" } else { "does not" };
        stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n").await?;
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        let mut body = [0; 5];
        stream.read_exact(&mut body).await?;
        let answer =
            format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{kind}", kind.len());
        stream.write_all(answer.as_bytes()).await
    })
    .await;
    let edge = Edge::start(address).await.expect("the two proxies");
    for version in ["--http1.1", "--http2"] {
        let said = [version, "-i", "-d", "hello", "-H", "Expect: 100-continue", "--expect100-timeout", "15"];
        let said = programs::output("curl", words(&edge, &said)).await.expect("curl succeeds");
        assert!(said.ends_with("expects"), "{version}: {said}");
        let first = said.find(" 103").unwrap_or_else(|| panic!("{version}: no 103 in {said}"));
        assert!(said[first..].contains("link: </a.css>; rel=preload"), "{version}: {said}");
        assert!(first < said.find(" 200").expect("a response"), "{version}: {said}");
    }
}

/// CURLE_HTTP2_STREAM (libcurl-errors(3)).
const HTTP2_STREAM: i32 = 92;

#[tokio::test]
async fn curl_hears_an_answer_that_comes_before_its_upload_has_ended() {
    let address = upstream(|mut stream, _head| async move {
        let answer =
            "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 8\r\n\r\ntoo much";
        stream.write_all(answer.as_bytes()).await
    })
    .await;
    let edge = Edge::start(address).await.expect("the two proxies");
    let file = tempfile::NamedTempFile::new().expect("a file");
    file.as_file().set_len(900 << 10).expect("900 KiB");
    let upload = format!("@{}", file.path().display());
    for version in ["--http1.1", "--http2"] {
        for expect in ["Expect:", "Expect: 100-continue"] {
            let said = [version, "-H", expect, "--data-binary", &upload, "-w", " %{http_code}"];
            let said = programs::run("curl", words(&edge, &said)).await.expect("curl runs");
            // As soon as curl sees the head of an error it ends its upload. Over HTTP/2 that contradicts its
            // Content-Length, and the stream has to be reset (RFC 9113 §8.1.1), at times before curl has seen its end.
            let reset = version == "--http2" && said.code == Some(HTTP2_STREAM);
            assert!(said.code == Some(0) || reset, "{version} {expect}: {}", said.stderr);
            assert!(said.stdout.ends_with(" 413"), "{version} {expect}: {}", said.stdout);
            assert!(reset || said.stdout == "too much 413", "{version} {expect}: {}", said.stdout);
        }
    }
}

#[tokio::test]
async fn trailers_arrive_at_clients_of_others() {
    let address = upstream(|mut stream, _head| async move {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n";
        let rest = "trailer: grpc-status\r\n\r\n2\r\nok\r\n0\r\ngrpc-status: 7\r\n\r\n";
        stream.write_all(format!("{head}{rest}").as_bytes()).await
    })
    .await;
    let edge = Edge::start(address).await.expect("the two proxies");
    // curl writes trailers to where it writes headers.
    for version in ["--http1.1", "--http2"] {
        let said = [version, "-D", "-", "-o", "/dev/null", "-H", "TE: trailers"];
        let said = programs::output("curl", words(&edge, &said)).await.expect("curl succeeds");
        assert!(said.contains("\r\ngrpc-status: 7\r\n"), "{version}: {said}");
    }
}

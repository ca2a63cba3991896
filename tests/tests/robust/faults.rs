//! Whose fault it is, as the client of both proxies reads it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tests::edge::Edge;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A connection that is silent for so long has said all it will.
const QUIET: Duration = Duration::from_secs(3);

/// An upstream that answers each head with how many fields it has, whatever comes of the body.
async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

async fn answer(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut fields, mut body, mut line) = (0, false, String::new());
    while stream.read_line(&mut line).await? > 2 {
        fields += usize::from(line.contains(": "));
        body |= line.starts_with("transfer-encoding");
        line.clear();
    }
    if body {
        // Until the proxy gives up.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
        return Ok(());
    }
    let fields = fields.to_string();
    let text =
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{fields}", fields.len());
    stream.get_mut().write_all(text.as_bytes()).await
}

/// What the Ingress alone says.
async fn ingress(edge: &Edge, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(edge.ingress).await.expect("it listens");
    stream.write_all(bytes).await.expect("written");
    let mut said = String::new();
    let read = tokio::time::timeout(QUIET * 4, stream.read_to_string(&mut said)).await;
    read.expect("the connection is closed").expect("text");
    said
}

/// The status, the fault and the hop of a problem.
fn problem(said: &str) -> (u64, String, String) {
    let body = said.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let value: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    (value["status"].as_u64().unwrap_or_default(), text("fault"), text("hop"))
}

#[tokio::test]
async fn a_malformed_chunk_is_the_clients_at_both_proxies_held_or_streaming() {
    let edge = Edge::start(upstream().await).await.expect("the two proxies");
    let head = "POST /cart HTTP/1.1\r\nhost: api.myshop.com\r\ntransfer-encoding: chunked\r\n";
    let large = "x".repeat(100_000);
    for case in [
        format!("{head}\r\nzz\r\n"),
        format!("{head}\r\n1\r\n{{\r\nzz\r\n"),
        format!("{head}\r\n1\r\n{{XX"),
        // What no proxy holds: it is upstream when the malformed chunk comes.
        format!("{head}content-type: application/grpc\r\n\r\n1\r\n{{\r\nzz\r\n"),
        format!("{head}\r\n186a0\r\n{large}\r\nzz\r\n"),
    ] {
        let shown = &case[..case.len().min(150)];
        let said = edge.say(case.as_bytes(), QUIET).await.expect("openssl");
        assert_eq!(problem(&said), (400, "client".into(), "lb".into()), "{shown}: {said}");
        let said = ingress(&edge, case.as_bytes()).await;
        assert_eq!(problem(&said), (400, "client".into(), "ingress".into()), "{shown}: {said}");
    }
}

#[tokio::test]
async fn the_limit_of_heads_is_for_what_the_client_sent() {
    let edge = Edge::start(upstream().await).await.expect("the two proxies");
    // `lb --max-head 65536`, and 100 fields; host and connection are two of them.
    let request = |fields: usize, length: usize| {
        let mut head = "GET / HTTP/1.1\r\nhost: api.myshop.com\r\nconnection: close\r\n".to_owned();
        for field in 0..fields - 2 {
            head += &format!("x-{field:03}: y\r\n");
        }
        let filler = length.saturating_sub(head.len() + 2).checked_sub("x-000: \r\n".len());
        if let Some(filler) = filler {
            head = head.replacen("x-000: y", &format!("x-000: y{}", "z".repeat(filler + 8)), 1);
        }
        head + "\r\n"
    };
    for (fields, length) in [(100, 0), (100, 65_000), (3, 65_500)] {
        let said = edge.say(request(fields, length).as_bytes(), QUIET).await.expect("openssl");
        assert!(said.starts_with("HTTP/1.1 200 "), "{fields} fields, {length} bytes: {said}");
        // The upstream has got them, and what the proxies say about the way.
        let got: usize = said.rsplit("\r\n").next().and_then(|body| body.parse().ok()).expect("a number");
        assert!(got > fields, "{said}");
    }
    for (fields, length) in [(101, 0), (3, 66_000)] {
        let said = edge.say(request(fields, length).as_bytes(), QUIET).await.expect("openssl");
        assert_eq!(
            problem(&said),
            (431, "client".into(), "lb".into()),
            "{fields} fields, {length} bytes: {said}"
        );
    }
}

//! Each probe meets what answers rightly, and what does not: the refusal says what came.

use hickory_proto::op::{Message, ResponseCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use super::*;

/// What a program says to each connection, once it has heard something; `None` says nothing for ever.
async fn says(answer: Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                match answer {
                    Some(answer) => stream.write_all(answer).await,
                    None => std::future::pending().await,
                }
            });
        }
    });
    address
}

/// A name server that answers each query with this code, on UDP; on TCP it accepts.
async fn name_server(edit: impl Fn(&mut Message) + Send + 'static) -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = tcp.local_addr().expect("its address");
    let udp = UdpSocket::bind(address).await.expect("the same port");
    tokio::spawn(async move {
        let _tcp = tcp;
        let mut buffer = [0; 512];
        loop {
            let (length, from) = udp.recv_from(&mut buffer).await.expect("a query");
            let query = Message::from_vec(&buffer[..length]).expect("a query");
            let mut response = Message::response(query.id, query.op_code);
            response.queries.clone_from(&query.queries);
            edit(&mut response);
            let bytes = response.to_vec().expect("a response");
            udp.send_to(&bytes, from).await.expect("it is sent");
        }
    });
    address
}

fn get(wanted: Wanted) -> Request {
    let (line, host) = (HEALTH.to_owned(), "shop".to_owned());
    Request { line, host, bearer: None, body: String::new(), wanted }
}

/// The probe is refused by who says this, and these words are in what is told.
#[track_caller]
fn told(refusal: Result<(), Refusal>, words: &[&str]) {
    let refusal = refusal.expect_err("a wrong answer");
    let text = format!("{refusal} / {}", refusal.wanted);
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} in {text}");
}

#[tokio::test]
async fn who_speaks_http_is_ready_and_who_does_not_is_quoted() {
    let (any, success) = (Probe::Http(get(Wanted::Http)), Probe::Http(get(Wanted::Success)));
    let ok: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
    let not_found: &[u8] = b"HTTP/1.0 404 Not Found\r\ncontent-length: 5\r\n\r\nsorry";
    let broken: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\n\r\nTraceback \x1b[31m";
    any.run(says(Some(ok)).await).await.expect("200");
    success.run(says(Some(ok)).await).await.expect("200");
    any.run(says(Some(not_found)).await).await.expect("it speaks HTTP");
    any.run(says(Some(b"HTTP/1.1 501 Unsupported method\r\n\r\n")).await).await.expect("it speaks HTTP");
    told(
        success.run(says(Some(not_found)).await).await,
        &["GET /healthz at", "404 Not Found: \"sorry\"", "200"],
    );
    let answer = any.run(says(Some(broken)).await).await;
    told(answer, &["500 Internal Server Error: \"Traceback \\x1b[31m\"", "below 500"]);
    told(any.run(says(Some(b"HELLO\x00\r\n")).await).await, &["\"HELLO\\x00\\r\\n\", which is no HTTP"]);
    told(any.run(says(Some(b"")).await).await, &["nothing: it closed the connection"]);
    told(any.run(says(None).await).await, &["nothing within 2s, though it accepted the connection"]);
}

#[tokio::test]
async fn nobody_there_is_said_as_well() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    for probe in [Probe::Connect, Probe::ApiVersions, Probe::Http(get(Wanted::Http))] {
        told(probe.run(address).await, &["accepts no connection", "refused", &address.to_string()]);
    }
}

#[tokio::test]
async fn a_redis_says_pong() {
    let ping = |at: SocketAddr| Probe::Ping(Url::from(at));
    for (answer, words) in [
        (&b"-NOAUTH Authentication required.\r\n"[..], &["NOAUTH", "without a password"][..]),
        (b"-LOADING Redis is loading the dataset in memory\r\n", &["LOADING"]),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", &["PING at", "400 Bad Request", "which is no RESP"]),
        (b"+OK\r\n", &["+OK"]),
    ] {
        let at = says(Some(answer)).await;
        told(ping(at).run(at).await, words);
    }
    let at = says(Some(b"+PONG\r\n")).await;
    ping(at).run(at).await.expect("a Redis");
    let login = Url { password: Some("secret".to_owned()), ..Url::from(at) };
    told(Probe::Ping(login.clone()).run(says(None).await).await, &["nothing within"]);
    let at = says(Some(b"+OK\r\n+PONG\r\n")).await;
    Probe::Ping(login).run(at).await.expect("a Redis with a password");
}

#[tokio::test]
async fn a_kafka_says_which_requests_it_knows() {
    let run = async |answer| Probe::ApiVersions.run(says(Some(answer)).await).await;
    run(b"\x00\x00\x00\x0alab!\x00\x00\x00\x00\x00\x00").await.expect("a Kafka");
    told(run(b"\x00\x00\x00\x06lab!\x00\x23").await, &["error code 35"]);
    told(run(b"\x00\x00\x00\x06LAB!\x00\x00").await, &["which is no response of Kafka"]);
    told(run(b"220 smtp ready\r\n").await, &["220 smtp", "which is no response of Kafka"]);
}

#[tokio::test]
async fn a_name_server_is_authoritative_for_its_zones() {
    use hickory_proto::rr::{RData, Record, rdata::SOA};
    let zone = Name::from_ascii("myshop.com.").expect("a name");
    let soa = SOA::new(zone.clone(), zone.clone(), 1, 2, 3, 4, 5);
    let record = Record::from_rdata(zone.clone(), 60, RData::SOA(soa));
    let probe = Probe::Zones(vec![zone]);
    let with = |code: ResponseCode, authoritative: bool, answers: Vec<Record>| {
        name_server(move |response| {
            response.metadata.response_code = code;
            response.metadata.authoritative = authoritative;
            for answer in &answers {
                response.add_answer(answer.clone());
            }
        })
    };
    let (ok, soa) = (ResponseCode::NoError, vec![record]);
    probe.run(with(ok, true, soa.clone()).await).await.expect("it serves the zone");
    told(probe.run(with(ok, false, soa).await).await, &["without AA", "SOA record of \"myshop.com.\""]);
    told(probe.run(with(ok, true, Vec::new()).await).await, &["no SOA record"]);
    for (code, name) in [(ResponseCode::Refused, "REFUSED"), (ResponseCode::ServFail, "SERVFAIL")] {
        told(probe.run(with(code, false, Vec::new()).await).await, &[name, "myshop.com."]);
        let address = Probe::Resolve(Name::root(), RecordType::A);
        told(address.run(with(code, false, Vec::new()).await).await, &[name, "from the root down"]);
    }
    let address = Probe::Resolve(Name::root(), RecordType::A);
    told(address.run(with(ResponseCode::NXDomain, false, Vec::new()).await).await, &["NXDOMAIN"]);
    told(address.run(with(ok, false, Vec::new()).await).await, &["no A record"]);
    let resolve = Probe::Resolve(Name::root(), RecordType::SOA);
    told(resolve.run(with(ResponseCode::Refused, false, Vec::new()).await).await, &["REFUSED"]);
    for code in [ResponseCode::NXDomain, ResponseCode::ServFail] {
        resolve.run(with(code, false, Vec::new()).await).await.expect("an answer");
    }
    told(probe.run(says(None).await).await, &["nothing over UDP"]);
}

/// A name server whose responses are none: of another query, or no DNS at all.
#[tokio::test]
async fn who_speaks_no_dns_is_quoted() {
    let resolve = Probe::Resolve(Name::root(), RecordType::SOA);
    told(
        resolve.run(name_server(|response| response.metadata.id ^= 1).await).await,
        &["which is no response"],
    );
}

#[tokio::test]
async fn who_speaks_no_tls_is_quoted() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = Plan::load(&plan::Config::Text(plan::DEFAULT.to_owned()), &[], &[])
        .expect("the default plan is right");
    let now = hop::clock::now();
    let (certs, _) = crate::certs::Certs::ensure(folder.path(), &plan, now, false).expect("certificates");
    let probe = Probe::Https(Https { ca: certs.authority(), request: get(Wanted::Http) });
    let plain = says(Some(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    told(probe.run(plain).await, &["over TLS", "400 Bad Request", "which is no TLS", "TLS_CERT"]);
    // An alert: handshake_failure (RFC 8446 §6.2).
    let alert = says(Some(&[21, 3, 3, 0, 2, 2, 40])).await;
    told(probe.run(alert).await, &["the handshake failed", "HandshakeFail"]);
}

use std::net::Ipv4Addr;

use hickory_proto::op::{Edns, MessageType, OpCode};
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::{A, CNAME, TXT};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use super::*;

/// A resolver that responds as it is told: to each datagram, with what `lies` makes of the query.
async fn lying(
    lies: impl Fn(&Message) -> Vec<Vec<u8>> + Send + 'static,
) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            for lie in lies(&query) {
                socket.send_to(&lie, peer).await.unwrap();
            }
        }
    });
    (address, task)
}

/// Looks "shop.test" up and says what came of it, and how many spans.
async fn outcome(resolver: SocketAddr) -> (Result<IpAddr, String>, usize) {
    let mut recorder = Recorder::new(None);
    let mut stub = Stub { timeout: Duration::from_millis(500), ..Stub::new(resolver) };
    let result = stub.lookup("shop.test", &mut recorder).await;
    assert_eq!(stub.cached("shop.test"), result.as_ref().ok().copied());
    (result.map_err(|error| format!("{error:#}")), recorder.spans.len())
}

async fn resolved(lies: impl Fn(&Message) -> Vec<Vec<u8>> + Send + 'static) -> Result<IpAddr, String> {
    outcome(lying(lies).await.0).await.0
}

fn record(owner: &str, data: RData) -> Record {
    Record::from_rdata(owner.parse().unwrap(), 60, data)
}

fn a(owner: &str, last: u8) -> Record {
    record(owner, RData::A(A(Ipv4Addr::new(192, 0, 2, last))))
}

fn alias(owner: &str, target: &str) -> Record {
    record(owner, RData::CNAME(CNAME(target.parse().unwrap())))
}

fn reply(query: &Message, answers: Vec<Record>) -> Message {
    let mut reply = dnswire::reply_to(query);
    reply.answers = answers;
    reply
}

/// The right response: 192.0.2.1.
fn right(query: &Message) -> Vec<u8> {
    reply(query, vec![a("shop.test.", 1)]).to_vec().unwrap()
}

fn ip(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

#[tokio::test]
async fn what_is_no_response_to_the_query_is_not_taken() {
    let forged = |query: &Message| reply(query, vec![a("shop.test.", 66)]);
    type Change = fn(&mut Message);
    let changes: [(&str, Change); 6] = [
        ("another id", |reply| reply.metadata.id ^= 1),
        ("a query", |reply| reply.metadata.message_type = MessageType::Query),
        ("another operation", |reply| reply.metadata.op_code = OpCode::Notify),
        ("another name", |reply| reply.queries[0].name = "other.test.".parse().unwrap()),
        ("another type", |reply| reply.queries[0].query_type = RecordType::AAAA),
        ("no question", |reply| reply.queries.clear()),
    ];
    for (what, change) in changes {
        let lies = move |query: &Message| {
            let mut forgery = forged(query);
            change(&mut forgery);
            vec![forgery.to_vec().unwrap(), vec![1, 2, 3], right(query)]
        };
        assert_eq!(resolved(lies).await, Ok(ip(1)), "{what}");
    }
    // Bytes with the right id that are no message.
    let lies = |query: &Message| vec![right(query)[..20].to_vec(), right(query)];
    assert_eq!(resolved(lies).await, Ok(ip(1)));
    // A class that is not ours.
    let lies = move |query: &Message| {
        let mut forgery = forged(query);
        forgery.queries[0].query_class = hickory_proto::rr::DNSClass::CH;
        vec![forgery.to_vec().unwrap(), right(query)]
    };
    assert_eq!(resolved(lies).await, Ok(ip(1)));
}

#[tokio::test]
async fn the_case_of_a_name_does_not_matter() {
    let lies = |query: &Message| {
        let mut loud = reply(query, vec![a("Shop.TEST.", 1)]);
        loud.queries[0].name = "SHOP.test.".parse().unwrap();
        vec![loud.to_vec().unwrap()]
    };
    assert_eq!(resolved(lies).await, Ok(ip(1)));
}

#[tokio::test]
async fn a_response_from_another_address_is_not_taken() {
    let other = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let server = async {
        let mut buffer = [0; 4096];
        let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
        let query = Message::from_vec(&buffer[..length]).unwrap();
        other.send_to(&reply(&query, vec![a("shop.test.", 66)]).to_vec().unwrap(), peer).unwrap();
        socket.send_to(&right(&query), peer).await.unwrap();
    };
    let ((result, _), ()) = tokio::join!(outcome(address), server);
    assert_eq!(result, Ok(ip(1)));
}

#[tokio::test]
async fn only_records_of_the_name_and_its_aliases_count() {
    let with =
        |answers: Vec<Record>| resolved(move |query| vec![reply(query, answers.clone()).to_vec().unwrap()]);
    assert_eq!(with(vec![a("evil.test.", 66), a("shop.test.", 1)]).await, Ok(ip(1)));
    let chain = vec![
        a("c.test.", 3),
        alias("b.test.", "c.test."),
        a("evil.test.", 66),
        alias("shop.test.", "B.test."),
    ];
    assert_eq!(with(chain).await, Ok(ip(3)), "in whatever order");
    let error = with(vec![a("evil.test.", 66)]).await.unwrap_err();
    assert!(error.contains("shop.test. has no IPv4 address"), "{error}");
    let error = with(vec![alias("shop.test.", "b.test."), a("evil.test.", 66)]).await.unwrap_err();
    assert!(error.contains("shop.test. is b.test., which has no IPv4 address"), "{error}");
    let error = with(vec![alias("shop.test.", "b.test."), alias("b.test.", "shop.test.")]).await.unwrap_err();
    assert!(error.contains("more than 16 aliases"), "{error}");
    let error = with(vec![record("shop.test.", RData::TXT(TXT::new(vec!["x".into()])))]).await.unwrap_err();
    assert!(error.contains("has no IPv4 address"), "{error}");
}

#[tokio::test]
async fn a_chain_lives_as_long_as_its_shortest_record() {
    let mut message = reply(
        &dnswire::query(7, "shop.test.".parse().unwrap(), RecordType::A),
        vec![alias("shop.test.", "b.test."), a("b.test.", 1)],
    );
    message.answers[0].ttl = 7;
    assert_eq!(address_in(&message, &"shop.test.".parse().unwrap()), Ok((ip(1), 7)));
}

#[tokio::test]
async fn what_does_not_fit_is_queried_again_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let socket = UdpSocket::bind(address).await.unwrap();
    let server = async {
        let mut buffer = [0; 4096];
        let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
        let query = Message::from_vec(&buffer[..length]).unwrap();
        assert_eq!(query.edns.as_ref().map(Edns::max_payload), Some(1232), "it says what it can take");
        let mut cut = reply(&query, vec![a("shop.test.", 66)]);
        cut.metadata.truncation = true;
        socket.send_to(&cut.to_vec().unwrap(), peer).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut bytes).await.unwrap();
        let query = Message::from_vec(&bytes).unwrap();
        let mut stray = reply(&query, vec![a("shop.test.", 67)]);
        stray.metadata.id ^= 1;
        let both = [stray.to_vec().unwrap(), right(&query)].map(|bytes| dnswire::framed(&bytes).unwrap());
        stream.write_all(&both.concat()).await.unwrap();
    };
    let (resolved, ()) = tokio::join!(outcome(address), server);
    assert_eq!(resolved, (Ok(ip(1)), 2), "a span for each");
}

#[tokio::test]
async fn a_resolver_without_edns_is_queried_without() {
    for code in [ResponseCode::FormErr, ResponseCode::NotImp] {
        let lies = move |query: &Message| match query.edns {
            Some(_) => {
                let mut bare = Message::error_msg(query.id, OpCode::Query, code);
                bare.metadata.message_type = MessageType::Response;
                vec![bare.to_vec().unwrap()]
            }
            None => vec![right(query)],
        };
        assert_eq!(resolved(lies).await, Ok(ip(1)), "{code}");
    }
}

#[tokio::test]
async fn the_error_says_what_the_resolver_said() {
    let failed = |query: &Message| {
        let mut failed = reply(query, Vec::new());
        failed.metadata.response_code = ResponseCode::ServFail;
        let text = "127.0.53.3:5300 is silent".to_owned();
        ExtendedError { code: ExtendedError::NO_REACHABLE_AUTHORITY, text }.add_to(&mut failed);
        vec![failed.to_vec().unwrap()]
    };
    let error = resolved(failed).await.unwrap_err();
    let said = "it answers SERVFAIL; EDE 22 (No Reachable Authority): 127.0.53.3:5300 is silent";
    assert!(error.starts_with("query 127.0.0.1:") && error.ends_with(said), "{error}");
    let missing = |query: &Message| {
        let mut missing = reply(query, Vec::new());
        missing.metadata.response_code = ResponseCode::NXDomain;
        vec![missing.to_vec().unwrap()]
    };
    let error = resolved(missing).await.unwrap_err();
    assert!(error.ends_with("it answers NXDOMAIN: there is no shop.test."), "{error}");
}

#[tokio::test]
async fn silence_and_a_closed_port_are_told_apart() {
    let error = resolved(|_| Vec::new()).await.unwrap_err();
    assert!(error.contains("no response in 3 tries of 500ms"), "{error}");
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = outcome(closed).await.0.unwrap_err();
    assert!(error.contains("is the resolver up?") && error.contains("refused"), "{error}");
    // It waits longer than the lab's resolver does, and three times that fits into a journey.
    assert!(TIMEOUT > Duration::from_millis(4_500) && TIMEOUT * 3 < crate::browser::LIMIT);
}

use hickory_proto::op::Query;
use hickory_proto::rr::{Name, RecordType};

use super::*;

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn query() -> Message {
    let mut query = Message::query();
    query.add_query(Query::query(Name::from_ascii("api.myshop.com.").unwrap(), RecordType::A));
    query
}

#[tokio::test]
async fn only_the_response_of_whom_was_queried_counts() {
    let (server, stranger) = (UdpSocket::bind(LOCAL).await.unwrap(), UdpSocket::bind(LOCAL).await.unwrap());
    let address = server.local_addr().unwrap();
    let socket = QuerySocket::connect(LOCAL, address).await.unwrap();
    let query = query();
    socket.send(&query.to_vec().unwrap()).await.unwrap();
    let (_, client) = server.recv_from(&mut [0; 512]).await.unwrap();
    assert_eq!((socket.flow().client, socket.flow().server), (client, address));
    let mut forged = crate::reply_to(&query);
    forged.metadata.recursion_available = true;
    stranger.send_to(&forged.to_vec().unwrap(), client).await.unwrap();
    let mut stray = crate::reply_to(&query);
    stray.metadata.id ^= 1;
    for response in [stray, crate::reply_to(&query)] {
        server.send_to(&response.to_vec().unwrap(), client).await.unwrap();
    }
    let (response, read) = socket.response_to(&query).await.unwrap();
    assert!(!response.unwrap().recursion_available, "a stranger's");
    assert_eq!(read.offset, u64::from(query.id));
}

#[tokio::test]
async fn where_nobody_is_that_is_said_at_once() {
    let gone = std::net::UdpSocket::bind(LOCAL).unwrap().local_addr().unwrap();
    let socket = QuerySocket::connect(LOCAL, gone).await.unwrap();
    let query = query();
    socket.send(&query.to_vec().unwrap()).await.unwrap();
    assert_eq!(socket.response_to(&query).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

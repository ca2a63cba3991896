use std::time::Duration;

use journey::Event;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::Stamped;
use crate::wait;

const LIMIT: Duration = Duration::from_secs(10);

/// A connection over loopback: who connected, and who accepted it.
async fn pair() -> (Stamped<TcpStream>, Stamped<TcpStream>) {
    let listener = crate::listen::tcp(crate::listen::own_loopback()).unwrap();
    let client = Stamped::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    (client, Stamped::accepted(stream, peer).unwrap())
}

/// The kernel stamps from a moment after the first socket on the machine asked for it, and until the last
/// one is gone: one stays.
fn begun() {
    static ONE: std::sync::OnceLock<std::net::UdpSocket> = std::sync::OnceLock::new();
    enable(ONE.get_or_init(|| std::net::UdpSocket::bind("127.0.0.1:0").unwrap())).unwrap();
    assert!(works().unwrap(), "this kernel stamps nothing: not Linux?");
}

#[tokio::test]
async fn bytes_are_written_then_queued_then_read_whoever_sends_them() {
    begun();
    let (mut client, mut server) = pair().await;
    let mut buffer = [0; 64];
    for round in 1..=50 {
        client.write_all(b"question").await.unwrap();
        assert_eq!(server.read(&mut buffer).await.unwrap(), 8);
        server.write_all(b"answer").await.unwrap();
        assert_eq!(client.read(&mut buffer).await.unwrap(), 6);
        for (sent, read) in [(&client, &server), (&server, &client)] {
            let (sent, read) = (sent.stamps().last_write(), read.stamps().last_read());
            let queued = read.queued.expect("the kernel's stamp");
            assert_eq!(sent.offset, read.offset);
            assert!(sent.at <= queued && queued <= read.at, "round {round}: {sent:?}, {read:?}");
        }
    }
}

#[tokio::test]
async fn a_read_of_several_packets_has_the_stamp_of_the_last_one() {
    begun();
    let (mut client, mut server) = pair().await;
    client.write_all(b"one").await.unwrap();
    wait::until("the first is there", LIMIT, async || {
        (server.socket().peek(&mut [0; 8]).await.unwrap() == 3).then_some(())
    })
    .await
    .unwrap();
    client.write_all(b"two").await.unwrap();
    let second = client.stamps().last_write();
    let mut buffer = [0; 64];
    let mut read = 0;
    while read < 6 {
        read += server.read(&mut buffer).await.unwrap();
    }
    assert!(server.stamps().last_read().queued.expect("a stamp") >= second.at);
}

#[tokio::test]
async fn what_comes_before_accept_was_queued_before_it_and_the_stamps_say_so() {
    begun();
    let listener = crate::listen::tcp(crate::listen::own_loopback()).unwrap();
    let mut client = Stamped::connect(listener.local_addr().unwrap()).await.unwrap();
    client.write_all(b"early").await.unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    let mut server = Stamped::accepted(stream, peer).unwrap();
    let stamps = server.stamps();
    let mut buffer = [0; 5];
    server.read_exact(&mut buffer).await.unwrap();
    let told: Vec<_> = stamps.read_stamps(stamps.last_read()).map(|stamp| (stamp.event, stamp.at)).collect();
    let [(Event::Rx, queued), (Event::Wake, read), (Event::Accept, accepted)] = told[..] else {
        panic!("{told:?}")
    };
    assert!(queued <= accepted && accepted <= read, "{told:?}");

    // What comes later did not wait for `accept`.
    client.write_all(b"later").await.unwrap();
    server.read_exact(&mut buffer).await.unwrap();
    let told: Vec<_> = stamps.read_stamps(stamps.last_read()).map(|stamp| stamp.event).collect();
    assert_eq!(told, [Event::Rx, Event::Wake]);
}

#[tokio::test]
async fn bytes_of_any_number_come_whole_and_so_does_the_end() {
    let (mut client, mut server) = pair().await;
    let sent: Vec<u8> = (0..1_000_003_u32).map(|n| (n % 251) as u8).collect();
    let expected = sent.clone();
    let sending = tokio::spawn(async move {
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
        client
    });
    let mut received = Vec::new();
    // A buffer that is often filled to the last byte, and one that never is.
    let mut small = vec![0; 777];
    while received.len() < 500_000 {
        let count = server.read(&mut small).await.unwrap();
        received.extend_from_slice(&small[..count]);
    }
    server.read_to_end(&mut received).await.unwrap();
    assert!(received == expected, "{} bytes of {}", received.len(), expected.len());
    assert_eq!(server.stamps().last_read().offset, expected.len() as u64);
    sending.await.unwrap();
    assert_eq!(server.read(&mut [0; 0]).await.unwrap(), 0, "no room, no bytes, no waiting");
}

#[tokio::test]
async fn a_broken_connection_is_an_error_not_an_end() {
    let (client, mut server) = pair().await;
    client.socket().set_zero_linger().unwrap();
    drop(client);
    let error = server.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_datagram_says_who_sent_it_and_when_it_came() {
    begun();
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let any: SocketAddr = any.parse().unwrap();
        let Ok(receiver) = crate::listen::udp(any).await else {
            assert!(any.is_ipv6(), "there is always IPv4 on loopback");
            continue;
        };
        let sender = UdpSocket::bind(any).await.unwrap();
        let before = clock::now();
        sender.send_to(b"hello", receiver.local_addr().unwrap()).await.unwrap();
        let mut buffer = [0; 16];
        let (length, peer, mark) = recv_from(&receiver, &mut buffer).await.unwrap();
        assert_eq!((&buffer[..length], peer), (&b"hello"[..], sender.local_addr().unwrap()));
        let queued = mark.queued.expect("the kernel's stamp");
        assert!(before <= queued && queued <= mark.at, "{before} {mark:?}");
        let nothing = try_recv_from(&receiver, &mut buffer).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    }
}

#[tokio::test]
async fn a_socket_that_did_not_ask_has_no_stamp() {
    let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    sender.send_to(b"hello", receiver.local_addr().unwrap()).await.unwrap();
    let (_, _, mark) = recv_from(&receiver, &mut [0; 16]).await.unwrap();
    assert_eq!(mark.queued, None);
}

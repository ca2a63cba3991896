use std::net::SocketAddr;
use std::time::Duration;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

async fn receive(batch: &mut ReceiveBatch, socket: &UdpSocket) {
    tokio::time::timeout(LIMIT, batch.receive(socket)).await.expect("a datagram").unwrap();
}

#[tokio::test]
async fn a_burst_comes_whole_in_its_order_with_senders_and_stamps() {
    assert!(kernel::works().unwrap(), "this kernel stamps, once it has begun to");
    let server = crate::listen::udp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let clients =
        [UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.2:0").await.unwrap()];
    let count = 2 * BATCH + 3;
    let sent = clock::now();
    for number in 0..count {
        let bytes = vec![7; number]; // the first is empty, which is no end
        clients[number % 2].send_to(&bytes, server.local_addr().unwrap()).await.unwrap();
    }
    let (mut batch, mut received, mut full) = (ReceiveBatch::default(), 0, 0);
    while received < count {
        receive(&mut batch, &server).await;
        full += usize::from(batch.is_full());
        for datagram in batch.iter() {
            assert_eq!(datagram.bytes, vec![7; received], "in its order, and not a byte of another");
            assert_eq!(datagram.peer, clients[received % 2].local_addr().unwrap());
            let queued = datagram.read.queued.expect("a stamp for each");
            assert!(sent <= queued && queued <= datagram.read.at && datagram.read.at <= clock::now());
            received += 1;
        }
    }
    assert_eq!((received, full), (count, 2), "as few calls as possible");
}

#[tokio::test]
async fn each_gets_its_own_and_one_that_cannot_be_sent_costs_nobody_else_anything() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let address: SocketAddr = address.parse().unwrap();
        let (server, client) =
            (UdpSocket::bind(address).await.unwrap(), UdpSocket::bind(address).await.unwrap());
        let mut batch = SendBatch::default();
        for round in 0..2 {
            for number in 0..BATCH + 5 {
                // Nobody can be at port 0.
                let peer = if number == 3 { address } else { client.local_addr().unwrap() };
                let silent = batch.add(peer, |buffer| {
                    buffer.extend(b"what was begun and given up");
                    None::<()>
                });
                assert_eq!(silent, None);
                batch.add(peer, |buffer| {
                    assert!(buffer.is_empty());
                    buffer.extend([round, u8::try_from(number).unwrap()]);
                    Some(())
                });
            }
            batch.send(&server).await;
            assert!(batch.is_empty());
        }
        let (mut received, mut seen) = (ReceiveBatch::default(), Vec::new());
        while seen.len() < 2 * (BATCH + 4) {
            receive(&mut received, &client).await;
            seen.extend(received.iter().map(|datagram| datagram.bytes.to_vec()));
        }
        let wanted = (0..2).flat_map(|round| (0..BATCH + 5).map(move |number| vec![round, number as u8]));
        assert_eq!(seen, wanted.filter(|message| message[1] != 3).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn what_is_too_long_is_cut_and_the_next_is_whole() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for length in [LONGEST + 1, 9] {
        client.send_to(&vec![1; length], server.local_addr().unwrap()).await.unwrap();
    }
    let (mut batch, mut lengths) = (ReceiveBatch::default(), Vec::new());
    while lengths.len() < 2 {
        receive(&mut batch, &server).await;
        lengths.extend(batch.iter().map(|datagram| datagram.bytes.len()));
    }
    assert_eq!(lengths, [LONGEST, 9]);
}

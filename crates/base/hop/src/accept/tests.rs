use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::wait;

const LIMIT: Duration = Duration::from_secs(20);

async fn listener() -> TcpListener {
    crate::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap()
}

#[tokio::test]
async fn no_more_than_the_limit_run_at_once() {
    let (listener, shutdown) = (listener().await, CancellationToken::new());
    let address = listener.local_addr().unwrap();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak, token) = (Arc::clone(&running), Arc::clone(&most), shutdown.clone());
    let server = tokio::spawn(async move {
        run(listener, 3, &token, LIMIT, |mut stream, _| {
            let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
            async move {
                peak.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                let _until_told = stream.read_u8().await;
                now.fetch_sub(1, Ordering::Relaxed);
            }
        })
        .await;
    });
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(TcpStream::connect(address).await.unwrap());
    }
    for client in &mut clients {
        client.write_u8(1).await.unwrap();
        client.read_u8().await.expect_err("served, and closed");
    }
    assert_eq!(most.load(Ordering::Relaxed), 3);
    shutdown.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn what_hangs_is_dropped_before_run_returns() {
    let (listener, shutdown) = (listener().await, CancellationToken::new());
    let address = listener.local_addr().unwrap();
    let (begun, token) = (Arc::new(tokio::sync::Notify::new()), shutdown.clone());
    let beginning = Arc::clone(&begun);
    let server = tokio::spawn(async move {
        run(listener, 3, &token, Duration::from_millis(20), |stream, _| {
            beginning.notify_one();
            async move {
                let _held = stream;
                std::future::pending::<()>().await;
            }
        })
        .await;
    });
    let mut client = TcpStream::connect(address).await.unwrap();
    begun.notified().await;
    shutdown.cancel();
    server.await.unwrap();
    let ended = tokio::time::timeout(LIMIT, client.read_u8()).await;
    ended.expect("the socket is closed").expect_err("with nothing sent");
    wait::until("new connections to be refused", LIMIT, async || TcpStream::connect(address).await.err())
        .await
        .unwrap();
}

#[tokio::test]
async fn what_has_come_and_is_not_read_is_no_silence() {
    let listener = crate::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    let mut server = Stamped::accepted(stream, peer).unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    client.write_all(b"?").await.unwrap();
    let stamps = server.stamps();
    crate::wait::until("the byte", Duration::from_secs(20), async || stamps.has_unread().then_some(()))
        .await
        .unwrap();
    let mut idle = std::pin::pin!(idle_after(stop, Duration::from_millis(1), stamps.clone()));
    // Fifty silences long.
    let early = tokio::time::timeout(Duration::from_millis(50), idle.as_mut()).await;
    assert!(early.is_err(), "an unread byte was taken for silence");
    server.read_exact(&mut [0]).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), idle).await.expect("silence");
}

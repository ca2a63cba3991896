//! A Redis that follows a script, for tests of whatever uses this client.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Replies to each write on one connection with the next line of the script, then closes. Returns what it received,
/// with a blank for each line break.
pub async fn scripted(script: Vec<String>) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let (listener, address) = listener().await;
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let mut received = Vec::new();
        for reply in script {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.expect("read");
            received.push(String::from_utf8_lossy(&buffer[..count]).replace("\r\n", " "));
            stream.write_all(reply.as_bytes()).await.expect("write");
        }
        received
    });
    (address, task)
}

/// Replies to the first write of each connection with the next line of the script.
pub async fn scripted_connections(script: Vec<String>) -> (SocketAddr, JoinHandle<()>) {
    let (listener, address) = listener().await;
    let task = tokio::spawn(async move {
        for reply in script {
            let (mut stream, _) = listener.accept().await.expect("accept");
            let _ = stream.read(&mut [0; 4096]).await.expect("read");
            // The client hangs up in the middle of a reply that is too large.
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    });
    (address, task)
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind a port");
    let address = listener.local_addr().expect("the port's address");
    (listener, address)
}

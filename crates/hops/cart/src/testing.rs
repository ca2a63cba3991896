//! What the tests of several modules need.

use std::net::SocketAddr;

use hop::http::Exchange;
use hop::stamped::Side;
use hop::{Stamped, Telemetry};
use hyper::HeaderMap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// An exchange that no request began, and where its spans go.
pub(crate) fn exchange() -> (Exchange, Telemetry) {
    let telemetry = Telemetry::memory("cart");
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    let stamps = Stamped::new(tokio::io::empty(), Side::Server, nowhere, nowhere).stamps();
    (Exchange::begin(&telemetry, &HeaderMap::new(), "test".to_owned(), stamps), telemetry)
}

/// A port that the kernel chose.
pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind a port");
    let address = listener.local_addr().expect("ask for the port");
    (listener, address)
}

/// Runs a test on the kind of runtime that the hop has.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("start a runtime")
        .block_on(test)
}

/// A server that answers each request of one connection with the next line of a script, then closes.
/// Hands back what it was asked.
pub(crate) async fn scripted(script: Vec<String>) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
    let (listener, address) = listener().await;
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let mut asked = Vec::new();
        for answer in script {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.expect("read");
            asked.push(String::from_utf8_lossy(&buffer[..count]).replace("\r\n", " "));
            stream.write_all(answer.as_bytes()).await.expect("write");
        }
        asked
    });
    (address, task)
}

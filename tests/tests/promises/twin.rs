//! The broken twin: a shop that says 201 and forgets now and then. The same load and the same checks as on the real
//! one must catch it, to the item.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::check;
use super::load::Load;
use super::stage::{Engines, LIMIT, RestartedBy, Stage};

/// Every so many requests are acknowledged and forgotten.
const FORGOTTEN: usize = 7;

#[tokio::test]
async fn a_shop_that_acknowledges_and_forgets_is_caught() -> anyhow::Result<()> {
    let stage =
        Stage::open(Engines::Defaults, "twin", RestartedBy::Lab).await?.context("the defaults are here")?;
    let listener = TcpListener::bind(hop::listen::own_loopback()).await?;
    let (liar, to) = (listener.local_addr()?, stage.listen("cart-service"));
    let (tell, mut told) = mpsc::unbounded_channel();
    let lying = tokio::spawn(lie(listener, to, tell));
    let users: Vec<String> = (0..5).map(|number| format!("twin-{number}")).collect();
    stage.stock("PROD-T", 1_000).await?;
    let load = Load::start(stage.customers(), liar, 60, users.clone(), vec!["PROD-T".to_owned()]);
    hop::wait::until("some load", LIMIT, async || (load.acknowledged() >= 70).then_some(())).await?;
    let ops = load.finish().await;
    lying.abort();
    stage.settled(&users).await?;
    let (carts, log) = (stage.carts(users.iter().map(String::as_str)).await?, stage.log().await?);
    let log: Vec<_> = log.into_iter().filter(|record| record.cart != "CART-first").collect();
    let mut forgotten = BTreeSet::new();
    while let Ok(trace) = told.try_recv() {
        forgotten.insert(trace);
    }
    ensure!(forgotten.len() >= 70 / FORGOTTEN, "{forgotten:?}");
    let wrong = check::kept_once(&ops, &carts, &log);
    ensure!(wrong.len() == forgotten.len(), "{} forgotten, and found\n{}", forgotten.len(), wrong.join("\n"));
    for trace in &forgotten {
        let found = wrong
            .iter()
            .any(|text| text.starts_with("acknowledged and not published") && text.contains(trace));
        ensure!(found, "{trace} was forgotten, and found\n{}", wrong.join("\n"));
    }
    stage.finish().await;
    Ok(())
}

/// Passes connections on, but for some.
async fn lie(listener: TcpListener, to: SocketAddr, tell: mpsc::UnboundedSender<String>) {
    for number in 1.. {
        let Ok((mut client, _)) = listener.accept().await else { return };
        let tell = tell.clone();
        tokio::spawn(async move {
            if number % FORGOTTEN != 0 {
                let mut server = TcpStream::connect(to).await?;
                return copy_bidirectional(&mut client, &mut server).await.map(drop);
            }
            let mut request = vec![0; 4096];
            let length = client.read(&mut request).await?;
            let request = String::from_utf8_lossy(&request[..length]);
            let trace = request.split("traceparent: 00-").nth(1).and_then(|rest| rest.split('-').next());
            let _ = tell.send(trace.unwrap_or_default().to_owned());
            client.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}").await
        });
    }
}

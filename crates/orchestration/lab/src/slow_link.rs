//! A slow wire, for tests: passes bytes on, and requests later than they came.
//!
//! Delay belongs on the wire, never in a component. Plain threads and blocking sockets, because tokio's
//! timer has steps of a millisecond: a wait here is never shorter than it should be, and 0.1 ms longer.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;

/// How long the response to a datagram may take.
const RESPONSE: Duration = Duration::from_secs(5);

/// A link between two addresses; it ends when it is dropped.
#[derive(Debug)]
pub struct SlowLink {
    listen: SocketAddr,
    wire: Arc<Wire>,
    udp: bool,
}

#[derive(Debug)]
struct Wire {
    to: SocketAddr,
    delay_ns: AtomicU64,
    passed: AtomicU64,
    cut: AtomicBool,
}

impl Wire {
    /// Holds the caller back for the delay that is set now.
    #[allow(clippy::disallowed_methods, reason = "this is the wire's length, not a wait for something")]
    fn pass(&self) {
        self.passed.fetch_add(1, Ordering::Relaxed);
        let delay = self.delay_ns.load(Ordering::Relaxed);
        if delay > 0 {
            std::thread::sleep(Duration::from_nanos(delay));
        }
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }
}

impl SlowLink {
    /// Passes connections to `listen` on to `to`. Port 0 takes a free one.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn tcp(listen: SocketAddr, to: SocketAddr) -> anyhow::Result<SlowLink> {
        let listener = TcpListener::bind(listen).with_context(|| format!("listen on {listen}"))?;
        let link = SlowLink::new(listener.local_addr()?, to, false);
        let wire = Arc::clone(&link.wire);
        std::thread::Builder::new().name("slow-link".into()).spawn(move || {
            for client in listener.incoming() {
                if wire.is_cut() {
                    return;
                }
                if let Ok(client) = client {
                    let _ = connection(client, &wire);
                }
            }
        })?;
        Ok(link)
    }

    /// Passes datagrams to `listen` on to `to`, and the first response to each back.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn udp(listen: SocketAddr, to: SocketAddr) -> anyhow::Result<SlowLink> {
        let socket = UdpSocket::bind(listen).with_context(|| format!("listen on {listen}"))?;
        let link = SlowLink::new(socket.local_addr()?, to, true);
        let wire = Arc::clone(&link.wire);
        std::thread::Builder::new().name("slow-link".into()).spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                if wire.is_cut() {
                    return;
                }
                let (query, wire, back) = (buffer[..length].to_vec(), Arc::clone(&wire), socket.try_clone());
                std::thread::spawn(move || {
                    let _ = back.and_then(|back| datagram(&query, client, &back, &wire));
                });
            }
        })?;
        Ok(link)
    }

    fn new(listen: SocketAddr, to: SocketAddr, udp: bool) -> SlowLink {
        let wire =
            Wire { to, delay_ns: AtomicU64::new(0), passed: AtomicU64::new(0), cut: AtomicBool::new(false) };
        SlowLink { listen, wire: Arc::new(wire), udp }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// How many chunks (or datagrams) came from clients so far.
    pub fn passed(&self) -> u64 {
        self.wire.passed.load(Ordering::Relaxed)
    }

    /// From now on, every chunk from client to server arrives this much later; responses are not delayed.
    pub fn delay(&self, delay: Duration) {
        self.wire.delay_ns.store(delay.as_nanos() as u64, Ordering::Relaxed);
    }
}

impl Drop for SlowLink {
    fn drop(&mut self) {
        self.wire.cut.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts, so that it sees that it is over.
        if self.udp {
            let _ = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(&[], self.listen));
        } else {
            let _ = TcpStream::connect(self.listen);
        }
    }
}

/// One connection: a thread for each direction, which ends when its side closes.
fn connection(client: TcpStream, wire: &Arc<Wire>) -> std::io::Result<()> {
    let server = TcpStream::connect(wire.to)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_back, server_back) = (client.try_clone()?, server.try_clone()?);
    let slow = Arc::clone(wire);
    std::thread::spawn(move || copy(client, server, || slow.pass()));
    std::thread::spawn(move || copy(server_back, client_back, || {}));
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream, pass: impl Fn()) {
    let mut buffer = [0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        pass();
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn datagram(query: &[u8], client: SocketAddr, back: &UdpSocket, wire: &Wire) -> std::io::Result<()> {
    let socket = UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(wire.to)?;
    socket.set_read_timeout(Some(RESPONSE))?;
    wire.pass();
    socket.send(query)?;
    let mut buffer = [0; 65_536];
    let length = socket.recv(&mut buffer)?;
    back.send_to(&buffer[..length], client).map(drop)
}

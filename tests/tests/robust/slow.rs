//! Who is slow holds nobody else up: under each attack, with the settings that everybody has, a customer's POST
//! gets its 201 as if nothing were, and the memory comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hop::{clock, wait};
use hyper::{Method, Request, StatusCode};
use lab::browser::{self, Browser};
use lab::target::Target;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tests::fixture::Fixture;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longer than any of this takes on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(60);
/// What a customer may wait at most, whoever attacks.
const SOON: Duration = Duration::from_secs(1);

/// Someone who wishes the shop no good.
struct Attacker {
    address: SocketAddr,
    name: ServerName<'static>,
    host: String,
    tls: Arc<rustls::ClientConfig>,
    tasks: JoinSet<()>,
}

impl Attacker {
    fn new(lab: &Fixture, target: &Target) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&target.browser.ca).expect("the CA is there")).expect("a CA");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Attacker {
            address: lab.listen("lb"),
            name: target.browser.host.clone().try_into().expect("a name"),
            host: target.browser.host.clone(),
            tls: Arc::new(tls),
            tasks: JoinSet::new(),
        }
    }

    async fn connect(&self, protocol: &str) -> TlsStream<TcpStream> {
        let mut tls = (*self.tls).clone();
        tls.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        let shaken = TlsConnector::from(Arc::new(tls)).connect(self.name.clone(), stream);
        tokio::time::timeout(LIMIT, shaken).await.expect("in time").expect("a handshake")
    }

    /// An HTTP/2 connection whose client gives each stream `window` bytes and answers every PING.
    async fn http2(&mut self, window: u32) -> h2::client::SendRequest<Bytes> {
        let stream = self.connect("h2").await;
        let mut builder = h2::client::Builder::new();
        let (sender, connection) =
            builder.initial_window_size(window).handshake(stream).await.expect("HTTP/2");
        self.tasks.spawn(async move {
            let _ended = connection.await;
        });
        sender.ready().await.expect("ready")
    }

    fn request(&self, method: Method, path: &str) -> Request<()> {
        let uri = format!("https://{}{path}", self.host);
        Request::builder().method(method).uri(uri).body(()).expect("a request")
    }

    /// Asks for `streams` responses on each of `connections` and takes not a byte of them.
    async fn takes_nothing(&mut self, connections: usize, streams: usize) {
        for _ in 0..connections {
            let mut sender = self.http2(0).await;
            for _ in 0..streams {
                let request = self.request(Method::GET, "/nosuch");
                let (response, _) = sender.send_request(request, true).expect("a stream");
                sender = sender.ready().await.expect("ready");
                self.tasks.spawn(async move {
                    // The head comes; the body stays where it is, and so does the stream.
                    let _body = response.await;
                    std::future::pending::<()>().await;
                });
            }
        }
    }

    /// Begins `streams` bodies on each of `connections` and never goes on.
    async fn sends_no_more(&mut self, connections: usize, streams: usize) {
        for _ in 0..connections {
            let mut sender = self.http2(65_535).await;
            for _ in 0..streams {
                let mut request = self.request(Method::POST, "/cart/items");
                request.headers_mut().insert("content-type", "application/json".parse().expect("a value"));
                let (response, mut body) = sender.send_request(request, false).expect("a stream");
                body.send_data(Bytes::from_static(b"{"), false).expect("a byte");
                sender = sender.ready().await.expect("ready");
                self.tasks.spawn(async move {
                    let _answer = (response.await, body);
                    std::future::pending::<()>().await;
                });
            }
        }
    }

    /// Opens `connections`, says this, and nothing more.
    async fn says(&mut self, protocol: &str, connections: usize, bytes: &'static [u8]) {
        for _ in 0..connections {
            let mut stream = self.connect(protocol).await;
            stream.write_all(bytes).await.expect("written");
            self.tasks.spawn(async move {
                let _held = stream;
                std::future::pending::<()>().await;
            });
        }
    }

    async fn stop(&mut self) {
        self.tasks.shutdown().await;
    }
}

/// Resident memory of a process, in KiB (proc_pid_status(5)).
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// A customer who comes now gets the item into the cart, and soon.
async fn customer(target: &Target, attack: &str) {
    let mut times = Vec::new();
    for _ in 0..5 {
        let mut browser = Browser::new(target.browser.clone()).expect("the CA is there");
        let begun = clock::monotonic();
        let sent =
            tokio::time::timeout(LIMIT, browser.send(&browser::Request::add_item("PROD-123", 1))).await;
        let answer = sent.unwrap_or_else(|_| panic!("{attack}: no answer")).expect("an answer");
        let body = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, StatusCode::CREATED, "{attack}: {body}");
        times.push(clock::since(begun));
    }
    times.sort();
    eprintln!("{attack}: 201 after {times:?}");
    // The middle one: a busy machine may hold up one or the other.
    assert!(times[2] < SOON, "{attack}: {times:?}");
}

const HALF_A_HEAD: &[u8] = b"POST /cart/items HTTP/1.1\r\nhost: api.myshop.com\r\nx-slow: ";
/// The preface, empty SETTINGS, and HEADERS without END_HEADERS (RFC 9113 §3.4, §6.2, §6.5).
const HALF_HEADERS: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\x82";
/// The preface and empty SETTINGS.
const NOTHING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn a_customer_is_served_whoever_is_slow() {
    let lab = Fixture::start("slow").await.expect("start the lab");
    let target = lab.target().expect("what to measure");
    customer(&target, "nobody").await;
    let lb = lab.pid("lb").expect("it runs");
    let before = resident(lb);

    let mut attacker = Attacker::new(&lab, &target);
    for attack in ["takes no byte", "sends no byte more", "half a head", "half of HEADERS", "nothing at all"]
    {
        match attack {
            "takes no byte" => attacker.takes_nothing(33, 126).await,
            "sends no byte more" => attacker.sends_no_more(16, 120).await,
            "half a head" => attacker.says("http/1.1", 300, HALF_A_HEAD).await,
            "half of HEADERS" => attacker.says("h2", 300, HALF_HEADERS).await,
            _ => attacker.says("h2", 300, NOTHING).await,
        }
        customer(&target, attack).await;
        let during = resident(lb);
        attacker.stop().await;
        let limit = before + (32 << 10);
        let mut after = resident(lb);
        let back = wait::until("the memory to come back", LIMIT, async || {
            after = resident(lb);
            (after < limit).then_some(())
        });
        let back = back.await;
        eprintln!("{attack}: {before} KiB before, {during} during, {after} after");
        back.unwrap_or_else(|error| panic!("{attack}: {error}; {before} KiB before, {after} after"));
    }
    lab.finish().await;
}

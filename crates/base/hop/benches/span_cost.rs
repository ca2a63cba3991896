//! What does measuring cost? CPU time per request of one HTTP hop: without telemetry, with telemetry but
//! the request unsampled, and sampled.
//!
//! `cargo bench -p hop`. Client, server and collector run in this process on one thread; the client is the
//! same in all three rows, so the differences between rows are the hop's. The sampled row includes
//! encoding the spans and sending them to a collector that throws them away (and its work, too).

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hop::http::client::ClientLimits;
use hop::http::server::{Limits, Protocol, Server};
use hop::http::{Body, Client, full};
use hop::{CancellationToken, Common, Hop, Stamped, Telemetry};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Rounds are interleaved, so that a machine that gets slower does so for all rows.
const ROUNDS: usize = 21;
const REQUESTS: usize = 3_000;
const PARENT: &str = "00-0123456789abcdef0123456789abcdef-0123456789abcdef";

/// A hop that answers, or one that passes on to it.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Server,
    Proxy,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("start the runtime").block_on(run());
}

async fn run() {
    let collector = collector().await;
    print_line(&format!(
        "CPU per request in µs, {ROUNDS} × {REQUESTS} requests, medians (client and kernel included)\n"
    ));
    print_line("hop                    off  unsampled    sampled  | unsampled − off  sampled − off");
    for (name, shape) in [("server", Shape::Server), ("server + client", Shape::Proxy)] {
        let on = || exporting(collector);
        let mut rows = [
            Row::start(shape, Telemetry::off(), "01").await,
            Row::start(shape, on(), "00").await,
            Row::start(shape, on(), "01").await,
        ];
        for round in 0..=ROUNDS {
            for row in &mut rows {
                row.round(round > 0).await;
            }
        }
        let [off, unsampled, sampled] = rows.map(Row::median);
        print_line(&format!(
            "{name:<16} {off:>9.2}  {unsampled:>9.2}  {sampled:>9.2}  | {:>15.2}  {:>13.2}",
            unsampled - off,
            sampled - off
        ));
    }
}

/// One measured configuration with its own connection.
struct Row {
    sender: SendRequest<Empty<Bytes>>,
    traceparent: String,
    telemetry: Telemetry,
    micros: Vec<f64>,
}

impl Row {
    async fn start(shape: Shape, telemetry: Telemetry, flags: &str) -> Self {
        // The next hop's own cost is the same in all rows: it records nothing.
        let next = serve(Telemetry::off(), |_| async { Response::new(full("ok")) }).await;
        let address = match shape {
            Shape::Server => serve(telemetry.clone(), |_| async { Response::new(full("ok")) }).await,
            Shape::Proxy => {
                let client = Client::new(ClientLimits::default());
                let pass_on = move |request: Request<_>| {
                    let client = client.clone();
                    async move { pass_on(&client, next, request).await }
                };
                serve(telemetry.clone(), pass_on).await
            }
        };
        let stream = TcpStream::connect(address).await.expect("connect");
        stream.set_nodelay(true).expect("set an option");
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.expect("begin HTTP");
        tokio::spawn(driver);
        Row { sender, traceparent: format!("{PARENT}-{flags}"), telemetry, micros: Vec::new() }
    }

    async fn round(&mut self, counts: bool) {
        let before = cpu_time();
        for _ in 0..REQUESTS {
            let request = Request::get("/stock/PROD-123?x=1")
                .header("host", "shop.test")
                .header("traceparent", &self.traceparent)
                .body(Empty::new())
                .expect("a request");
            self.sender.ready().await.expect("ready");
            let response = self.sender.send_request(request).await.expect("a response");
            response.into_body().collect().await.expect("a body");
        }
        self.telemetry.flush().await;
        if counts {
            self.micros.push((cpu_time() - before).as_secs_f64() * 1e6 / REQUESTS as f64);
        }
    }

    fn median(mut self) -> f64 {
        assert_eq!(self.telemetry.lost(), 0, "the collector kept up");
        self.micros.sort_by(f64::total_cmp);
        self.micros[self.micros.len() / 2]
    }
}

async fn pass_on(
    client: &Client,
    next: SocketAddr,
    request: Request<hop::http::server::RequestBody>,
) -> Response<Body> {
    let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
    client.send(next, request).await.unwrap_or_else(|error| error.problem().into_response())
}

async fn serve<H, R>(telemetry: Telemetry, handler: H) -> SocketAddr
where
    H: Fn(Request<hop::http::server::RequestBody>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let hop = Hop::for_tests("cart-pod-def34", telemetry, CancellationToken::new());
    let server = Server::new(&hop, Limits::default(), handler);
    let listener = hop::listen::tcp(SocketAddr::from(([127, 0, 0, 1], 0))).expect("listen");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        hop::accept::run(listener, 64, &hop.shutdown, Duration::ZERO, |stream: Stamped<TcpStream>, stop| {
            let stamps = stream.stamps();
            server.clone().serve(stream, Protocol::Http1, stamps, stop)
        })
        .await;
    });
    address
}

fn exporting(collector: SocketAddr) -> Telemetry {
    let common = Common {
        name: None,
        admin: None,
        admin_secret_file: None,
        otlp_endpoint: Some(format!("http://{collector}")),
        local_networks: vec!["127.0.0.0/8".parse().unwrap()],
        sampler: "parentbased_always_on".to_owned(),
        sampler_arg: None,
        flight_recorder: 0,
        schedule_delay_ms: 200,
        tcp_nodelay: true,
        drain_seconds: 0,
    };
    Telemetry::from_settings("cart-pod-def34", &common).expect("telemetry")
}

/// Accepts spans and throws them away.
async fn collector() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: Request<hyper::body::Incoming>| async move {
                let mut body = request.into_body();
                while let Some(frame) = body.frame().await {
                    frame?;
                }
                Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new()))
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// What this process has used so far, in user and in kernel mode.
fn cpu_time() -> Duration {
    let clock = libc::CLOCK_PROCESS_CPUTIME_ID;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills in a struct that is ours.
    #[allow(unsafe_code, reason = "std has no clock of CPU time")]
    let outcome = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(outcome, 0, "CLOCK_PROCESS_CPUTIME_ID exists");
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn print_line(line: &str) {
    use std::io::Write as _;
    let _closed = writeln!(std::io::stdout(), "{line}");
}

//! One connection from its accept to its end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hop::stamped::Handshake;
use hop::telemetry::{Passed, Recorder};
use hop::{CancellationToken, Hop, Stamped, clock};
use tokio::net::TcpListener;

use crate::admin::{self, Metrics};
use crate::config::Settings;
use crate::drain;
use crate::endpoints::{Chosen, Endpoints};
use crate::idle_timeout::{IdleTimeout, Timeouts};
use crate::proxy::{Broken, Proxy, abort};

/// Serves until the hop is told to stop, then gives open connections `hop.drain` to end.
///
/// Each is closed when it is idle (see `drain.rs`); what is left when the time is up is cut off.
///
/// # Errors
/// The Service is its own endpoint.
pub async fn run(listener: TcpListener, settings: Settings, hop: Hop) -> anyhow::Result<()> {
    let own = listener.local_addr().context("find out the listener's address")?;
    let endpoints = Endpoints::new(own, settings.balance(), settings.endpoints.0.clone())
        .map_err(|error| anyhow::Error::new(hop::start::Misuse(error.to_string())))
        .context("read ENDPOINTS")?;
    let metrics = Metrics::default();
    admin::routes(&hop, &endpoints, &metrics);
    let service = Arc::new(Service {
        endpoints,
        metrics,
        recorder: hop.telemetry.recorder(),
        connect_timeout: settings.connect_timeout,
        timeouts: settings.timeouts(),
        drain: hop.drain,
    });
    let cut = hop::CancellationToken::new();
    let _cut_when_drained = cut.clone().drop_guard();
    hop.ready();
    hop::accept::run(listener, settings.max_connections, &hop.shutdown, hop.drain, |client, finish| {
        let (service, cut) = (Arc::clone(&service), cut.clone());
        async move {
            tokio::select! {
                () = service.serve(client, finish) => {}
                () = cut.cancelled() => {}
            }
        }
    })
    .await;
    Ok(())
}

struct Service {
    endpoints: Arc<Endpoints>,
    metrics: Metrics,
    recorder: Recorder<Passed>,
    connect_timeout: Duration,
    timeouts: Timeouts,
    drain: Duration,
}

/// Why no endpoint could be connected to, in the words of whose fault it is.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("the endpoint's fault: {0} refused; its pod is gone or does not listen yet")]
    Refused(SocketAddr),
    #[error("the endpoint's fault: {0} did not accept within {1:?}")]
    Late(SocketAddr, Duration),
    #[error("the endpoint's fault: connect to {0}: {1}")]
    Unreachable(SocketAddr, io::Error),
    #[error(
        "this program's fault: connect to {0}: {1}; raise `ulimit -n` or lower MAX_CONNECTIONS (two descriptors per connection)"
    )]
    NoResources(SocketAddr, io::Error),
}

impl ConnectError {
    fn new(to: SocketAddr, error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ECONNREFUSED) => ConnectError::Refused(to),
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EADDRNOTAVAIL) => {
                ConnectError::NoResources(to, error)
            }
            _ => ConnectError::Unreachable(to, error),
        }
    }

    /// OpenTelemetry's `error.type`, and the metric's label.
    fn kind(&self) -> &'static str {
        match self {
            ConnectError::Refused(_) => "connection_refused",
            ConnectError::Late(..) => "timeout",
            ConnectError::Unreachable(..) => "unreachable",
            ConnectError::NoResources(..) => "no_resources",
        }
    }
}

impl Service {
    /// The one decision, then the proxy. Whatever goes wrong, the client's connection ends with RST:
    /// at layer 4 there is no other way to say no.
    async fn serve(&self, mut client: Stamped, finish: CancellationToken) {
        let peer = client.stamps().flow().client;
        let Some(chosen) = self.endpoints.choose(peer.ip(), clock::monotonic()) else {
            // kube-proxy has a REJECT rule for this: the client's connect() itself fails. Here the
            // kernel has already shaken hands when it is our turn, so it sees a reset right after.
            hop::warn_throttled!(client = %peer, "connection refused: no ready endpoint (not the client's fault: no pod is ready)");
            self.metrics.failed("no_endpoint");
            return abort(&client);
        };
        self.metrics.opened();
        let connected = self.connect(&chosen).await;
        self.record_choice(&client, &chosen, &connected);
        match connected {
            Ok((mut endpoint, _)) => {
                let ends = (client.stamps(), endpoint.stamps());
                let idle = || drain::idle(finish.clone(), self.drain, ends.0.clone(), ends.1.clone());
                let idle_timeout = IdleTimeout::new(client.stamps(), endpoint.stamps(), self.timeouts);
                let proxy = Proxy { recorder: &self.recorder, idle_timeout: &idle_timeout };
                let ended = tokio::select! {
                    ended = proxy.run(&mut client, &mut endpoint, idle) => ended,
                    limit = idle_timeout.passed() => {
                        let source = io::Error::new(io::ErrorKind::TimedOut, format!("no byte for {limit:?}"));
                        Err(Broken { by: "silence", source })
                    }
                };
                let said =
                    ended.as_ref().map_or_else(ToString::to_string, |()| "connection ended".to_owned());
                let cause = ended.err().map(|broken| broken.source.to_string());
                tracing::debug!(client = %peer, endpoint = %chosen.address, cause, "{said}");
            }
            Err(error) => {
                // A real Service does not try another endpoint either: the kernel's rule was applied to
                // the first packet, and nobody watches what comes back. Trying again is for those who
                // know what the connection is for: the client, or a layer-7 proxy in front.
                hop::warn_throttled!(client = %peer, "connection reset: {error}");
                self.metrics.failed(error.kind());
                abort(&client);
            }
        }
        self.metrics.closed();
    }

    async fn connect(&self, chosen: &Chosen) -> Result<(Stamped, Handshake), ConnectError> {
        match tokio::time::timeout(self.connect_timeout, Stamped::connect_timed(chosen.address)).await {
            Ok(connected) => connected.map_err(|error| ConnectError::new(chosen.address, error)),
            Err(_) => Err(ConnectError::Late(chosen.address, self.connect_timeout)),
        }
    }

    /// Who came, where it was sent, and how long that took.
    fn record_choice(
        &self,
        client: &Stamped,
        chosen: &Chosen,
        connected: &Result<(Stamped, Handshake), ConnectError>,
    ) {
        if !self.recorder.enabled() {
            return;
        }
        let (outcome, end) = match connected {
            Ok((endpoint, handshake)) => (Ok((endpoint.stamps().ends(), *handshake)), handshake.done),
            Err(error) => (Err(error.kind()), clock::now()),
        };
        let (client, endpoint) = (client.stamps().ends(), chosen.address);
        let policy = self.endpoints.mode().as_str();
        self.recorder.record(Passed::Connected { client, endpoint, policy, outcome, end });
    }
}

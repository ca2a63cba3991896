use std::io::Write;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing_subscriber::fmt::{MakeWriter, format};

use super::*;

/// How many bad frames are sent.
const MANY: usize = 500;

#[test]
fn one_line_a_second_passes_and_says_how_many_did_not() {
    let throttle = Throttle::new();
    let begun = clock::monotonic();
    let at = |milliseconds| begun + Duration::from_millis(milliseconds);
    assert_eq!(throttle.pass_at(at(0)), Some(0));
    for _ in 0..1000 {
        assert_eq!(throttle.pass_at(at(999)), None);
    }
    assert_eq!(throttle.pass_at(at(1000)), Some(1000));
    assert_eq!(throttle.pass_at(at(1500)), None);
    assert_eq!(throttle.pass_at(at(10_000)), Some(1));
    assert_eq!(throttle.pass_at(at(11_000)), Some(0));
}

#[test]
fn each_place_in_the_code_has_a_throttle_of_its_own() {
    let lines = logged(Format::new(format::Format::default()), || {
        for peer in 0..MANY {
            crate::warn_throttled!(peer, "sent nonsense");
            crate::error_throttled!(peer, "sent more of it");
        }
    });
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(lines.contains("WARN") && lines.contains("sent nonsense peer=0"), "{lines}");
    assert!(lines.contains("ERROR") && lines.contains("sent more of it peer=0"), "{lines}");
}

#[test]
fn what_only_the_operator_causes_is_always_said() {
    let lines = logged(Format::new(format::Format::default()), || {
        for upstream in 0..10 {
            tracing::warn!(upstream, "taken out");
        }
    });
    assert_eq!(lines.lines().count(), 10, "{lines}");
}

/// A peer that acknowledges pings that were never sent: `h2` warns of each.
#[test]
fn a_crate_that_warns_of_each_bad_frame_is_throttled() {
    let loud = logged(format::Format::default(), || runtime().block_on(bad_pings()));
    assert_eq!(loud.lines().count(), MANY, "the usual format says all: {loud}");
    let lines = logged(Format::new(format::Format::default()), || runtime().block_on(bad_pings()));
    // More than one on a machine that took seconds for it.
    assert!((1..=5).contains(&lines.lines().count()), "{lines}");
    assert!(lines.contains("PING"), "{lines}");
}

#[test]
fn the_number_left_out_ends_the_line() {
    let lines =
        logged(AfterSeven(Format::new(format::Format::default())), || runtime().block_on(bad_pings()));
    assert!(lines.lines().last().is_some_and(|line| line.ends_with(" suppressed=7")), "{lines}");
}

/// Makes the throttle of each line one that has left out seven, long ago.
struct AfterSeven(Format<format::Format>);

impl<S, N> FormatEvent<S, N> for AfterSeven
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let past = Throttle(Mutex::new(State { passed: None, suppressed: 7 }));
        self.0.foreign.lock().insert(event.metadata().callsite(), past);
        self.0.format_event(context, writer, event)
    }
}

/// An HTTP/2 connection (RFC 9113 §3.4, §6.5, §6.7) whose client sends [`MANY`] acknowledgements of nothing.
async fn bad_pings() {
    let (mut client, server) = tokio::io::duplex(64 << 10);
    let service =
        service_fn(|_| async { Err::<hyper::Response<String>, _>(std::io::Error::other("none comes")) });
    let serving = tokio::spawn(
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(server), service),
    );
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for _ in 0..MANY {
        bytes.extend(b"\0\0\x08\x06\x01\0\0\0\0nothing.");
    }
    client.write_all(&bytes).await.expect("the server reads");
    client.shutdown().await.expect("the server reads to the end");
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest).await;
    let _ = serving.await.expect("no panic");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("start a runtime")
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

/// What is logged in this format while something is done.
fn logged<F>(format: F, what: impl FnOnce()) -> String
where
    F: FormatEvent<tracing_subscriber::Registry, format::DefaultFields> + Send + Sync + 'static,
{
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::INFO)
        .with_writer(lines.clone())
        .with_ansi(false)
        .event_format(format)
        .finish();
    tracing::subscriber::with_default(subscriber, what);
    let lines = lines.0.lock().clone();
    String::from_utf8(lines).expect("UTF-8")
}

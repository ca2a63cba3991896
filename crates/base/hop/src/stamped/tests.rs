use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use journey::{Direction, Event};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

#[tokio::test]
async fn the_kernel_knows_of_an_end_that_nobody_has_read() {
    let listener = crate::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let ours = Stamped::connect(listener.local_addr().unwrap()).await.unwrap();
    let (theirs, _) = listener.accept().await.unwrap();
    let stamps = ours.stamps();
    assert!(!stamps.is_unusable_for_a_request());
    drop(theirs);
    let known = crate::wait::until("the end", std::time::Duration::from_secs(20), async || {
        stamps.is_unusable_for_a_request().then_some(())
    });
    known.await.unwrap();
    drop(ours);
    assert!(stamps.is_unusable_for_a_request());
}

#[tokio::test]
async fn a_handshake_is_a_round_trip_within_what_the_program_does() {
    let listener = crate::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let (_stream, handshake) = Stamped::connect_timed(listener.local_addr().unwrap()).await.unwrap();
    let Handshake { begun, called, round_trip, woken, done } = handshake;
    let round_trip = round_trip.expect("the kernel's figure");
    // The kernel counts microseconds.
    assert!(begun <= called && round_trip > 0 && called + round_trip <= done + 1_000, "{handshake:?}");
    assert!(woken.is_none_or(|woken| called < woken && woken <= done), "{handshake:?}");

    // Nobody listens: as the usual connect says it.
    let address = listener.local_addr().unwrap();
    drop(listener);
    let refused = Stamped::connect_timed(address).await.err().expect("nobody listens");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

fn pair() -> (Stamped<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(1024);
    let (client, server) = ("127.0.0.1:1000".parse().unwrap(), "127.0.0.2:80".parse().unwrap());
    (Stamped::new(ours, Side::Server, client, server), theirs)
}

#[tokio::test]
async fn counts_bytes_both_ways_and_stamps_them_in_order() {
    let (mut ours, mut theirs) = pair();
    let stamps = ours.stamps();
    theirs.write_all(b"hello").await.unwrap();
    let mut buffer = [0; 16];
    assert_eq!(ours.read(&mut buffer).await.unwrap(), 5);
    let read = stamps.last_read();
    ours.write_all(b"hi").await.unwrap();
    let written = stamps.last_write();
    assert_eq!((read.offset, written.offset), (5, 2));
    assert!(written.at >= read.at && read.at >= stamps.opened());
    let told: Vec<_> = stamps.read_stamps(read).map(|stamp| (stamp.direction, stamp.event)).collect();
    assert_eq!(told, [(Direction::Request, Event::Wake)], "no kernel saw these bytes");
    assert_eq!(stamps.write_stamp(written).event, Event::Tx);
}

#[tokio::test]
async fn a_turn_is_a_read_after_a_write() {
    let (mut ours, mut theirs) = pair();
    let stamps = ours.stamps();
    let mut buffer = [0; 16];
    theirs.write_all(b"unasked").await.unwrap();
    ours.read_exact(&mut buffer[..7]).await.unwrap();
    assert_eq!(stamps.turns(), 0, "nobody waited for it");
    ours.write_all(b"a question").await.unwrap();
    ours.write_all(b" in two pieces").await.unwrap();
    assert_eq!(stamps.turns(), 0);
    theirs.write_all(b"an answer").await.unwrap();
    for _ in 0..3 {
        ours.read_exact(&mut buffer[..3]).await.unwrap();
    }
    assert_eq!(stamps.turns(), 1, "in three pieces");
    ours.write_all(b"again").await.unwrap();
    theirs.write_all(b"yes").await.unwrap();
    ours.read_exact(&mut buffer[..3]).await.unwrap();
    assert_eq!(stamps.turns(), 2);
}

#[tokio::test]
async fn after_flush_sees_the_bytes_written_after_it_was_asked() {
    let (mut ours, _theirs) = pair();
    let seen = Arc::new(AtomicU64::new(0));
    let sink = Arc::clone(&seen);
    ours.write_all(b"head").await.unwrap();
    ours.stamps().after_flush(move |mark| sink.store(mark.offset, Ordering::Relaxed));
    ours.flush().await.unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 0, "nothing was written since");
    ours.write_all(b"body").await.unwrap();
    ours.flush().await.unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 8);
}

#[tokio::test]
async fn after_flush_never_gets_lost() {
    let (ours, _theirs) = pair();
    let seen = Arc::new(AtomicU64::new(u64::MAX));
    let sink = Arc::clone(&seen);
    ours.stamps().after_flush(move |mark| sink.store(mark.offset, Ordering::Relaxed));
    drop(ours);
    assert_eq!(seen.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_body_that_flow_control_holds_back_is_stamped_at_its_end() {
    let (mut ours, _theirs) = pair();
    let seen = Arc::new(AtomicU64::new(0));
    let sink = Arc::clone(&seen);
    ours.stamps().after_flush_of(10, move |mark| sink.store(mark.offset, Ordering::Relaxed));
    for (bytes, expected) in [(&b"first"[..], 0), (b"second", 11), (b"third", 11)] {
        ours.write_all(bytes).await.unwrap();
        ours.flush().await.unwrap();
        assert_eq!(seen.load(Ordering::Relaxed), expected);
    }
}

#[tokio::test]
async fn after_flush_of_a_socket_that_is_gone_is_called_at_once() {
    let (mut ours, _theirs) = pair();
    ours.write_all(b"all").await.unwrap();
    let stamps = ours.stamps();
    drop(ours);
    let seen = Arc::new(AtomicU64::new(0));
    let sink = Arc::clone(&seen);
    stamps.after_flush(move |mark| sink.store(mark.offset, Ordering::Relaxed));
    assert_eq!(seen.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn vectored_writes_count_as_one_and_a_refused_write_does_not_count() {
    let (mut ours, mut theirs) = pair();
    let slices = [std::io::IoSlice::new(b"ab"), std::io::IoSlice::new(b"cde")];
    let count =
        std::future::poll_fn(|context| Pin::new(&mut ours).poll_write_vectored(context, &slices)).await;
    let count = count.unwrap();
    assert_eq!(ours.stamps().last_write().offset, count as u64);
    let mut buffer = vec![0; count];
    theirs.read_exact(&mut buffer).await.unwrap();
    drop(theirs);
    ours.write_all(b"nobody reads this").await.unwrap_err();
    assert_eq!(ours.stamps().last_write().offset, count as u64);
}

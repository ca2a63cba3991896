use hyper::HeaderMap;
use tokio::sync::oneshot;

use super::*;
use crate::http::forward::trailers;
use crate::http::full;

/// Says when it is let go.
struct Held(Option<oneshot::Sender<()>>);

impl Drop for Held {
    fn drop(&mut self) {
        let _nobody_waits = self.0.take().map(|sender| sender.send(()));
    }
}

fn held() -> (Held, oneshot::Receiver<()>) {
    let (sender, receiver) = oneshot::channel();
    (Held(Some(sender)), receiver)
}

/// So many pieces of 10 KB, without a length.
fn pieces(count: usize) -> Body {
    let pieces = std::iter::repeat_n(Bytes::from_static(&[7; 10_000]), count);
    let frames = pieces.map(|piece| Ok::<_, BoxError>(Frame::data(piece)));
    Frames(frames.collect()).boxed_unsync()
}

struct Frames(VecDeque<Result<Frame<Bytes>, BoxError>>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.pop_front())
    }
}

const PACE: MinRate = MinRate { stall: Duration::from_millis(200), rate: 1_000_000 };

#[tokio::test]
async fn a_small_response_holds_nothing_although_nobody_reads_it() {
    let (held, freed) = held();
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    let body = full("small").with_trailers(std::future::ready(Some(Ok(trailers)))).boxed_unsync();
    let reader = read_ahead(body, PACE, Contested::default(), held).await;
    freed.await.unwrap();
    let read = reader.collect().await.unwrap();
    assert_eq!(read.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(read.to_bytes(), "small");
}

#[tokio::test]
async fn a_short_body_is_there_with_its_head() {
    let (held, mut freed) = held();
    // As proxies pass it on.
    let body = trailers::pass(full("short"), true);
    let reader = read_ahead(body, PACE, Contested::default(), held).await;
    freed.try_recv().expect("read to its end before the head can leave");
    assert_eq!(reader.collect().await.unwrap().to_bytes(), "short");
}

#[tokio::test]
async fn a_large_response_arrives_whole_and_frees_what_it_holds_when_nobody_takes_it() {
    let (holds, freed) = held();
    let reader = read_ahead(pieces(100), PACE, Contested::default(), holds).await;
    assert_eq!(reader.collect().await.unwrap().to_bytes().len(), 1_000_000);
    freed.await.unwrap();

    let (holds, freed) = held();
    let reader = read_ahead(pieces(100), PACE, Contested::default(), holds).await;
    freed.await.unwrap();
    assert!(reader.collect().await.unwrap_err().to_string().contains("takes nothing"));

    let (holds, freed) = held();
    drop(read_ahead(pieces(100), MinRate::default(), Contested::default(), holds).await);
    freed.await.unwrap();
}

#[tokio::test]
async fn whoever_takes_nothing_gives_way_when_others_wait() {
    let (holds, mut freed) = held();
    let contested = Contested::default();
    let _reader = read_ahead(pieces(100), MinRate::default(), Arc::clone(&contested), holds).await;
    let begun = clock::monotonic();
    crate::wait::until("the place to be free", MinRate::default().stall / 2, async || {
        contested.notify_waiters();
        freed.try_recv().ok()
    })
    .await
    .unwrap();
    assert!(clock::since(begun) >= GIVES_WAY);
}

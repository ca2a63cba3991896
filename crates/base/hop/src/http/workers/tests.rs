use tokio::sync::oneshot;

use super::*;
use crate::{Telemetry, wait};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn one_works_one_waits_and_the_third_is_refused() {
    let workers = Arc::new(Workers::new(1, 1));
    let mut gates = Vec::new();
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let (open, gate) = oneshot::channel::<()>();
        let workers = Arc::clone(&workers);
        gates.push(open);
        tasks.push(tokio::spawn(async move {
            let work = async move { gate.await.map_err(|_| unreachable!()) };
            workers.run::<_, ()>(work).await
        }));
    }
    wait::until("both to be inside", LIMIT, async || (workers.inside.available_permits() == 0).then_some(()))
        .await
        .expect("two fit");
    let refused = workers.run::<_, ()>(async { Ok(()) }).await.expect_err("no room");
    assert_eq!(refused.status, 503);
    assert_eq!(refused.into_response().headers()["retry-after"], "1");

    gates.into_iter().for_each(|open| open.send(()).expect("someone waits"));
    for task in tasks {
        assert!(task.await.expect("no panic").is_ok());
    }
    assert!(workers.run(async { Ok(()) }).await.is_ok(), "there is room again");
}

#[tokio::test]
async fn every_request_shows_its_wait() {
    let telemetry = Telemetry::memory("cart");
    let workers = Workers::new(1, 0);
    let work = workers.run(async {
        drop(Exchange::current().internal("validate"));
        Ok(())
    });
    assert!(Exchange::for_tests(&telemetry).scope(work).await.is_ok());
    let spans = telemetry.take();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["queue", "validate"], "and the worker works for the same exchange");
}

#[tokio::test]
async fn work_that_has_begun_is_finished_without_its_caller() {
    let workers = Workers::new(1, 0);
    let (open, gate) = oneshot::channel::<()>();
    let (done, finished) = oneshot::channel();
    let work = async move {
        let _ = gate.await;
        let _ = done.send(());
        Ok(())
    };
    // The caller is gone at its first wait.
    let called = tokio::time::timeout(Duration::ZERO, workers.run(work)).await;
    assert!(called.is_err());
    open.send(()).expect("the work still waits");
    workers.finish(LIMIT).await;
    finished.await.expect("the work went on to its end");
}

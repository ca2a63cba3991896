use std::sync::Arc;
use std::time::Duration;

use hop::wait;
use tokio::sync::oneshot;

use super::Workers;
use crate::refusal::Refusal;
use crate::testing::{exchange, run};

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn one_works_one_waits_and_the_third_is_refused() {
    run(async {
        let workers = Arc::new(Workers::new(1, 1));
        let mut gates = Vec::new();
        let mut tasks = Vec::new();
        for _ in 0..2 {
            let (open, gate) = oneshot::channel::<()>();
            let workers = Arc::clone(&workers);
            gates.push(open);
            tasks.push(tokio::spawn(async move {
                let work = async move { gate.await.map_err(|_| unreachable!()) };
                workers.run::<_, ()>(&exchange().0, work).await
            }));
        }
        wait::until("both to be inside", LIMIT, async || {
            (workers.inside.available_permits() == 0).then_some(())
        })
        .await
        .expect("two fit");
        let refused = workers.run::<_, ()>(&exchange().0, async { Ok(()) }).await.expect_err("no room");
        assert_eq!(refused.problem.status, 503);
        assert_eq!(refused.into_response("cart").headers()["retry-after"], "1");

        gates.into_iter().for_each(|open| open.send(()).expect("someone waits"));
        for task in tasks {
            assert!(task.await.expect("no panic").is_ok());
        }
        assert!(workers.run(&exchange().0, async { Ok(()) }).await.is_ok(), "there is room again");
    });
}

#[test]
fn every_request_shows_its_wait() {
    run(async {
        let (exchange, telemetry) = exchange();
        assert!(Workers::new(1, 0).run(&exchange, async { Ok::<_, Refusal>(()) }).await.is_ok());
        let spans = telemetry.take();
        assert_eq!(spans.iter().map(|span| span.name.as_ref()).collect::<Vec<_>>(), ["queue"]);
    });
}

#[test]
fn work_that_has_begun_is_finished_without_its_caller() {
    run(async {
        let workers = Workers::new(1, 0);
        let (open, gate) = oneshot::channel::<()>();
        let (done, finished) = oneshot::channel();
        let work = async move {
            let _ = gate.await;
            let _ = done.send(());
            Ok::<_, Refusal>(())
        };
        // The caller is gone at its first wait.
        let exchange = exchange().0;
        let called = tokio::time::timeout(Duration::ZERO, workers.run(&exchange, work)).await;
        assert!(called.is_err());
        open.send(()).expect("the work still waits");
        workers.finish(LIMIT).await;
        finished.await.expect("the work went on to its end");
    });
}

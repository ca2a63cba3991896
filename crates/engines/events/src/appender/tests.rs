use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Append, Appended, Appender, Command, Failed, commit, is_full, run};
use crate::batch::Batch;
use crate::partition::{Partition, Rejected};
use crate::retention::Retention;
use crate::testing::{Sent, batch};

fn partition(folder: &tempfile::TempDir, name: &str) -> Arc<Partition> {
    let folder = folder.path().join(name);
    std::fs::create_dir(&folder).expect("a folder");
    Arc::new(Partition::create(&folder, &folder, Retention::default()).expect("create"))
}

fn request(batches: Vec<(Arc<Partition>, Batch)>) -> (Append, oneshot::Receiver<Appended>) {
    let (done, outcome) = oneshot::channel();
    (Append { batches, queued: 1, done }, outcome)
}

fn sound(sent: Sent<'_>) -> Batch {
    Batch::check(sent.bytes()).expect("a sound batch")
}

#[test]
fn a_group_is_answered_batch_by_batch() {
    let folder = tempfile::tempdir().expect("a folder");
    let (left, right) = (partition(&folder, "left"), partition(&folder, "right"));
    let numbered = |sequence| sound(Sent { producer: 5, epoch: 0, sequence, ..Sent::default() });
    let (first, mut first_outcome) =
        request(vec![(Arc::clone(&left), numbered(0)), (Arc::clone(&right), numbered(0))]);
    let (second, mut second_outcome) = request(vec![
        (Arc::clone(&left), numbered(1)),
        (Arc::clone(&left), numbered(0)),
        (Arc::clone(&right), numbered(7)),
    ]);
    commit(&mut vec![first, second]).expect("commit");
    let first = first_outcome.try_recv().expect("answered");
    assert_eq!(first.outcomes, [Ok(0), Ok(0)]);
    assert!(first.times.taken <= first.times.written && first.times.written <= first.times.synced);
    let second = second_outcome.try_recv().expect("answered");
    assert_eq!(second.outcomes, [Ok(1), Ok(0), Err(Failed::Rejected(Rejected::OutOfOrder))]);
    assert_eq!((left.offsets().end, right.offsets().end), (2, 1));
}

#[test]
fn stopping_finishes_what_was_handed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = partition(&folder, "log");
    let (sender, receiver) = tokio::sync::mpsc::channel(8);
    let (append, mut outcome) = request(vec![(Arc::clone(&log), sound(Sent::default()))]);
    sender.try_send(Command::Append(append)).expect("room");
    sender.try_send(Command::Stop).expect("room");
    run(receiver).expect("a good end");
    assert_eq!(outcome.try_recv().expect("answered").outcomes, [Ok(0)]);
}

#[tokio::test]
async fn those_who_come_together_share_a_group() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = partition(&folder, "log");
    let (appender, ended) = Appender::start().expect("a thread");
    let mut outcomes = Vec::new();
    for _ in 0..50 {
        let (append, outcome) =
            request(vec![(Arc::clone(&log), Batch::check(batch(&["a", "b"])).expect("sound"))]);
        assert!(appender.submit(append).await);
        outcomes.push(outcome);
    }
    for (number, outcome) in (0..).zip(outcomes) {
        assert_eq!(outcome.await.expect("answered").outcomes, [Ok(number * 2)]);
    }
    appender.stop().await;
    assert!(ended.await.is_err(), "it ended well");
    let (late, _outcome) = request(Vec::new());
    assert!(!appender.submit(late).await, "nobody takes it any more");
}

#[test]
fn only_a_full_disk_is_something_to_live_with() {
    for (errno, full) in [(28, true), (27, true), (122, true), (5, false), (9, false)] {
        let error = std::io::Error::from_raw_os_error(errno);
        assert_eq!(is_full(&error), full, "{error}");
    }
}

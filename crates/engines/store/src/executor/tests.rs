use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tempfile::TempDir;

use tokio::sync::oneshot;

use super::*;
use crate::log::disk::{Disk, LogFile};
use crate::protocol::Commands;
use crate::session::Session;
use crate::tests::{command, facts};

/// What a test does to the disk.
#[derive(Default)]
struct Faults {
    full: AtomicBool,
    /// Flushing fails.
    broken: AtomicBool,
    /// Cutting fails, too.
    stuck: AtomicBool,
    flushes: AtomicUsize,
}

/// A disk that obeys a test, around the real one.
struct TestDisk {
    disk: LogFile,
    faults: Arc<Faults>,
    /// When set: says that a flush has begun, and ends it when told.
    gate: Option<(Sender<()>, Receiver<()>)>,
}

fn fails(flag: &AtomicBool) -> io::Result<()> {
    if flag.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

impl Disk for TestDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if fails(&self.faults.full).is_err() {
            self.disk.append(&bytes[..bytes.len() / 2])?; // a full disk takes what still fits
        }
        fails(&self.faults.full)?;
        self.disk.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.faults.flushes.fetch_add(1, Ordering::SeqCst);
        if let Some((begun, go)) = &self.gate {
            begun.send(()).expect("the test listens");
            go.recv().expect("the test says go");
        }
        fails(&self.faults.broken)?;
        self.disk.sync()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        fails(&self.faults.stuck)?;
        self.disk.truncate(length)
    }

    fn replace(&mut self, file: std::fs::File) -> std::fs::File {
        self.disk.replace(file)
    }

    fn probe(&mut self) -> io::Result<()> {
        fails(&self.faults.full)
    }
}

struct Bench {
    folder: TempDir,
    faults: Arc<Faults>,
    jobs: mpsc::Sender<Job>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Bench {
    /// Starts an executor; the requests given are there before it begins, so they are its first group.
    fn start(
        gate: Option<(Sender<()>, Receiver<()>)>,
        first: impl IntoIterator<Item = Box<Request>>,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let faults = Arc::new(Faults::default());
        let wrapped = Arc::clone(&faults);
        let wrap = |disk| -> Box<dyn Disk> { Box::new(TestDisk { disk, faults: wrapped, gate }) };
        let (log, database) = Log::open_on(folder.path(), &facts(), wrap).expect("an empty log");
        let (jobs, queue) = mpsc::channel(100);
        for request in first {
            jobs.try_send(Job::Request(request)).expect("room");
        }
        let executor = Executor::new(database, log, facts());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(executor.run(queue))
        });
        Self { folder, faults, jobs, thread }
    }

    fn run(&self, session: &mut Session, commands: &[&str]) -> String {
        let (mut request, done) = request(commands);
        request.session = std::mem::take(session);
        self.jobs.blocking_send(Job::Request(request)).expect("it runs");
        let done = done.blocking_recv().expect("a reply");
        *session = done.session;
        text(&done.output)
    }

    /// Ends it and says what a restart would find.
    fn end(self) -> (anyhow::Result<()>, Database) {
        drop(self.jobs);
        let outcome = self.thread.join().expect("no panic");
        let (_, database) = Log::open(self.folder.path(), &facts()).expect("a good log");
        (outcome, database)
    }
}

fn request(commands: &[&str]) -> (Box<Request>, oneshot::Receiver<Done>) {
    let (reply, done) = oneshot::channel();
    let (texts, mut commands) = (commands, Commands::default());
    texts.iter().for_each(|text| commands.push(command(text)));
    let session = Session::default();
    let request = Request { commands, output: Output::default(), session, submitted: 0, reply };
    (Box::new(request), done)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.bytes).replace("\r\n", " ").trim_end().to_owned()
}

#[test]
fn a_group_is_flushed_once_and_no_reply_leaves_before() {
    let (begun, flush_begins) = channel();
    let (go, wait) = channel();
    let (first, mut first_done) = request(&["SET a 1"]);
    let (second, mut second_done) = request(&["INCR a", "INCR a"]);
    // It only reads, but what it reads is not durable yet.
    let (reader, mut reader_done) = request(&["GET a"]);
    let bench = Bench::start(Some((begun, wait)), vec![first, second, reader]);
    flush_begins.recv().expect("a flush");
    for done in [&mut first_done, &mut second_done, &mut reader_done] {
        assert!(done.try_recv().is_err(), "a reply left before the flush");
    }
    go.send(()).expect("it waits");
    assert_eq!(text(&first_done.blocking_recv().expect("a reply").output), "+OK");
    assert_eq!(text(&second_done.blocking_recv().expect("a reply").output), ":2 :3");
    let done = reader_done.blocking_recv().expect("a reply");
    assert_eq!(text(&done.output), "$1 3");
    let (append, fsync) = (done.times.append.expect("appended"), done.times.fsync.expect("flushed"));
    assert!(done.times.execute.0 <= done.times.execute.1 && done.times.execute.1 <= append.0);
    assert!(append.1 == fsync.0 && fsync.0 <= fsync.1);
    assert_eq!(bench.faults.flushes.load(Ordering::SeqCst), 1);
    bench.end().0.expect("a good end");
}

#[test]
fn reads_alone_touch_no_disk() {
    let bench = Bench::start(None, Vec::new());
    assert_eq!(bench.run(&mut Session::default(), &["GET a", "PING"]), "$-1 +PONG");
    assert_eq!(bench.faults.flushes.load(Ordering::SeqCst), 0);
    bench.end().0.expect("a good end");
}

#[test]
fn a_full_disk_refuses_writes_keeps_nothing_of_them_and_recovers() {
    let bench = Bench::start(None, Vec::new());
    let (mut one, mut two) = (Session::default(), Session::default());
    let refused = "-MISCONF Errors writing to the AOF file: no storage space";
    assert_eq!(bench.run(&mut one, &["SET a 1", "HSET h f v"]), "+OK :1");
    assert_eq!(bench.run(&mut two, &["WATCH a", "MULTI", "INCR a"]), "+OK +OK +QUEUED");
    bench.faults.full.store(true, Ordering::SeqCst);
    // The read in the same group must not see the refused write.
    assert_eq!(bench.run(&mut one, &["INCR a", "GET a"]), format!("{refused} $1 1"));
    assert_eq!(bench.run(&mut one, &["GET a", "SET b 2", "DBSIZE"]), format!("$1 1 {refused} :2"));
    assert_eq!(
        bench.run(&mut two, &["EXEC"]),
        format!("-EXECABORT Transaction discarded because of: {}", &refused[1..])
    );
    assert!(bench.run(&mut one, &["INFO persistence"]).contains("aof_last_write_status:err"));
    bench.jobs.blocking_send(Job::Tick).expect("it runs");
    assert_eq!(bench.run(&mut one, &["SET b 2"]), refused, "still full");
    bench.faults.full.store(false, Ordering::SeqCst);
    bench.jobs.blocking_send(Job::Tick).expect("it runs");
    assert_eq!(bench.run(&mut one, &["INCR a"]), ":2", "there is room again");
    let (outcome, database) = bench.end();
    outcome.expect("a good end");
    assert_eq!(database.string(b"a").expect("a string").map(|text| &text[..]), Some(&b"2"[..]));
    assert_eq!(database.len(), 2);
}

#[test]
fn a_group_that_is_taken_back_leaves_every_session_as_it_was() {
    // Each with an open transaction and a watched key; what it then says in the very group that fails to be
    // written, and what comes of saying it again.
    for said in [
        &["INCR a"][..],
        &["INCR a", "EXEC"],
        &["DISCARD", "SET b 1"],
        &["EXEC", "WATCH c d", "MULTI", "SET c 1", "EXEC"],
        &["UNWATCH", "nonsense", "EXEC"],
    ] {
        let bench = Bench::start(None, Vec::new());
        let (mut one, mut two) = (Session::default(), Session::default());
        assert_eq!(bench.run(&mut one, &["SET a 1"]), "+OK");
        assert_eq!(bench.run(&mut two, &["WATCH a x", "MULTI", "GET a"]), "+OK +OK +QUEUED");
        bench.faults.full.store(true, Ordering::SeqCst);
        let (mut first, first_done) = request(&["SET e 1"]);
        let (mut second, second_done) = request(said);
        (first.session, second.session) = (one, two);
        // Both are there before it looks: one group.
        let (gate_request, gate_done) = request(&["PING"]);
        for request in [gate_request, first, second] {
            bench.jobs.blocking_send(Job::Request(request)).expect("it runs");
        }
        gate_done.blocking_recv().expect("a reply");
        assert!(text(&first_done.blocking_recv().expect("a reply").output).starts_with("-MISCONF"));
        let done = second_done.blocking_recv().expect("a reply");
        let transaction = done.session.transaction.as_ref().map(|transaction| transaction.queue.len());
        let expected = if said.len() == 1 { Some(1) } else { None };
        assert_eq!(transaction, expected, "{said:?}: {}", text(&done.output));
        bench.end().0.expect("a good end");
    }
}

#[test]
fn when_the_disk_cannot_be_trusted_the_store_ends_without_a_reply() {
    for (name, expected) in [("flush", "flush"), ("cut", "take a half-written group back")] {
        let bench = Bench::start(None, Vec::new());
        assert_eq!(bench.run(&mut Session::default(), &["SET a 1"]), "+OK");
        if name == "flush" {
            bench.faults.broken.store(true, Ordering::SeqCst);
        } else {
            bench.faults.full.store(true, Ordering::SeqCst);
            bench.faults.stuck.store(true, Ordering::SeqCst);
        }
        let (request, done) = request(&["SET a 2"]);
        bench.jobs.blocking_send(Job::Request(request)).expect("it runs");
        assert!(done.blocking_recv().is_err(), "a write was acknowledged although the {name} failed");
        let (outcome, database) = bench.end();
        let text = format!("{:#}", outcome.expect_err("it must say so"));
        assert!(text.contains(expected) && text.contains("appendonly.aof"), "{text}");
        assert!(database.string(b"a").expect("a string").is_some());
    }
}

#[test]
fn large_replies_come_in_turns() {
    let bench = Bench::start(None, Vec::new());
    let value = "x".repeat(600 << 10);
    assert_eq!(bench.run(&mut Session::default(), &[&format!("SET a {value}")]), "+OK");
    let (request, done) = request(&["GET a", "GET a", "GET a"]);
    bench.jobs.blocking_send(Job::Request(request)).expect("it runs");
    let done = done.blocking_recv().expect("a reply");
    assert_eq!(done.rest.len(), 1);
    bench.end().0.expect("a good end");
}

#[test]
fn a_tick_removes_what_expired() {
    let bench = Bench::start(None, Vec::new());
    assert_eq!(bench.run(&mut Session::default(), &["SET a 1 PXAT 1", "DBSIZE"]), "+OK :1");
    bench.jobs.blocking_send(Job::Tick).expect("it runs");
    assert_eq!(bench.run(&mut Session::default(), &["DBSIZE"]), ":0");
    let (_, database) = bench.end();
    assert_eq!(database.len(), 0, "its removal is in the log");
}

use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::commands::execute;
use crate::reply::Output;
use crate::session::Session;
use crate::tests::{command, facts};

/// A data folder, and a client whose every command is a group of its own.
struct Bench {
    folder: TempDir,
    database: Database,
    log: Log,
    session: Session,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (log, database) = Log::open(folder.path(), &facts()).expect("an empty log");
        Self { folder, database, log, session: Session::default() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(FILE_NAME)
    }

    /// Runs commands as one group.
    fn group(&mut self, commands: &[&str]) {
        for text in commands {
            let mut output = Output::default();
            execute(&mut self.database, &mut self.session, &facts(), None, &command(text), &mut output);
        }
        let changes = std::mem::take(&mut self.database.journal.bytes);
        if !changes.is_empty() {
            self.log.append(&changes).expect("append");
        }
    }

    /// Rewrites the log and returns its length.
    fn rewrite(&mut self) -> u64 {
        let (mut rewriter, mut facts) = (rewrite::Rewriter::default(), facts());
        facts.log.wanted.set(true);
        while facts.log.rewrites == 0 {
            rewriter.step(&mut self.log, &mut facts, 0).expect("a good disk");
            assert!(facts.log.rewrite_healthy);
            std::thread::yield_now();
        }
        self.log.length()
    }

    fn replay(&self) -> anyhow::Result<(Database, replay::Kept)> {
        let mut database = Database::default();
        let kept = replay::replay(&self.path(), &mut database, &facts())?;
        Ok((database, kept))
    }
}

/// What a few typical groups leave behind, with the database after each and the log's length then.
fn written() -> (Bench, Vec<(u64, Database)>) {
    let mut bench = Bench::new();
    let mut states = vec![(0, bench.database.clone())];
    for group in [
        &["SET a 1", "SET b 2 PX 5000"][..],
        &["MULTI", "HINCRBY cart PROD-1 2", "XADD outbox * item PROD-1", "EXEC"],
        &["XADD outbox * item PROD-2", "DEL a", "GET b"],
    ] {
        bench.group(group);
        states.push((bench.log.length(), bench.database.clone()));
    }
    (bench, states)
}

#[test]
fn a_log_replays_to_the_same_state() {
    let (bench, states) = written();
    let (database, kept) = bench.replay().expect("a good log");
    assert_eq!(database, states[3].1);
    assert_eq!(kept, replay::Kept { good: bench.log.length(), total: bench.log.length() });
}

#[test]
fn a_log_cut_anywhere_keeps_every_whole_group() {
    let (bench, states) = written();
    let whole = std::fs::read(bench.path()).expect("the log");
    drop(bench.log);
    for length in 0..whole.len() {
        std::fs::write(bench.folder.path().join(FILE_NAME), &whole[..length]).expect("cut");
        let (log, database) = Log::open(bench.folder.path(), &facts()).expect("a torn tail is no damage");
        let (good, state) = states.iter().rev().find(|(good, _)| *good <= length as u64).expect("a state");
        assert_eq!(&database, state, "cut to {length}");
        assert_eq!(log.length(), *good);
        let left = std::fs::metadata(log.path()).expect("the log").len();
        assert_eq!(left, *good, "the torn tail is gone from the file too");
        assert_eq!(put_aside(bench.folder.path()), whole[left as usize..length], "cut to {length}");
        drop(log);
    }
}

/// The bytes that were put aside, and the end of that.
fn put_aside(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.to_string_lossy().contains(".unfinished-") {
            all.extend(std::fs::read(&path).expect("read"));
            std::fs::remove_file(path).expect("remove");
        }
    }
    all
}

/// Power was lost: the file has its length, but from some byte on nothing was written.
#[test]
fn a_zeroed_tail_is_put_aside_and_the_store_starts() {
    let (bench, states) = written();
    let whole = std::fs::read(bench.path()).expect("the log");
    drop(bench.log);
    let path = bench.folder.path().join(FILE_NAME);
    // A single zero may be a changed byte.
    for from in 0..whole.len() - 1 {
        for more in [0, 5000] {
            let mut bytes = whole.clone();
            bytes[from..].fill(0);
            bytes.resize(bytes.len() + more, 0);
            std::fs::write(&path, &bytes).expect("write");
            let (log, database) = Log::open(bench.folder.path(), &facts()).expect("no damage");
            let (good, state) = states.iter().rev().find(|(good, _)| *good <= from as u64).expect("a state");
            assert_eq!((&database, log.length()), (state, *good), "zeros from {from} on, and {more} more");
            assert_eq!(put_aside(bench.folder.path()), bytes[*good as usize..], "zeros from {from} on");
        }
    }
    // Zeros with something behind them are no tail, and a changed byte far before one is damage.
    let middle = states[1].0 as usize;
    for change in [middle..middle + 30, middle + 60..middle + 61] {
        let mut bytes = whole.clone();
        bytes[change].fill(0);
        for zeros in [0, 5000] {
            bytes.resize(whole.len() + zeros, 0);
            std::fs::write(&path, &bytes).expect("write");
            let error = Log::open(bench.folder.path(), &facts()).err().expect("refused");
            assert!(format!("{error:#}").contains("damaged at byte"), "{error:#}");
            assert_eq!(std::fs::read(&path).expect("the log"), bytes, "nothing was changed");
        }
    }
    assert!(put_aside(bench.folder.path()).is_empty());
}

/// It dies after the copy and before the cut: the next start makes the same copy, and no second one.
#[test]
fn a_death_before_the_cut_changes_nothing_and_copies_are_bounded() {
    let (bench, _) = written();
    let whole = std::fs::read(bench.path()).expect("the log");
    drop(bench.log);
    let (folder, path) = (bench.folder.path(), bench.folder.path().join(FILE_NAME));
    std::fs::write(&path, &whole[..whole.len() - 3]).expect("write");
    let kept = bench.folder.path().join(format!("{FILE_NAME}.unfinished-0"));
    let first = torn_tail::save(&path, 10).expect("a copy");
    assert_eq!(torn_tail::save(&path, 10).expect("the same"), first);
    assert!(!kept.exists());
    assert_eq!(put_aside(folder), whole[10..whole.len() - 3]);
    for number in 0..2 * torn_tail::KEPT_FILES {
        std::fs::write(&path, [&whole[..], &[b'*'; 3][..], number.to_string().as_bytes()].concat())
            .expect("write");
        drop(Log::open(folder, &facts()).expect("a torn tail"));
    }
    let files = std::fs::read_dir(folder).expect("the folder");
    let copies = files.filter(|entry| {
        entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().contains(".unfinished-"))
    });
    assert_eq!(copies.count(), torn_tail::KEPT_FILES);
}

#[test]
fn a_changed_byte_anywhere_is_noticed() {
    let (bench, _) = written();
    let whole = std::fs::read(bench.path()).expect("the log");
    for at in 0..whole.len() {
        for flip in [0x01, 0x20, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            std::fs::write(bench.path(), &bytes).expect("write");
            let Err(error) = bench.replay() else { panic!("byte {at} was changed and nobody noticed") };
            assert!(format!("{error:#}").starts_with("damaged at byte "), "{error:#}");
        }
    }
}

#[test]
fn damage_is_refused_with_file_and_position_and_changes_nothing() {
    let (bench, states) = written();
    let mut bytes = std::fs::read(bench.path()).expect("the log");
    let second = usize::try_from(states[1].0).expect("small");
    bytes[second + 60] ^= 1;
    std::fs::write(bench.path(), &bytes).expect("write");
    drop(bench.log);
    let error = Log::open(bench.folder.path(), &facts()).err().expect("refused");
    let text = format!("{error:#}");
    assert!(text.contains("appendonly.aof: damaged at byte"), "{text}");
    assert!(text.contains(&format!("byte {second}")), "{text}");
    assert_eq!(std::fs::read(bench.folder.path().join(FILE_NAME)).expect("the log"), bytes);
}

#[test]
fn zeros_at_the_end_are_a_write_that_power_loss_cut_short() {
    let (bench, states) = written();
    let mut bytes = std::fs::read(bench.path()).expect("the log");
    bytes.extend_from_slice(&[0; 5000]);
    std::fs::write(bench.path(), &bytes).expect("write");
    let (database, kept) = bench.replay().expect("torn");
    assert_eq!((&database, kept.good), (&states[3].1, states[3].0));
}

#[test]
fn a_file_that_redis_wrote_is_read() {
    let bench = Bench::new();
    let text = "#TS:1628217470\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
    let transaction = "*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n";
    for (bytes, value, good) in [
        (text.to_owned(), "1", text.len()),
        (format!("{text}*2\r\n$4\r\nIN"), "1", text.len()),
        (format!("{text}{transaction}"), "1", text.len()),
        (format!("{text}{transaction}*1\r\n$4\r\nEXEC\r\n"), "2", text.len() + transaction.len() + 14),
    ] {
        std::fs::write(bench.path(), &bytes).expect("write");
        let (database, kept) = bench.replay().expect("a good log");
        assert_eq!(database.string(b"a").expect("a string").map(|text| &text[..]), Some(value.as_bytes()));
        assert_eq!(kept.good, good as u64);
    }
    for (bytes, problem) in [
        (format!("{text}LPUSH"), "neither a command"),
        (format!("{text}*3\r\n$5\r\nLPUSH\r\n$1\r\na\r\n$1\r\n1\r\n"), "the command LPUSH fails here"),
        (format!("{text}*2\r\n$4\r\nINCRxx"), "a word does not end"),
    ] {
        std::fs::write(bench.path(), &bytes).expect("write");
        let text = format!("{:#}", bench.replay().expect_err("damage"));
        assert!(text.contains(problem), "{text}");
    }
}

#[test]
fn one_process_at_a_time() {
    let bench = Bench::new();
    let error = Log::open(bench.folder.path(), &facts()).err().expect("refused");
    assert!(error.to_string().contains("another process uses the data folder"), "{error}");
    drop(bench.log);
    Log::open(bench.folder.path(), &facts()).expect("free again");
}

#[test]
fn a_folder_that_a_real_redis_took_over_is_not_taken_for_empty() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join(REDIS_FOLDER)).expect("a folder");
    let error = Log::open(folder.path(), &facts()).err().expect("refused");
    assert!(error.to_string().contains("a real Redis"), "{error}");
}

/// Commands over few keys, so that they meet; some fail, which must leave no trace.
fn any_command() -> impl Strategy<Value = String> {
    let templates = [
        "SET K V",
        "SETEX K 1 V",
        "PSETEX K N V",
        "GETSET K V",
        "GETDEL K",
        "GETEX K PX N",
        "GETEX K PERSIST",
        "SETRANGE K 3 V",
        "MSETNX K V K V",
        "INCRBYFLOAT K 0.1",
        "HINCRBYFLOAT H F 0.1",
        "XSETID S 9999999999999-1 ENTRIESADDED 100 MAXDELETEDID 5-1",
        "SET K V PX N",
        "SET K V KEEPTTL",
        "SET K V NX GET",
        "SETNX K V",
        "MSET K V K V",
        "APPEND K V",
        "INCR K",
        "DECRBY K N",
        "DEL K K",
        "UNLINK K",
        "EXPIRE K 1",
        "PEXPIRE K N",
        "PEXPIREAT K N GT",
        "EXPIREAT K 0",
        "PERSIST K",
        "HSET H F V",
        "HSET H F V F V",
        "HSETNX H F V",
        "HINCRBY H F N",
        "HDEL H F F",
        "XADD S * F V",
        "XADD S MAXLEN ~ 2 * F V",
        "XADD S N-* F V",
        "XADD S MINID N * F V",
        "XDEL S 1000-0 N-0",
        "XTRIM S MAXLEN 1",
        "HSET K F V",
        "DEL H",
        "DEL S",
        "EXPIRE H 1",
        "PEXPIRE S N",
        "GET K",
        "FLUSHALL",
        "MULTI",
        "EXEC",
        "DISCARD",
        "WATCH K",
    ];
    let pick = |of: &'static [&'static str]| prop::sample::select(of);
    (
        prop::sample::select(templates.to_vec()),
        prop::collection::vec(
            (pick(&["k1", "k2", "k3"]), pick(&["f1", "f2", "f3"]), pick(&["1", "v", "-7"]), 0u32..3000),
            3,
        ),
    )
        .prop_map(|(template, choices)| {
            let mut choices = choices.into_iter().cycle();
            let words = template.split(' ').map(|word| {
                let Some((key, field, value, number)) = choices.next() else { return word.to_owned() };
                match word {
                    "K" => key.to_owned(),
                    "H" => key.replace('k', "h"),
                    "S" => key.replace('k', "s"),
                    "F" => field.to_owned(),
                    "V" => value.to_owned(),
                    "N" => number.to_string(),
                    "N-*" => format!("{number}-*"),
                    "N-0" => format!("{number}-0"),
                    _ => word.to_owned(),
                }
            });
            words.collect::<Vec<_>>().join(" ")
        })
}

#[test]
fn a_rewrite_takes_what_comes_meanwhile_and_leaves_nothing_behind() {
    let (mut bench, states) = written();
    let (mut rewriter, mut facts) = (rewrite::Rewriter::default(), facts());
    facts.log.wanted.set(true);
    rewriter.step(&mut bench.log, &mut facts, 0).expect("a good disk");
    assert!(facts.log.rewriting);
    bench.group(&["SET meanwhile 1", "HINCRBY cart PROD-1 1"]);
    let expected = bench.database.clone();
    while facts.log.rewriting {
        rewriter.step(&mut bench.log, &mut facts, 0).expect("a good disk");
        std::thread::yield_now();
    }
    assert_eq!(facts.log.rewrites, 1);
    bench.group(&["SET after 1"]);
    let (replayed, kept) = bench.replay().expect("a good log");
    assert_eq!((&replayed, kept.good), (&bench.database, bench.log.length()));
    assert_ne!((&replayed, &expected), (&states[3].1, &bench.database));
    assert!(!bench.folder.path().join(REWRITE_NAME).exists());
}

#[test]
fn a_rewrite_that_was_given_up_leaves_the_log_as_it_was() {
    let (mut bench, states) = written();
    let (mut rewriter, mut facts) = (rewrite::Rewriter::default(), facts());
    facts.log.wanted.set(true);
    rewriter.step(&mut bench.log, &mut facts, 0).expect("a good disk");
    rewriter.cancel(&mut facts);
    assert!(!bench.folder.path().join(REWRITE_NAME).exists());
    assert_eq!(bench.replay().expect("a good log").0, states[3].1);
    // One that a crash left behind goes at the next start.
    std::fs::write(bench.folder.path().join(REWRITE_NAME), "half").expect("write");
    let Bench { folder, log, .. } = bench;
    drop(log);
    let (_, database) = Log::open(folder.path(), &facts).expect("a good log");
    assert_eq!(database, states[3].1);
    assert!(!folder.path().join(REWRITE_NAME).exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_was_done_replays_to_the_same_state(
        groups in prop::collection::vec((prop::collection::vec(any_command(), 1..8), 0u64..800), 1..20),
    ) {
        let mut bench = Bench::new();
        for (commands, passed) in &groups {
            bench.database.now += passed;
            bench.database.sweep(2);
            bench.group(&commands.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let (replayed, kept) = bench.replay().expect("a good log");
        prop_assert_eq!(kept.good, kept.total);
        prop_assert_eq!(&replayed, &bench.database);
        // A rewound store is a restarted store.
        let reloaded = bench.log.reload(&bench.database, &facts()).expect("a good log");
        prop_assert_eq!(&reloaded, &bench.database);
        // And so is a rewritten one, whose next rewrite changes nothing any more.
        let after = bench.rewrite();
        let (replayed, kept) = bench.replay().expect("a good log");
        prop_assert_eq!((kept.good, kept.total), (after, after));
        prop_assert_eq!(&replayed, &bench.database);
        prop_assert_eq!(bench.rewrite(), after);
    }
}

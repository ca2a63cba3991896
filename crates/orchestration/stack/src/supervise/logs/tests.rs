use std::io::Write as _;

use super::*;

#[test]
fn a_long_log_is_cut_its_end_kept_and_its_writer_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("hop.log");
    let previous = folder.path().join("hop.log.1");
    let mut writer = open(&log).expect("it opens");
    for round in 1..=2 {
        let line = format!("round {round}\n");
        while log.metadata().expect("it is there").len() <= LIMIT {
            writer.write_all(line.repeat(1000).as_bytes()).expect("it is written");
        }
        cut(&log);
        assert_eq!(log.metadata().expect("it is there").len(), 0);
        let kept = std::fs::read_to_string(&previous).expect("the end is kept");
        assert_eq!(kept.len() as u64, LIMIT);
        assert!(kept.ends_with(&line), "{round}");
    }
    writer.write_all(b"after\n").expect("it is written");
    assert_eq!(std::fs::read_to_string(&log).expect("it is there"), "after\n");
}

#[tokio::test]
async fn who_looks_after_them_cuts_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("hop.log");
    open(&log).and_then(|mut log| log.write_all(&vec![b'x'; LIMIT as usize + 1])).expect("it is written");
    let looking = tokio::spawn(keep_short(vec![folder.path().join("absent.log"), log.clone()]));
    let cut = hop::wait::until("the log to be cut", Duration::from_secs(20), async || {
        (log.metadata().ok()?.len() == 0).then_some(())
    });
    cut.await.expect("it is cut");
    looking.abort();
}

use bytes::Bytes;

use super::Session;
use crate::commands::{Refusal, execute};
use crate::database::Database;
use crate::reply::Output;
use crate::tests::{command, facts};

fn say(session: &mut Session, database: &mut Database, text: &str) -> String {
    let mut output = Output::default();
    execute(database, session, &facts(), None::<Refusal<'_>>, &command(text), &mut output);
    String::from_utf8_lossy(&output.bytes).replace("\r\n", " ")
}

/// Whatever is said after a checkpoint, going back to it leaves what was there: EXEC then gives what it would have.
#[test]
fn a_session_goes_back_to_its_checkpoint() {
    let before = ["WATCH a", "WATCH a b", "MULTI", "SET x 1", "GET x"];
    for after in [
        &["GET x"][..],
        &["EXEC"],
        &["DISCARD"],
        &["nonsense"],
        &["nonsense", "EXEC", "WATCH c", "MULTI", "SET y 1"],
        &["EXEC", "MULTI", "EXEC", "WATCH a", "MULTI", "GET a", "DISCARD"],
        &["UNWATCH", "EXEC", "CLIENT SETNAME me", "HELLO 3", "QUIT"],
    ] {
        let (mut session, mut database) = (Session::default(), Database::default());
        before.iter().for_each(|text| drop(say(&mut session, &mut database, text)));
        let kept = database.clone();
        let checkpoint = session.checkpoint();
        after.iter().for_each(|text| drop(say(&mut session, &mut database, text)));
        session.restore(checkpoint);
        let watched: Vec<&[u8]> = ["a", "b"].iter().map(|key| key.as_bytes()).collect();
        assert!(watched.iter().all(|key| session.watched.contains_key(*key)), "{after:?}");
        assert_eq!(session.watched.len(), 2, "{after:?}");
        assert!(!session.closing && !session.resp3 && session.name == Bytes::new(), "{after:?}");
        let mut database = kept.clone();
        assert_eq!(say(&mut session, &mut database, "EXEC"), "*2 +OK $1 1 ", "{after:?}");
    }
    // Without a transaction before, there is none afterwards.
    let (mut session, mut database) = (Session::default(), Database::default());
    let checkpoint = session.checkpoint();
    ["WATCH a", "MULTI", "GET x"].iter().for_each(|text| drop(say(&mut session, &mut database, text)));
    session.restore(checkpoint);
    assert!(session.transaction.is_none() && session.watched.is_empty());
}

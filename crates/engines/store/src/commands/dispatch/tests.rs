use super::*;
use crate::database::Value;
use crate::tests::facts;

#[test]
fn while_writes_are_refused_reads_go_on() {
    let (mut database, mut session, facts) = (Database::default(), Session::default(), facts());
    database.put(b"a", Value::String("1".into()), None);
    let mut run = |text: &str| {
        let mut output = Output::default();
        let refusal = Some(Refusal::Disk("MISCONF full"));
        execute(&mut database, &mut session, &facts, refusal, &crate::tests::command(text), &mut output);
        assert!(database.journal.bytes.is_empty(), "{text} wrote");
        String::from_utf8_lossy(&output.bytes).replace("\r\n", " ")
    };
    assert_eq!(run("GET a"), "$1 1 ");
    assert_eq!(run("SET a 2"), "-MISCONF full ");
    assert_eq!(run("MULTI"), "+OK ");
    assert_eq!(run("GET a"), "+QUEUED ");
    assert_eq!(run("EXEC"), "*1 $1 1 ");
    assert_eq!(run("MULTI"), "+OK ");
    assert_eq!(run("INCR a"), "-MISCONF full ");
    assert_eq!(run("EXEC"), "-EXECABORT Transaction discarded because of previous errors. ");
}

#[test]
fn a_reply_has_a_largest_size() {
    let (mut database, mut session, facts) = (Database::default(), Session::default(), facts());
    database.put(b"k", Value::String(vec![b'x'; 1 << 20].into()), None);
    let mut output = Output::default();
    let many = command_of("MGET", 100);
    execute(&mut database, &mut session, &facts, None, &many, &mut output);
    assert!(output.bytes.starts_with(b"-ERR the reply is larger than 64 MiB"));
    assert!(output.bytes.capacity() < 160 << 20);
}

fn command_of(name: &'static str, keys: usize) -> Vec<&'static [u8]> {
    std::iter::once(name.as_bytes()).chain(std::iter::repeat_n(&b"k"[..], keys)).collect()
}

#[test]
fn replies_are_frames_to_an_independent_decoder() {
    use redis_protocol::{resp2::decode::decode as decode2, resp3::decode::complete::decode as decode3};
    let nested = Reply::Array(vec![
        Reply::Map(vec![(Reply::bulk("a"), Reply::Integer(-1)), (Reply::bulk("b"), Reply::Null)]),
        Reply::Text("for humans".into()),
        Reply::Error("ERR two\r\nlines".into()),
        Reply::NullArray,
        Reply::bulk(&b"\r\n\0"[..]),
        Reply::OK,
    ]);
    for resp3 in [false, true] {
        let mut output = Output::default();
        output.begin();
        output.put(&nested, resp3);
        output.end();
        let length = if resp3 {
            decode3(&output.bytes).expect("a valid frame").expect("a whole frame").1
        } else {
            decode2(&output.bytes).expect("a valid frame").expect("a whole frame").1
        };
        assert_eq!(length, output.bytes.len(), "resp3: {resp3}");
    }
}

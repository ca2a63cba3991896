//! Random scripts: commands of two clients over few keys, so that they meet, and many of them wrong.

use proptest::prelude::*;

/// Which client says what.
pub(crate) type Step = (usize, Vec<Vec<u8>>);

/// What the placeholders of [`TEMPLATES`] stand for.
const POOLS: &[(&str, &[&str])] = &[
    // Keys, and now and then one that holds something else.
    ("K", &["k1", "k2", "k3", "k1", "k2", "k3", "h1", "s1"]),
    ("H", &["h1", "h2", "h1", "h2", "h1", "h2", "k1", "s1"]),
    ("S", &["s1", "s2", "s1", "s2", "s1", "s2", "k1", "h1"]),
    ("A", &["k1", "h1", "s1", "k2", "h2", "s2", "none"]),
    ("F", &["f1", "f2", "f3", ""]),
    ("V", &["1", "v", "-7", "", "10", "9223372036854775807", " 1", "007", "3.5", "a\r\nb", "\u{e9}\0\u{ff}"]),
    ("N", &["0", "1", "2", "-1", "7", "abc", "", "1.5", "+1", "9223372036854775807", "-9223372036854775808"]),
    (
        "FLOAT",
        &[
            "0",
            "1",
            "-1",
            "0.1",
            "0.2",
            "-0.3",
            "3.0e2",
            "1e-5",
            "1e-18",
            "1e17",
            "0x1p-3",
            "inf",
            "-inf",
            "nan",
            "abc",
            "",
            " 1",
            "1 ",
            "+2.5",
            ".5",
            "5.",
            "1e4932",
            "-1e4932",
            "1e5000",
            "3.14159265358979323846",
            "1234567890123456789.5",
        ],
    ),
    ("OFFSET", &["0", "1", "2", "5", "-1", "-2", "-5", "-9223372036854775808", "9223372036854775807", "x"]),
    ("SMALL", &["0", "1", "2", "7", "-1", "abc"]),
    ("BAD", &["0", "-1", "abc", "", "1.5", "+1", "9223372036854775807", "-9223372036854775808"]),
    // Far away, so that nothing expires while the two servers are compared; or long gone.
    ("SECONDS", &["4102444800", "4102444801", "9999999999", "abc"]),
    ("MILLIS", &["4102444800000", "4102444800001", "99999999999999", "", "1x"]),
    ("FAR", &["100000", "200000", "9223372036854775807", "x"]),
    ("PAST", &["1", "0", "-1", "4102444800000"]),
    ("I", &["1-1", "1-2", "2-1", "3", "5-*", "5-3", "7-0", "9-*", "0-0", "0", "abc", "1-", "-", "1-x"]),
    (
        "MAX",
        &["18446744073709551615-18446744073709551615", "18446744073709551615-1", "18446744073709551615-*"],
    ),
    (
        "FROM",
        &[
            "-",
            "0",
            "1",
            "1-1",
            "(1-1",
            "(2",
            "5",
            "+",
            "(",
            "x",
            "(18446744073709551615-18446744073709551615",
        ],
    ),
    ("TO", &["+", "9", "5-3", "(5-3", "2", "1-1", "-", "(0-0", "y"]),
    ("AFTER", &["0", "0-0", "1-1", "2", "$", "5-3", "z", "18446744073709551615-18446744073709551615"]),
    ("COUNT", &["1", "2", "100", "0", "-1", "c"]),
    ("COND", &["NX", "XX", "GT", "LT", "nx", "QQ"]),
    ("P", &["*", "k*", "?1", "[hs]1", "h[^1]", "none", "\\*"]),
    ("TYPE", &["string", "hash", "stream", "list", "STRING"]),
    ("NAME", &["me", "a b", ""]),
    ("NOWAY", &["nonsense", "getx", "", "a-very-long-name-that-nobody-has"]),
];

/// Commands; a word in capitals that names a pool is replaced by one of its words.
const TEMPLATES: &str = "
    get K|mget K A K|strlen K|set K V|set K V|set K V nx|set K V xx|set K V get|set K V NX GET|set K V xx get
    set K V ex FAR|set K V px FAR|set K V exat SECONDS|set K V pxat MILLIS|set K V keepttl|set K V PX BAD|set K V COND COND
    set K V keepttl ex FAR|set K V ex|set K V nx xx|setnx K V|mset K V A V|mset K V K|append K V|incr K|decr K|incrby K N|decrby K N
    set K FLOAT|incrbyfloat K FLOAT|incrbyfloat K FLOAT|hset H F FLOAT|hincrbyfloat H F FLOAT|hincrbyfloat H F FLOAT|hstrlen H F
    setex K FAR V|setex K BAD V|psetex K FAR V|psetex K BAD V|getset K V|getdel K|getex K|getex K ex FAR|getex K PX FAR|getex K ex BAD
    getex K exat SECONDS|getex K pxat MILLIS|getex K pxat PAST|getex K persist|getex K persist ex FAR|getex K ex FAR persist|getex K ex FAR ex FAR
    getex K ex FAR px FAR|getex K keepttl|getex K nx|getex K ex|set K V ex FAR ex FAR|set K V persist|msetnx K V A V|msetnx K V|msetnx K V K
    getrange K OFFSET OFFSET|getrange K OFFSET OFFSET|substr K OFFSET OFFSET|setrange K SMALL V|append K V|strlen K|touch A A|expiretime A|pexpiretime A
    xinfo stream S|xinfo stream S|xinfo stream S full|xinfo stream S full count COUNT|xinfo stream S nonsense|xinfo stream S full count|xinfo groups S|xinfo
    xinfo nonsense S|xsetid S I|xsetid S I entriesadded SMALL|xsetid S I maxdeletedid I|xsetid S I entriesadded SMALL maxdeletedid I|xsetid S I entriesadded|xinfo stream
    exists A A A|type A|type A|keys P|scan 0 count 1000|scan 0 match P count 1000|scan 0 type TYPE count 1000|scan x|scan 0 count|scan 0 nonsense 1
    dbsize|ttl A|pttl A|del A|del A A|unlink A A|expire A FAR|pexpire A FAR COND|expireat A SECONDS|pexpireat A MILLIS|expireat A SECONDS COND
    pexpireat A MILLIS COND COND|pexpireat A PAST|expire A BAD COND|persist A|flushall|flushdb async|flushall nonsense
    hget H F|hmget H F F F|hgetall H|hkeys H|hvals H|hlen H|hexists H F|hscan H 0|hscan H 0 match P count 10|hscan H 0 count N|hscan H x|hscan H 0 type hash
    hset H F V|hset H F V F V|hset H F V F|hmset H F V|hmset H F|hsetnx H F V|hincrby H F N|hincrby H F N|hdel H F|hdel H F F
    xadd S I F V|xadd S I F V|xadd S I F V F V|xadd S I F|xadd S nomkstream I F V|xadd S maxlen COUNT I F V|xadd S maxlen = COUNT I F V
    xadd S maxlen = N limit N I F V|xadd S minid = I I F V|xadd S minid I 9-* F V|xadd S MAX F V|xadd S maxlen|xadd S nonsense
    xlen S|xrange S FROM TO|xrange S FROM TO count COUNT|xrange S FROM TO count|xrevrange S TO FROM|xrevrange S TO FROM count COUNT
    xread streams S AFTER|xread count COUNT streams S S AFTER AFTER|xread streams S S AFTER|xread count N streams S AFTER|xread streams
    xread block 1 streams S|xread block abc|xread block 1 streams S AFTER|xread block 1 count x streams S AFTER|xread block x streams S AFTER|xread block -1 streams S AFTER|xread count 1 block 0 streams s1
    xdel S I|xdel S I I|xtrim S maxlen COUNT|xtrim S maxlen = N|xtrim S minid I|xtrim S maxlen = N limit 1|xtrim S nonsense 1|xtrim S maxlen ~|xtrim S maxlen ~ 100|xtrim S maxlen ~ abc limit 1
    multi|multi|exec|exec|exec|discard|watch A|watch A A|unwatch|exec now|multi 1|watch
    ping|ping V|ping V V|echo V|echo|select 0|select 16|select BAD|client getname|client setname NAME|client nonsense|client setname|client setname a b
    config nonsense|config get|config set|command count 1|command nonsense|hello 4|hello x|hello 2 auth|hello 2 nonsense|hello 3 setname
    hello 2 auth nobody none|hello 3 auth default|config resetstat|config resetstat 1|NOWAY|NOWAY V|NOWAY K V V";

/// A script of a dozen to five dozen steps.
pub(crate) fn any_script() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any_step(), 12..60)
}

fn any_step() -> impl Strategy<Value = Step> {
    let templates: Vec<&str> = TEMPLATES.lines().flat_map(|line| line.trim().split('|')).collect();
    let templates: Vec<&str> = templates.into_iter().filter(|template| !template.is_empty()).collect();
    let choices = prop::collection::vec(any::<prop::sample::Index>(), 12);
    // Mostly the first client, so that its transactions get somewhere; sometimes a word too few or too many.
    let client = prop_oneof![3 => Just(0usize), 1 => Just(1)];
    let extra = prop_oneof![30 => Just(0i32), 1 => Just(-1), 1 => Just(1)];
    (client, prop::sample::select(templates), choices, extra).prop_map(
        |(client, template, choices, extra)| {
            let mut words: Vec<_> =
                template.split(' ').zip(&choices).map(|(word, choice)| filled(word, choice)).collect();
            match extra {
                // These say who they are, or all that they can: never the same.
                _ if ["hello", "command"].iter().any(|name| template.starts_with(name)) => {}
                -1 if words.len() > 1 => drop(words.pop()),
                1 => words.push(b"more".to_vec()),
                _ => {}
            }
            (client, words)
        },
    )
}

fn filled(word: &str, choice: &prop::sample::Index) -> Vec<u8> {
    let pool = POOLS.iter().find(|(name, _)| *name == word);
    pool.map_or(word, |(_, pool): &(&str, &[&str])| *choice.get::<&str>(pool)).as_bytes().to_vec()
}

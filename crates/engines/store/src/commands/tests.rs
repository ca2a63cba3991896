//! Scripts: a line that begins with `>` is a command, the next is its reply as on the wire, with spaces for
//! line ends. The replies were taken from a real Redis 7.0 (`store` differs where the script says so).

use super::execute;
use crate::database::Database;
use crate::protocol::Parser;
use crate::reply::Output;
use crate::session::Session;
use crate::tests::facts;

/// Runs a script; `@5000` sets the time to 5000 ms.
pub(super) fn check(script: &str) {
    let (mut database, mut session, facts) = (Database::default(), Session::default(), facts());
    let mut lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
    while let Some(line) = lines.next() {
        if let Some(time) = line.strip_prefix('@') {
            database.now = time.parse().expect("a time");
            continue;
        }
        let mut parser = Parser::default();
        parser.spare(0).extend_from_slice(line.strip_prefix('>').expect("a command").as_bytes());
        parser.spare(0).extend_from_slice(b"\r\n");
        assert!(parser.advance().expect("a valid line"), "{line} is not a whole line");
        let (commands, mut command) = (parser.take(), Vec::new());
        commands.read(0, &mut command);
        let mut output = Output::default();
        execute(&mut database, &mut session, &facts, None, &command, &mut output);
        let reply = String::from_utf8_lossy(&output.bytes).replace("\r\n", " ");
        assert_eq!(reply.trim(), lines.next().unwrap_or("no reply expected"), "{line}");
    }
}

#[test]
fn strings() {
    check(
        "> SET a 1
         +OK
         > GET a
         $1 1
         > GET none
         $-1
         > SET a 2 NX
         $-1
         > SET a 2 XX GET
         $1 1
         > SET b 2 XX
         $-1
         > SET b 3 NX XX
         -ERR syntax error
         > SET b 3 EX 10 KEEPTTL
         -ERR syntax error
         > SET b 3 EX 0
         -ERR invalid expire time in 'set' command
         > SET b 3 EX abc
         -ERR value is not an integer or out of range
         > INCRBY a 10
         :12
         > DECR a
         :11
         > DECRBY a -9223372036854775808
         -ERR decrement would overflow
         > INCRBY a 9223372036854775807
         -ERR increment or decrement would overflow
         > APPEND a x
         :3
         > INCR a
         -ERR value is not an integer or out of range
         > STRLEN a
         :3
         > SETNX a 5
         :0
         > MSET x 1 y 2
         +OK
         > MSET x 1 y
         -ERR wrong number of arguments for 'mset' command
         > MGET x none y
         *3 $1 1 $-1 $1 2",
    );
}

#[test]
fn keys_and_expiry() {
    check(
        "@1000
         > SET a 1 EX 10
         +OK
         > TTL a
         :10
         > PTTL a
         :10000
         > SET a 2 KEEPTTL
         +OK
         > EXPIRE a 5 GT
         :0
         > EXPIRE a 5 LT
         :1
         > EXPIRE a 5 NX
         :0
         > EXPIRE a 5 NX XX
         -ERR NX and XX, GT or LT options at the same time are not compatible
         > EXPIRE a 5 FOO
         -ERR Unsupported option FOO
         > EXPIRE a 9223372036854775807
         -ERR invalid expire time in 'expire' command
         @5999
         > GET a
         $1 2
         > INCR a
         :3
         @6000
         > GET a
         $-1
         > TTL a
         :-2
         > INCR a
         :1
         > TTL a
         :-1
         > PEXPIREAT a 7000
         :1
         > PERSIST a
         :1
         > PERSIST a
         :0
         > EXPIRE a -1
         :1
         > EXISTS a
         :0
         > MSET k1 a k2 b other c
         +OK
         > KEYS k?
         *2 $2 k1 $2 k2
         > SCAN 0 COUNT 2
         *2 $1 3 *2 $5 other $2 k2
         > SCAN 3 COUNT 2 TYPE string
         *2 $1 0 *1 $2 k1
         > SCAN x
         -ERR invalid cursor
         > DEL k1 none k2
         :2
         > TYPE other
         +string
         > TYPE none
         +none
         > DBSIZE
         :1
         > FLUSHALL
         +OK
         > DBSIZE
         :0",
    );
}

#[test]
fn hashes() {
    check(
        "> HSET h f1 v1 f2 v2
         :2
         > HSET h f1 new f3 v3
         :1
         > HSET h f1
         -ERR wrong number of arguments for 'hset' command
         > HGETALL h
         *6 $2 f1 $3 new $2 f2 $2 v2 $2 f3 $2 v3
         > HMGET h f1 none
         *2 $3 new $-1
         > HINCRBY h n 5
         :5
         > HINCRBY h f1 5
         -ERR hash value is not an integer
         > HINCRBY h n 9223372036854775807
         -ERR increment or decrement would overflow
         > HSETNX h n 1
         :0
         > HEXISTS h n
         :1
         > HSCAN h 0 MATCH f[12]
         *2 $1 0 *4 $2 f1 $3 new $2 f2 $2 v2
         > HSCAN h 0 TYPE hash
         -ERR syntax error
         > GET h
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > HLEN h
         :4
         > HDEL h f1 f2 f3 none
         :3
         > HDEL h n
         :1
         > EXISTS h
         :0
         > HMSET h a b
         +OK
         > HKEYS h
         *1 $1 a
         > HVALS h
         *1 $1 b
         > HELLO 3
         %7 $6 server $5 store $7 version $5 7.0.0 $5 proto :3 $2 id :0 $4 mode $10 standalone $4 role $6 master $7 modules *0
         > HGETALL h
         %1 $1 a $1 b
         > HGET h none
         _",
    );
}

#[test]
fn streams() {
    check(
        "@1000
         > XADD s 1-1 a 1
         $3 1-1
         > XADD s 1-1 a 1
         -ERR The ID specified in XADD is equal or smaller than the target stream top item
         > XADD s 0-0 a 1
         -ERR The ID specified in XADD must be greater than 0-0
         > XADD s 1-* b 2
         $3 1-2
         > XADD s * c 3
         $6 1000-0
         > XADD s * c 3
         $6 1000-1
         > XADD s * c
         -ERR wrong number of arguments for 'xadd' command
         > XADD s x c 3
         -ERR Invalid stream ID specified as stream command argument
         > XADD none NOMKSTREAM * c 3
         $-1
         > XRANGE s - + COUNT 1
         *1 *2 $3 1-1 *2 $1 a $1 1
         > XREVRANGE s (1000-1 1-2
         *2 *2 $6 1000-0 *2 $1 c $1 3 *2 $3 1-2 *2 $1 b $1 2
         > XRANGE s + -
         *0
         > XREAD COUNT 1 STREAMS s none 1-1 0
         *1 *2 $1 s *1 *2 $3 1-2 *2 $1 b $1 2
         > XREAD STREAMS s $
         *-1
         > XREAD STREAMS s none 0
         -ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.
         > XADD s MAXLEN ~ 2 * d 4
         $6 1000-2
         > XLEN s
         :2
         > XDEL s 1000-2 7-7
         :1
         > XTRIM s MAXLEN 0
         :1
         > XTRIM s MAXLEN 0
         :0
         > TYPE s
         +stream
         > XADD s 1000-2 a 1
         -ERR The ID specified in XADD is equal or smaller than the target stream top item
         > XADD s 18446744073709551615-18446744073709551615 a 1
         $41 18446744073709551615-18446744073709551615
         > XADD s * a 1
         -ERR The stream has exhausted the last possible ID, unable to add more items",
    );
}

#[test]
fn connection_and_server() {
    check(
        "> PING
         +PONG
         > PING a b
         -ERR wrong number of arguments for 'ping' command
         > ECHO hi
         $2 hi
         > SELECT 0
         +OK
         > SELECT 1
         -ERR DB index is out of range
         > CLIENT SETNAME 'a b'
         -ERR Client names cannot contain spaces, newlines or special characters.
         > CLIENT SETNAME me
         +OK
         > CLIENT GETNAME
         $2 me
         > CLIENT FOO
         -ERR unknown subcommand 'FOO'. Try CLIENT HELP.
         > CLIENT SETINFO lib-name x
         +OK
         > HELLO 4
         -NOPROTO unsupported protocol version
         > CONFIG GET append*
         *4 $10 appendonly $3 yes $11 appendfsync $6 always
         > CONFIG SET appendfsync no
         -ERR CONFIG SET failed (possibly related to argument 'appendfsync') - can't set immutable config
         > COMMAND INFO get nope
         *2 *6 $3 get :2 *1 +readonly :1 :1 :1 *-1
         > INFO replication
         $48 # Replication role:master connected_slaves:0
         > FLUSHALL NOW
         -ERR syntax error",
    );
}

//! Transactions, and what WATCH notices.

use crate::commands::tests::check;

#[test]
fn transactions() {
    check(
        "> EXEC
         -ERR EXEC without MULTI
         > DISCARD
         -ERR DISCARD without MULTI
         > MULTI
         +OK
         > MULTI
         -ERR MULTI calls can not be nested
         > WATCH a
         -ERR WATCH inside MULTI is not allowed
         > SET a 1
         +QUEUED
         > HSET a f v
         +QUEUED
         > INCR a
         +QUEUED
         > EXEC
         *3 +OK -WRONGTYPE Operation against a key holding the wrong kind of value :2
         > MULTI
         +OK
         > FOO bar
         -ERR unknown command 'FOO', with args beginning with: 'bar'
         > SET a 5
         +QUEUED
         > EXEC
         -EXECABORT Transaction discarded because of previous errors.
         > MULTI
         +OK
         > GET
         -ERR wrong number of arguments for 'get' command
         > DISCARD
         +OK
         > WATCH a b
         +OK
         > SET b 1
         +OK
         > MULTI
         +OK
         > GET a
         +QUEUED
         > EXEC
         *-1
         > WATCH a none
         +OK
         > MULTI
         +OK
         > GET a
         +QUEUED
         > EXEC
         *1 $1 2
         > WATCH a
         +OK
         > INCR a
         :3
         > UNWATCH
         +OK
         > MULTI
         +OK
         > EXEC
         *0
         > MULTI
         +OK
         > EXEC x
         -EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command
         > EXEC
         -ERR EXEC without MULTI",
    );
}

#[test]
fn a_watched_key_that_expires_fails_the_transaction() {
    check(
        "@1000
         > SET a 1 PX 10
         +OK
         > WATCH a
         +OK
         @1010
         > MULTI
         +OK
         > SET b 1
         +QUEUED
         > EXEC
         *-1",
    );
}

/// What is there at EXEC looks just like what was there at WATCH; that it came and went is a change all the same.
#[test]
fn a_watched_key_that_comes_and_goes_fails_the_transaction() {
    for ends in ["> DEL a\n:1", "> FLUSHALL\n+OK", "> SET a 1 PXAT 1\n+OK\n@5"] {
        check(&format!("> WATCH a\n+OK\n> SET a 1\n+OK\n{ends}\n> MULTI\n+OK\n> EXEC\n*-1"));
        // Again, for a key that went away before it was watched.
        check(&format!(
            "> SET a 1\n+OK\n> DEL a\n:1\n> WATCH a\n+OK\n> SET a 1\n+OK\n{ends}\n> MULTI\n+OK\n> EXEC\n*-1"
        ));
    }
    // Nothing happened to it, though others came and went.
    check(
        "> SET a 1\n+OK\n> DEL a\n:1\n> WATCH a b\n+OK\n> SET c 1\n+OK\n> DEL c\n:1\n> MULTI\n+OK\n> EXEC\n*0",
    );
}

//! A connection that one caller has to itself: pipelines, and transactions guarded by `WATCH`.

use std::time::Duration;

use hop::http::Exchange;
use hop::trace;
use hop::upstream::{self, Failure, Permit, Pool};
use journey::semconv::attribute;
use journey::{Kind, Span};
use redis_protocol::resp2::decode::decode_bytes_mut;

use crate::pipeline::Pipeline;
use crate::reply::{Reply, SYSTEM, error_in, unexpected};

/// A connection to oneself. Dropped, it goes back to the pool, unless its next user would suffer from it: after a
/// request that was not completed, an error, or a `WATCH` without its transaction it is closed.
pub struct Connection<'a> {
    inner: Option<upstream::Connection>,
    pool: &'a Pool<upstream::Connection>,
    limit: Duration,
    fit: bool,
    // Last, so that whoever waits for it finds the connection in the pool.
    _permit: Permit<'a>,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(
        inner: upstream::Connection,
        pool: &'a Pool<upstream::Connection>,
        limit: Duration,
        permit: Permit<'a>,
    ) -> Self {
        Connection { inner: Some(inner), pool, limit, fit: true, _permit: permit }
    }

    /// All commands in one write, and as many replies.
    ///
    /// # Errors
    /// See [`Failure`]. An error among the replies is one: [`Failure::NotDone`] with Redis's words.
    pub async fn run(&mut self, pipeline: &Pipeline) -> Result<Vec<Reply>, Failure> {
        let (replies, span) = self.exchange(pipeline).await?;
        let exchange = Exchange::current();
        let Some((reply, text)) = replies.iter().find_map(|reply| Some((reply, error_in(reply)?))) else {
            exchange.emit(span);
            return Ok(replies);
        };
        self.fit = false;
        // Redis's errors begin with a word for their kind.
        let kind = text.split(' ').next().unwrap_or_default().to_owned();
        exchange.emit(span.with(attribute::ERROR_TYPE, kind).with(attribute::ERROR_MESSAGE, text.clone()));
        Err(match reply {
            // What Redis refuses while it queues a transaction makes EXEC do nothing. What fails inside EXEC does
            // not: there is no rollback.
            Reply::Array(_) => Failure::Refused { system: SYSTEM, text },
            _ => Failure::NotDone { system: SYSTEM, text },
        })
    }

    /// As [`Connection::run`], for commands that have nothing to do with each other: an error is a reply.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run_each(&mut self, pipeline: &Pipeline) -> Result<Vec<Reply>, Failure> {
        let (replies, span) = self.exchange(pipeline).await?;
        Exchange::current().emit(span);
        Ok(replies)
    }

    /// Begins an optimistic transaction: from now on changes of these keys by others make [`Connection::commit`] do
    /// nothing. Returns the replies to `look`, which runs in the same write.
    ///
    /// # Errors
    /// See [`Failure`]. There is no rollback in Redis, so what could fail in the transaction (a key of a wrong type)
    /// is best looked at here.
    pub async fn watch(&mut self, keys: &[&str], look: &Pipeline) -> Result<Vec<Reply>, Failure> {
        let mut all = Pipeline::new(look.operation());
        all.add(["WATCH"].iter().chain(keys)).extend(look);
        let mut replies = self.run(&all).await?;
        self.fit = false;
        Ok(replies.split_off(1))
    }

    /// All commands in one transaction (`MULTI`, `EXEC`): all replies, or `None` if a watched key was changed and
    /// nothing was done.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn commit(&mut self, change: &Pipeline) -> Result<Option<Vec<Reply>>, Failure> {
        let mut all = Pipeline::new(change.operation());
        all.add(["MULTI"]).extend(change).add(["EXEC"]);
        let done = self.run(&all).await?.pop();
        self.fit = true;
        match done {
            Some(Reply::Null) => Ok(None),
            Some(Reply::Array(replies)) if replies.len() == change.len() => Ok(Some(replies)),
            other => Err(unexpected(&other)),
        }
    }

    async fn exchange(&mut self, pipeline: &Pipeline) -> Result<(Vec<Reply>, Span), Failure> {
        let operation = pipeline.operation();
        let count = pipeline.len();
        let mut span = Exchange::current()
            .child(trace::new_span_id(), Kind::Client, operation, (0, 0))
            .with(attribute::DB_SYSTEM_NAME, "redis")
            .with(attribute::DB_OPERATION_NAME, operation);
        if count > 1 {
            span = span.with(attribute::DB_OPERATION_BATCH_SIZE, count as u64);
        }
        let request = pipeline.encode()?;
        let mut replies = Vec::with_capacity(count);
        // In doubt until the response is there, also if this future is dropped before.
        let fit = std::mem::replace(&mut self.fit, false);
        let Some(connection) = &mut self.inner else {
            return Err(Failure::NotDone { system: SYSTEM, text: "the connection is closed".to_owned() });
        };
        let decode = |input: &mut _| {
            while replies.len() < count {
                match decode_bytes_mut(input).map_err(|error| error.to_string())? {
                    Some((reply, _, _)) => replies.push(reply),
                    None => return Ok(None),
                }
            }
            Ok(Some(std::mem::take(&mut replies)))
        };
        let outcome = connection.request(span, self.limit, &request, decode).await;
        self.fit = fit && outcome.is_ok();
        outcome
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.inner.take().filter(|_| self.fit) {
            self.pool.put_back(connection);
        }
    }
}

//! The pool of connections, and how a new one begins.

use std::time::Duration;

use hop::upstream::{self, Failure, Pool};

use crate::connection::Connection;
use crate::pipeline::Pipeline;
use crate::reply::{Reply, SYSTEM, unexpected};
use crate::url::Url;

/// A client of one Redis. Connections are made when they are first needed.
pub struct Client {
    url: Url,
    limit: Duration,
    pool: Pool<upstream::Connection>,
}

impl Client {
    /// A client with at most so many connections; `limit` bounds each step (a free connection, a handshake, a reply).
    pub fn new(url: Url, connections: usize, limit: Duration) -> Self {
        Client { url, limit, pool: Pool::new(SYSTEM, "redis.pool", connections) }
    }

    /// A connection to oneself: one that is idle, or a new one, logged in (`AUTH`, `SELECT`).
    ///
    /// # Errors
    /// See [`Failure`]; nothing was sent but the login.
    pub async fn connection(&self) -> Result<Connection<'_>, Failure> {
        let permit = self.pool.permit(self.limit).await?;
        if let Some(connection) = self.pool.take(self.url.address) {
            return Ok(Connection::new(connection, &self.pool, self.limit, permit));
        }
        let connection = upstream::Connection::open(SYSTEM, self.url.address, self.limit).await?;
        let mut connection = Connection::new(connection, &self.pool, self.limit, permit);
        if let Some(password) = &self.url.password {
            let words = ["AUTH"].into_iter().chain(self.url.user.as_deref()).chain([password.as_str()]);
            connection.run(Pipeline::new("AUTH").add(words)).await?;
        }
        if self.url.database != 0 {
            let database = self.url.database.to_string();
            connection.run(Pipeline::new("SELECT").add(["SELECT", &database])).await?;
        }
        Ok(connection)
    }

    /// One command and its reply.
    ///
    /// # Errors
    /// See [`Failure`]; an error of Redis's is [`Failure::NotDone`] with its words.
    pub async fn query<'a>(
        &self,
        command: &'static str,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Result<Reply, Failure> {
        let mut pipeline = Pipeline::new(command);
        pipeline.add([command].into_iter().chain(arguments));
        self.run(&pipeline).await?.pop().ok_or_else(|| unexpected(&"no reply"))
    }

    /// As [`Connection::run`], on a connection of its own.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(&self, pipeline: &Pipeline) -> Result<Vec<Reply>, Failure> {
        self.connection().await?.run(pipeline).await
    }

    /// As [`Connection::run_each`], on a connection of its own.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run_each(&self, pipeline: &Pipeline) -> Result<Vec<Reply>, Failure> {
        self.connection().await?.run_each(pipeline).await
    }

    /// As [`Connection::commit`], on a connection of its own: nothing is watched, so it is done.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn commit(&self, change: &Pipeline) -> Result<Vec<Reply>, Failure> {
        let done = self.connection().await?.commit(change).await?;
        done.ok_or_else(|| unexpected(&"no transaction"))
    }
}

#[cfg(test)]
mod tests;

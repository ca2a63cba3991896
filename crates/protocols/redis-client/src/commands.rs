//! Commands that several programs need the same way.

use std::time::Duration;

use hop::upstream::Failure;

use crate::client::Client;
use crate::pipeline::Pipeline;
use crate::reply::{Reply, Text as _, unexpected};
use crate::stream::{Entry, StreamId, entries};

/// How many names of a hash come in one reply, as a wish: a small hash comes at once.
const HASH_PAGE: &str = "200";

impl Client {
    /// Replaces a value by another that lives for so long, or removes it, if it is still `old`; says whether it was.
    /// The guard is `WATCH`: no script needs to be allowed.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn compare_and_set(
        &self,
        key: &str,
        old: &str,
        new: Option<(&str, Duration)>,
    ) -> Result<bool, Failure> {
        let mut connection = self.connection().await?;
        let mut look = Pipeline::new("WATCH");
        look.add(["GET", key]);
        let seen = connection.watch(&[key], &look).await?;
        if seen.first().and_then(Reply::text) != Some(old) {
            return Ok(false);
        }
        let mut change = Pipeline::new("EXEC");
        match new {
            Some((new, lifetime)) => {
                change.add(["SET", key, new, "PX", &lifetime.as_millis().to_string()]);
            }
            None => {
                change.add(["DEL", key]);
            }
        }
        Ok(connection.commit(&change).await?.is_some())
    }

    /// Some of the names in a hash, and where to go on (`0`: those were all). A scan begins at `0`.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn hash_names(&self, key: &str, cursor: &str) -> Result<(Vec<String>, String), Failure> {
        let reply = self.query("HSCAN", [key, cursor, "COUNT", HASH_PAGE]).await?;
        let Reply::Array(parts) = &reply else { return Err(unexpected(&reply)) };
        let [cursor, Reply::Array(fields)] = &parts[..] else { return Err(unexpected(&reply)) };
        let names = fields.chunks(2).filter_map(|pair| pair[0].text().map(str::to_owned)).collect();
        Ok((names, cursor.text().unwrap_or("0").to_owned()))
    }

    /// The first entries of a stream from an id on. If so many are too large for one reply, one.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn stream_page(&self, key: &str, from: StreamId, count: usize) -> Result<Vec<Entry>, Failure> {
        let reply = match self.range(key, from, count).await {
            Err(Failure::Refused { .. }) if count > 1 => self.range(key, from, 1).await?,
            reply => reply?,
        };
        entries(&reply)
    }

    async fn range(&self, key: &str, from: StreamId, count: usize) -> Result<Reply, Failure> {
        self.query("XRANGE", [key, &from.to_string(), "+", "COUNT", &count.to_string()]).await
    }

    /// The id of a stream's newest entry, if there is one.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn stream_end(&self, key: &str) -> Result<Option<StreamId>, Failure> {
        let reply = self.query("XREVRANGE", [key, "+", "-", "COUNT", "1"]).await?;
        Ok(entries(&reply)?.first().map(|entry| entry.id))
    }
}

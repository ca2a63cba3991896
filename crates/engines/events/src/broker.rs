//! What all connections share: the topics, the appender, the producer ids, the memory budget.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context as _;
use hop::files;
use tokio::sync::Semaphore;

use crate::appender::{Appender, Ended};
use crate::config::Advertised;
use crate::limits::BUDGET;
use crate::retention::Retention;
use crate::topics::Topics;

/// The only broker of the cluster, by number.
pub const NODE: i32 = 1;

/// The cluster's name. Clients show it and compare it, no more.
pub const CLUSTER: &str = "request-journey";

/// Producer ids per run of the process, so that one number on disk keeps them apart.
const IDS_PER_RUN: u32 = u32::MAX;

/// The event log itself, without its sockets.
#[derive(Debug)]
pub struct Broker {
    pub topics: Topics,
    pub appender: Appender,
    /// The address that clients are told.
    pub advertised: Advertised,
    /// Partitions of a topic that is created on first use.
    pub partitions: i32,
    /// The memory budget for the bytes of large requests under way.
    pub request_memory: Arc<Semaphore>,
    /// The memory budget for the bytes of fetch responses under way.
    pub response_memory: Arc<Semaphore>,
    next_producer: AtomicI64,
    last_producer: i64,
    /// Held, never read: the operating system gives it back however this process ends.
    _lock: File,
}

impl Broker {
    /// Takes possession of the data folder, verifies what is there, and starts the appender.
    ///
    /// # Errors
    /// The folder cannot be used, another process uses it, or a log is damaged.
    pub fn open(
        data: &Path,
        advertised: Advertised,
        partitions: u16,
        retention: Retention,
    ) -> anyhow::Result<(Arc<Self>, Ended)> {
        fs::create_dir_all(data).with_context(|| format!("make the folder {}", data.display()))?;
        let lock = lock(data)?;
        let topics = Topics::open(data, retention)?;
        let run = next_run(data, &topics)?;
        let (appender, ended) = Appender::start().context("start the appender thread")?;
        let first = i64::from(run) << 32;
        let broker = Broker {
            topics,
            appender,
            advertised,
            partitions: i32::from(partitions),
            request_memory: Arc::new(Semaphore::new(BUDGET)),
            response_memory: Arc::new(Semaphore::new(BUDGET)),
            next_producer: AtomicI64::new(first),
            last_producer: first + i64::from(IDS_PER_RUN),
            _lock: lock,
        };
        Ok((Arc::new(broker), ended))
    }

    /// A producer id that was never given before, in this run or an earlier one; `None` when this
    /// run has given four billion.
    pub fn new_producer(&self) -> Option<i64> {
        let id = self.next_producer.fetch_add(1, Ordering::Relaxed);
        (id <= self.last_producer).then_some(id)
    }
}

/// One process per data folder: two would write into each other's logs.
fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("lock");
    let free = files::lock(&path).with_context(|| format!("lock {}", path.display()))?;
    free.with_context(|| {
        format!(
            "another process uses {data}: stop it (`fuser {path}` names it), or give this one a DATA_DIR of its own",
            data = data.display(),
            path = path.display()
        )
    })
}

/// How often this data folder was opened, this time included. On disk before it is used.
fn next_run(data: &Path, topics: &Topics) -> anyhow::Result<i32> {
    let path = data.join("runs");
    let runs = match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse::<i32>().ok().filter(|runs| (0..i32::MAX).contains(runs)).with_context(|| {
            format!("{} is damaged: write a number into it that is larger than ever before", path.display())
        })?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && topics.all().is_empty() => 0,
        Err(error) => return Err(error).with_context(|| {
            format!(
                "read {}: without it a new producer could get an old one's id, and its records would be dropped as repetitions; restore it, or write a number into it that is larger than ever before",
                path.display()
            )
        }),
    };
    let write = || {
        files::replace(&path, format!("{}\n", runs + 1).as_bytes())?;
        files::sync_folder(data)
    };
    write().with_context(|| format!("write {}", path.display()))?;
    Ok(runs + 1)
}

#[cfg(test)]
mod tests;

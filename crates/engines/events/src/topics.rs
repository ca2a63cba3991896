//! Which topics and partitions exist.
//!
//! ```text
//! DATA_DIR/topics/item-added/0/00000000000000000000.log     a segment, named after its first offset
//!                              00000000000000004711.log     the next one, beside some notes on both
//!                              start                        the offset where the log begins
//!                            1/…
//!          creating/         a topic half made; thrown away at start
//! ```
//! A topic is made under another name and moved to its own with one rename, so it exists with all its partitions
//! or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use hop::files::sync_folder;
use kafka_protocol::ResponseError;
use parking_lot::RwLock;

use crate::limits::MAX_PARTITIONS;
use crate::partition::Partition;
use crate::retention::Retention;

/// The longest topic name (Kafka's own rule).
const MAX_NAME: usize = 249;

type Partitions = Arc<[Arc<Partition>]>;

/// All topics of one data folder.
#[derive(Debug)]
pub struct Topics {
    folder: PathBuf,
    /// Where topics are made before they are moved to `folder`.
    creating_in: PathBuf,
    retention: Retention,
    known: RwLock<BTreeMap<String, Partitions>>,
    /// One creation at a time; readers need not wait for it.
    creating: tokio::sync::Mutex<()>,
}

/// Why a topic was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Not a name that Kafka allows.
    #[error("a topic's name has 1 to {MAX_NAME} of the characters a-z A-Z 0-9 . _ - and is not . or ..")]
    Name,
    /// No number of partitions a topic can have.
    #[error("a topic has 1 to {MAX_PARTITIONS} partitions")]
    Partitions,
    /// The server holds all the partitions it may.
    #[error("this server holds at most {MAX_PARTITIONS} partitions in all topics together")]
    Full,
    /// There is one already.
    #[error("the topic exists")]
    Exists,
    /// The disk refused.
    #[error("the topic's files could not be made")]
    Storage(#[source] io::Error),
}

impl CreateError {
    /// The Kafka protocol's name for it.
    pub fn code(&self) -> ResponseError {
        match self {
            CreateError::Name => ResponseError::InvalidTopicException,
            CreateError::Partitions => ResponseError::InvalidPartitions,
            CreateError::Full => ResponseError::PolicyViolation,
            CreateError::Exists => ResponseError::TopicAlreadyExists,
            CreateError::Storage(_) => ResponseError::KafkaStorageError,
        }
    }
}

impl Topics {
    /// Opens all topics below `data`, verifying what was not sealed. Partitions keep what `retention` says.
    ///
    /// # Errors
    /// A folder or file cannot be used, or a log is damaged: the error names it.
    pub fn open(data: &Path, retention: Retention) -> anyhow::Result<Self> {
        let folder = data.join("topics");
        let creating_in = data.join("creating");
        if creating_in.exists() {
            fs::remove_dir_all(&creating_in).with_context(|| format!("remove {}", creating_in.display()))?;
        }
        for each in [&folder, &creating_in] {
            fs::create_dir_all(each).with_context(|| format!("make the folder {}", each.display()))?;
        }
        let mut known = BTreeMap::new();
        for entry in read_folder(&folder)? {
            let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            anyhow::ensure!(
                check_name(&name).is_ok() && entry.is_dir(),
                "{} is not a topic's folder: move it out of {}",
                entry.display(),
                folder.display()
            );
            let count = read_folder(&entry)?.len();
            // Numbered from 0 without a gap: a missing one is missing data, not an empty partition.
            let partitions = (0..count).map(|number| {
                let folder = entry.join(number.to_string());
                anyhow::ensure!(
                    folder.is_dir(),
                    "{} holds {count} partitions, but {number} is not one of them",
                    entry.display()
                );
                Partition::open(&folder, retention).map(Arc::new)
            });
            known.insert(name, partitions.collect::<anyhow::Result<Partitions>>()?);
        }
        Ok(Topics {
            folder,
            creating_in,
            retention,
            known: RwLock::new(known),
            creating: tokio::sync::Mutex::new(()),
        })
    }

    /// The partitions of a topic.
    pub fn get(&self, name: &str) -> Option<Partitions> {
        self.known.read().get(name).cloned()
    }

    /// One partition of a topic, by the number that the client sent.
    pub fn partition(&self, name: &str, number: i32) -> Option<Arc<Partition>> {
        self.get(name)?.get(usize::try_from(number).ok()?).cloned()
    }

    /// All topics by name.
    pub fn all(&self) -> Vec<(String, Partitions)> {
        let known = self.known.read();
        known.iter().map(|(name, partitions)| (name.clone(), Arc::clone(partitions))).collect()
    }

    /// Creates a topic, or with `really` false only says whether it could be.
    ///
    /// # Errors
    /// Says why not.
    pub async fn create(&self, name: &str, partitions: i32, really: bool) -> Result<Partitions, CreateError> {
        check_name(name)?;
        let count = usize::try_from(partitions).unwrap_or_default();
        if count == 0 || count > MAX_PARTITIONS {
            return Err(CreateError::Partitions);
        }
        let _one_at_a_time = self.creating.lock().await;
        {
            let known = self.known.read();
            if known.contains_key(name) {
                return Err(CreateError::Exists);
            }
            if known.values().map(|partitions| partitions.len()).sum::<usize>() + count > MAX_PARTITIONS {
                return Err(CreateError::Full);
            }
        }
        if !really {
            return Ok(Arc::new([]));
        }
        let (temporary, path) = (self.creating_in.join(name), self.folder.join(name));
        let retention = self.retention;
        // Off the runtime's thread: this waits for the disk.
        let made = tokio::task::spawn_blocking(move || make(&temporary, &path, count, retention)).await;
        let partitions =
            made.unwrap_or_else(|gone| Err(io::Error::other(gone))).map_err(CreateError::Storage)?;
        let mut known = self.known.write();
        known.insert(name.to_owned(), Arc::clone(&partitions));
        tracing::info!(topic = name, partitions = count, "created");
        Ok(partitions)
    }
}

/// The names that Kafka allows, which are also harmless as names of folders.
fn check_name(name: &str) -> Result<(), CreateError> {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    let good = !name.is_empty()
        && name.len() <= MAX_NAME
        && name.bytes().all(allowed)
        && name != "."
        && name != "..";
    if good { Ok(()) } else { Err(CreateError::Name) }
}

fn read_folder(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let list = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    list().with_context(|| format!("list the folder {}", folder.display()))
}

/// Makes all files under a temporary name, has them synced, then moves them to their own.
fn make(temporary: &Path, path: &Path, count: usize, retention: Retention) -> io::Result<Partitions> {
    let build = || {
        match fs::remove_dir_all(temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir(temporary)?,
        }
        let mut partitions = Vec::with_capacity(count);
        for number in 0..count {
            let folder = temporary.join(number.to_string());
            fs::create_dir(&folder)?;
            let partition = Partition::create(&folder, &path.join(number.to_string()), retention)?;
            sync_folder(&folder)?;
            partitions.push(Arc::new(partition));
        }
        sync_folder(temporary)?;
        fs::rename(temporary, path)?;
        if let Some(parent) = path.parent() {
            sync_folder(parent)?;
        }
        Ok(partitions.into())
    };
    build().inspect_err(|error| tracing::error!(folder = %path.display(), %error, "create a topic"))
}

#[cfg(test)]
mod tests;

//! Every bound in one place. Together they bound the memory: 2 × [`BUDGET`] for requests and
//! responses under way, [`SMALL_FRAME`] per connection, and a few bytes per partition and producer.

use std::time::Duration;

/// The longest request. Longer ones close the connection before a byte of them is kept.
/// A producer sends at most one batch per partition at a time, so this is eight full batches.
pub const MAX_FRAME: usize = 8 << 20;

/// The longest record batch: Kafka's own default for `message.max.bytes`.
pub const MAX_BATCH: usize = 1_048_588;

/// The most record data in one fetch response, whatever the client allows.
pub const MAX_FETCH: usize = 4 << 20;

/// Requests and fetched data up to this size need no part of the [`BUDGET`]: whoever fills it, metadata
/// is told, small batches are taken, and consumers who keep up get their records.
pub const SMALL_FRAME: usize = 64 << 10;

/// Bytes of larger requests under way, and as many again of fetch responses, in the sum of all connections. Who
/// finds none left waits.
pub const BUDGET: usize = 64 << 20;

/// Requests of one connection that may wait for their responses. Above it the connection is not read.
pub const MAX_IN_FLIGHT: usize = 32;

/// How long a request may take from its first byte to its last, and a response until it is taken.
/// A client that is slower holds memory that others wait for.
pub const TRANSFER: Duration = Duration::from_secs(30);

/// How long a client may pause in the middle of a request. Large requests take turns, so that one
/// which stands still holds up the others.
pub const STALL: Duration = Duration::from_secs(3);

/// A connection that sends no request for so long is closed, as Kafka's `connections.max.idle.ms` says.
pub const IDLE: Duration = Duration::from_secs(600);

/// The longest a fetch may wait for data, whatever the client wants.
pub const MAX_WAIT: Duration = Duration::from_secs(300);

/// The longest time between two rounds that delete old segments.
pub const RETENTION_PAUSE: Duration = Duration::from_secs(10);

/// Partitions of all topics together: each holds one open file, and 1024 is the usual limit for all
/// files and sockets of a process.
pub const MAX_PARTITIONS: usize = 512;

/// List entries in one request. It bounds what decoding a request may allocate; see
/// [`crate::apis::guard`].
pub const MAX_ITEMS: usize = 10_000;

/// Idempotent producers that a partition remembers; those that wrote longest ago are forgotten.
pub const MAX_PRODUCERS: usize = 10_000;

/// Produce requests that may wait for the appender.
pub const APPEND_QUEUE: usize = 1024;

/// Files that one group commit syncs at the same time, each in a thread for as long as that takes.
pub const MAX_SYNCS: usize = 8;

/// Record bytes that one group commit takes at most, so that its buffers stay small.
pub const MAX_GROUP: usize = 16 << 20;

/// Records of one batch. Kafka has no such limit; this one bounds what a damaged batch can have held, whose offsets
/// are then never given again. One MiB of the shortest records is a seventh of it.
pub const MAX_RECORDS: i32 = 1 << 20;

/// Files with damaged or unfinished bytes that lie beside a partition's segments.
pub const MAX_ASIDE: usize = 16;

//! A client for Kafka: a producer that waits until the log has its records, and a reader that follows a topic.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use kafka_client::{Next, Producer, Reader, Record, Source, Topic};
//!
//! # async fn example() -> Result<(), kafka_client::Failure> {
//! let topic = Topic::parse("kafka://127.0.0.1:9092", "greetings").expect("a URL");
//! let producer = Producer::new(topic.clone(), "example", 4, Duration::from_secs(5));
//! let hello = Record::new("alice", "hello", 0).header("content-type", "text/plain");
//! let published = producer.publish(hop::trace::new_span_id(), &[hello]).await?;
//! println!("partition {}, offset {}", published.partition, published.offset);
//!
//! let mut reader = Reader::begin(Source { topic, follow: false }).await?;
//! while let Some(next) = reader.next().await? {
//!     match next {
//!         Next::Record(partition, record) => println!("{partition}: {:?}", record.value),
//!         Next::Note(note) => eprintln!("{note}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Each request is a CLIENT span of [`hop::http::Exchange::current`], with the offsets of its bytes on its connection
//! and the kernel's times of them. That is why this is not one of the usual clients: they multiplex many requests on
//! one connection and own its socket. A request that belongs to no exchange is sent the same, without a span.
//!
//! A [`Failure`] says whose fault it is, and whether the request is certain to have had no effect.
//!
//! | module | answers |
//! |---|---|
//! | `producer` | how does a record get into the log, once as a rule? |
//! | `stored` | is a record there already? |
//! | `reader`, `partition_reader` | what is in the log, in order, over every restart of its brokers? |
//! | `fetch` | which offset is where, and what lies there? |
//! | `broker` | one request on one connection, in a version that both sides know |
//! | `metadata`, `partitioner` | who leads which partition, and which one does a key belong to? |
//! | `settings` | what does a broker say of itself? |
//! | `batch` | what do records look like in the log? |
//! | `topic` | where is Kafka, and which topic? |

#![warn(missing_docs)]

mod batch;
mod broker;
mod failure;
mod fetch;
mod metadata;
mod partition_reader;
mod partitioner;
mod producer;
mod reader;
mod settings;
mod source;
mod stored;
mod topic;

pub use batch::Record;
pub use broker::Broker;
pub use hop::upstream::Failure;
pub use kafka_protocol::records::Record as StoredRecord;
pub use producer::{Producer, Published};
pub use reader::{Next, Reader};
pub use source::Source;
pub use topic::Topic;

//! What the store keeps of its work: one record for each batch that was read, executed and written at once.
//!
//! RESP carries no trace context. The report joins these records to the caller's spans by the connection and the byte
//! offsets of their stamps, so the offsets are those of the batch's last byte and the replies' last byte.

use hop::telemetry::{Ids, Record};
use hop::{Mark, Operation, Stamps};
use journey::semconv::{attribute, name};
use journey::{Flow, Kind, PartKind, Span};

use crate::commands::span_name;
use crate::executor::Times;
use crate::protocol::Commands;

/// A batch's name and size: `HINCRBY`, `MULTI`, or `PIPELINE` for several commands.
pub(crate) struct Name {
    operation: String,
    commands: usize,
}

/// Names a batch, which is not empty.
pub(crate) fn name(batch: &Commands) -> Name {
    let first = span_name(batch.name(0));
    let operation = if batch.len() > 1 && first != "MULTI" { "PIPELINE".to_owned() } else { first };
    Name { operation, commands: batch.len() }
}

/// A batch, from its last byte read to its last reply written.
pub(crate) struct Batch {
    name: Name,
    stamps: Stamps,
    read: Mark,
    /// How many bytes it has.
    size: u64,
    written: Mark,
    times: Vec<Times>,
}

impl Batch {
    /// Its last reply has just been written.
    pub(crate) fn new(name: Name, stamps: Stamps, (read, size): (Mark, u64), times: Vec<Times>) -> Self {
        let written = stamps.last_write();
        Batch { name, stamps, read, size, written, times }
    }

    /// What it went through, in order. `parse` begins where it begins and `answer` ends where it ends, so that the
    /// parts leave nothing out.
    fn parts(&self) -> impl Iterator<Item = (PartKind, &'static str, u64, u64)> {
        let own = |step, (from, to)| Some((PartKind::Own, step, from, to));
        let wait = |step, (from, to)| Some((PartKind::Wait, step, from, to));
        let parse = self.times.first().map(|first| own("parse", (self.read.at, first.queue.0)));
        let of_times = self.times.iter().enumerate().flat_map(move |(at, part)| {
            let durable = part.fsync.or(part.append).unwrap_or(part.execute).1;
            // Replies that come in turns: each turn is written before the next is handed over.
            let answered = self.times.get(at + 1).map_or(self.written.at, |next| next.queue.0);
            [
                wait(name::QUEUE, part.queue),
                own("execute", part.execute),
                part.append.and_then(|times| own("append", times)),
                part.fsync.and_then(|times| wait(name::FSYNC, times)),
                own("answer", (durable, answered)),
            ]
        });
        parse.into_iter().chain(of_times).flatten()
    }
}

impl Record for Batch {
    fn times(&self) -> (u64, u64) {
        (self.read.at, self.written.at)
    }

    fn flows(&self) -> [Option<Flow>; 2] {
        [Some(self.stamps.flow()), None]
    }

    fn operation(&self) -> Option<(Operation, &str)> {
        Some((Operation::Commands, &self.name.operation))
    }

    fn spans(&self, ids: Ids) -> Vec<Span> {
        let Name { operation, commands } = &self.name;
        let title = if operation == "PIPELINE" { format!("PIPELINE {commands}") } else { operation.clone() };
        let mut server = Span::new(ids.trace(), ids.span(0), None, Kind::Server, title, self.times())
            .with(attribute::DB_SYSTEM_NAME, "redis")
            .with(attribute::DB_OPERATION_NAME, operation.clone())
            .with(attribute::READ_SIZE, self.size);
        if *commands > 1 {
            server = server.with(attribute::DB_OPERATION_BATCH_SIZE, *commands as u64);
        }
        server.stamps =
            self.stamps.read_stamps(self.read).chain([self.stamps.write_stamp(self.written)]).collect();
        let parts = self.parts().enumerate().map(|(at, (kind, step, from, to))| {
            let times = (from, to.max(from));
            let id = ids.span(at + 1);
            let span = Span::new(ids.trace(), id, Some(ids.span(0)), Kind::Internal, step, times);
            // Without the attribute a span is work: most are, and need not say so.
            if kind == PartKind::Own { span } else { span.part(kind) }
        });
        parts.chain([server]).collect()
    }
}

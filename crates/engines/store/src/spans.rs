//! What the store keeps of its work: one record for each batch that was read, executed and written at once.
//!
//! RESP carries no trace context. The report joins these records to the caller's spans by the connection and the byte
//! offsets of their stamps, so the offsets are those of the batch's last byte and the replies' last byte.

use hop::telemetry::{Ids, Record, Short};
use hop::{Ends, Mark, Operation, Stamps};
use journey::semconv::{attribute, name};
use journey::{Flow, Kind, PartKind, Span};

use crate::commands::span_name;
use crate::executor::Times;
use crate::protocol::Commands;

/// A batch's name and size: `HINCRBY`, `MULTI`, or `PIPELINE` for several commands.
pub(crate) struct Name {
    operation: Short,
    commands: usize,
}

/// Names a batch, which is not empty.
pub(crate) fn name(batch: &Commands) -> Name {
    let first = span_name(batch.name(0));
    let pipelined = batch.len() > 1 && first.as_str() != "MULTI";
    let operation = if pipelined { Short::from("PIPELINE") } else { first };
    Name { operation, commands: batch.len() }
}

/// A batch, from its last byte read to its last reply written.
pub(crate) struct Batch {
    name: Name,
    ends: Ends,
    read: Mark,
    /// How many bytes it has.
    size: u64,
    written: Mark,
    turns: Turns,
}

/// When its commands were executed: nearly always at once. Those that wait for something, or whose replies are large, come
/// back for another turn.
#[derive(Default)]
pub(crate) struct Turns {
    first: Option<Times>,
    others: Vec<Times>,
}

impl Turns {
    pub(crate) fn push(&mut self, times: Times) {
        if self.first.is_none() { self.first = Some(times) } else { self.others.push(times) }
    }

    fn iter(&self) -> impl Iterator<Item = &Times> {
        self.first.iter().chain(&self.others)
    }
}

impl Batch {
    /// Its last reply has just been written.
    pub(crate) fn new(name: Name, stamps: &Stamps, (read, size): (Mark, u64), turns: Turns) -> Self {
        Batch { name, ends: stamps.ends(), read, size, written: stamps.last_write(), turns }
    }

    /// What it went through, in order. `parse` begins where it begins and `respond` ends where it ends, so that the
    /// parts leave nothing out.
    fn parts(&self) -> impl Iterator<Item = (PartKind, &'static str, u64, u64)> {
        let own = |step, (from, to)| Some((PartKind::Own, step, from, to));
        let wait = |step, (from, to)| Some((PartKind::Wait, step, from, to));
        let parse = self.turns.first.as_ref().map(|first| own("parse", (self.read.at, first.queue.0)));
        let of_times = self.turns.iter().enumerate().flat_map(move |(at, part)| {
            let durable = part.fsync.or(part.append).unwrap_or(part.execute).1;
            // Replies that come in turns: each turn is written before the next is handed over.
            let answered = self.turns.others.get(at).map_or(self.written.at, |next| next.queue.0);
            [
                wait(name::QUEUE, part.queue),
                own("execute", part.execute),
                part.append.and_then(|times| own("append", times)),
                part.fsync.and_then(|times| wait(name::FSYNC, times)),
                own("respond", (durable, answered)),
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
        [Some(self.ends.flow()), None]
    }

    fn operation(&self) -> Option<(Operation, &str)> {
        Some((Operation::Commands, self.name.operation.as_str()))
    }

    fn spans(&self, ids: Ids) -> Vec<Span> {
        let Name { operation, commands } = &self.name;
        let title = match operation.as_str() {
            "PIPELINE" => format!("PIPELINE {commands}"),
            other => other.to_owned(),
        };
        let mut server = Span::new(ids.trace(), ids.span(0), None, Kind::Server, title, self.times())
            .with(attribute::DB_SYSTEM_NAME, "redis")
            .with(attribute::DB_OPERATION_NAME, operation.as_str().to_owned())
            .with(attribute::READ_SIZE, self.size);
        if *commands > 1 {
            server = server.with(attribute::DB_OPERATION_BATCH_SIZE, *commands as u64);
        }
        server.stamps =
            self.ends.read_stamps(self.read).chain([self.ends.write_stamp(self.written)]).collect();
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

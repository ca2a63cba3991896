//! What the store reports of its work: one span for each batch that was read, executed and written at once.
//!
//! RESP carries no trace context. The report joins these spans to the caller's by the connection and the byte
//! offsets of their stamps, so the offsets are those of the batch's last byte and the replies' last byte.

use std::collections::VecDeque;

use hop::trace::{new_span_id, new_trace_id};
use hop::{Mark, Stamps, Telemetry};
use journey::semconv::{attribute, name};
use journey::{Kind, PartKind, Span};

use crate::commands::span_name;
use crate::executor::Times;
use crate::protocol::Command;

/// A batch's name and size: `HINCRBY`, `MULTI`, or `PIPELINE` for several commands.
pub(crate) struct Name {
    operation: String,
    commands: usize,
}

/// Names a batch, which is not empty.
pub(crate) fn name(batch: &VecDeque<Command>) -> Name {
    let first = batch.front().map(|command| span_name(&command[0])).unwrap_or_default();
    let operation = if batch.len() > 1 && first != "MULTI" { "PIPELINE".to_owned() } else { first };
    Name { operation, commands: batch.len() }
}

/// Emits the batch's SERVER span, from its last byte read to its last reply written, and its parts. `parse`
/// begins where it begins and `answer` ends where it ends, so that the parts leave nothing out.
pub(crate) fn emit(telemetry: &Telemetry, name: Name, stamps: &Stamps, wake: Mark, times: &[Times]) {
    let written = stamps.last_write();
    let (trace, server) = (new_trace_id(), new_span_id());
    let span = |step: &'static str, from: u64, to: u64| {
        Span::new(trace, new_span_id(), Some(server), Kind::Internal, step, (from, to.max(from)))
    };
    let step = |step, from, to| telemetry.emit(span(step, from, to));
    let wait = |step, from, to| telemetry.emit(span(step, from, to).part(PartKind::Wait));
    if let Some(first) = times.first() {
        step("parse", wake.at, first.queue.0);
    }
    for (at, part) in times.iter().enumerate() {
        wait(name::QUEUE, part.queue.0, part.queue.1);
        step("execute", part.execute.0, part.execute.1);
        if let Some((from, to)) = part.append {
            step("append", from, to);
        }
        if let Some((from, to)) = part.fsync {
            wait(name::FSYNC, from, to);
        }
        let durable = part.fsync.or(part.append).unwrap_or(part.execute).1;
        // Replies that come in turns: each turn is written before the next is handed over.
        step("answer", durable, times.get(at + 1).map_or(written.at, |next| next.queue.0));
    }
    let title = if name.operation == "PIPELINE" {
        format!("PIPELINE {}", name.commands)
    } else {
        name.operation.clone()
    };
    let mut span = Span::new(trace, server, None, Kind::Server, title, (wake.at, written.at))
        .with(attribute::DB_SYSTEM_NAME, "redis")
        .with(attribute::DB_OPERATION_NAME, name.operation);
    if name.commands > 1 {
        span = span.with(attribute::DB_OPERATION_BATCH_SIZE, name.commands as u64);
    }
    span.stamps = stamps.read_stamps(wake).chain([stamps.write_stamp(written)]).collect();
    telemetry.emit(span);
}

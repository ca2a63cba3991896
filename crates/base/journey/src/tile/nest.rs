//! Spans of one program, those that lie within another one inside it.

use crate::index::Index;
use crate::span::{Kind, Span};

/// A span and what its program did meanwhile.
pub(super) struct Nested<'a> {
    pub(super) span: &'a Span,
    pub(super) inside: Vec<Nested<'a>>,
}

impl<'a> Nested<'a> {
    /// What happened while a span lasted, in the order of time: what its program did, and the servers that name one
    /// of these spans as their parent, without a CLIENT span in between. `others` name the span's own parent: those
    /// among them that lie within it are such servers, too, of a program that passes on what it got.
    pub(super) fn descendants(index: &'a Index, parent: &Span, others: &[&'a Span]) -> Vec<Self> {
        let within = |it: &&&Span| it.start >= parent.start && it.end <= parent.end;
        let mut found = index.descendants(parent);
        found.extend(others.iter().filter(within).copied());
        found.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
        let mut nested = Vec::new();
        found.into_iter().for_each(|span| place(&mut nested, span));
        nested
    }

    /// Was another program called in it?
    pub(super) fn calls(&self) -> bool {
        self.span.kind != Kind::Internal || self.inside.iter().any(Nested::calls)
    }

    /// When its program began with it; 0 for another program's span: what happened before that arrived is told by
    /// its stamps.
    pub(super) fn begins(&self) -> u64 {
        if self.span.kind == Kind::Server { 0 } else { self.span.start }
    }
}

fn place<'a>(siblings: &mut Vec<Nested<'a>>, span: &'a Span) {
    match siblings.last_mut() {
        Some(last) if span.end <= last.span.end && span.start >= last.span.start => {
            place(&mut last.inside, span);
        }
        _ => siblings.push(Nested { span, inside: Vec::new() }),
    }
}

//! Spans of one program, those that lie within another one inside it.

use crate::index::Index;
use crate::span::{Kind, Span};

/// A span and what its program did meanwhile.
pub(super) struct Nested<'a> {
    pub(super) span: &'a Span,
    pub(super) inside: Vec<Nested<'a>>,
}

impl<'a> Nested<'a> {
    /// A span's children in the order of time. Other programs' spans are none: they are joined by their messages.
    pub(super) fn children(index: &'a Index, parent: &Span) -> Vec<Self> {
        let mut children: Vec<&'a Span> = index
            .children(parent.span_id)
            .filter(|span| span.kind != Kind::Server && span.kind != Kind::Consumer)
            .collect();
        children.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
        let mut nested = Vec::new();
        children.into_iter().for_each(|span| place(&mut nested, span));
        nested
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

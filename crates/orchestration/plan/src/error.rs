//! What is wrong with a plan: where, which key, what was expected, what to do.

use std::fmt;
use std::ops::Range;

/// A mistake in lab.toml, or in a `--set` or `--swap` that changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// `FILE:LINE`, or the option as it was typed.
    pub location: String,
    /// The dotted key, such as `hop.lb.balance`; empty when the text is not TOML at all.
    pub key: String,
    /// What is wrong and what was expected.
    pub problem: String,
    /// The change that helps, as a line to write where there is one.
    pub remedy: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.location)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.problem)?;
        if !self.remedy.is_empty() {
            write!(f, "\n  what to do: {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for PlanError {}

/// Every text that a plan was made of, one behind the other, so that an offset tells where it is from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    parts: Vec<Part>,
    length: usize,
}

#[derive(Clone, Debug)]
struct Part {
    label: String,
    start: usize,
    /// The text when lines are worth telling: of a file, not of an option.
    file: Option<String>,
}

impl Sources {
    /// Adds a file's text and returns the offset at which it begins.
    pub(crate) fn file(&mut self, label: &str, text: &str) -> usize {
        self.add(label.to_owned(), text.len(), Some(text.to_owned()))
    }

    /// Adds an option as it was typed; its text may be `length` bytes long.
    pub(crate) fn option(&mut self, label: String, length: usize) -> usize {
        self.add(label, length, None)
    }

    fn add(&mut self, label: String, length: usize, file: Option<String>) -> usize {
        let start = self.length;
        self.parts.push(Part { label, start, file });
        self.length += length + 1;
        start
    }

    /// `FILE:LINE` or the option.
    pub(crate) fn location(&self, span: &Range<usize>) -> String {
        let Some(part) = self.parts.iter().rev().find(|part| part.start <= span.start) else {
            return String::new();
        };
        match &part.file {
            None => part.label.clone(),
            Some(text) => {
                let offset = (span.start - part.start).min(text.len());
                let line = text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1;
                format!("{}:{line}", part.label)
            }
        }
    }

    /// An error at `span`.
    pub(crate) fn error(
        &self,
        span: &Range<usize>,
        key: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> PlanError {
        PlanError {
            location: self.location(span),
            key: key.into(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

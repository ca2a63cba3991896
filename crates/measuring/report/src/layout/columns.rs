//! Tables whose columns are as wide as what is in them, and which leave columns out where they would be too wide.

use super::{width, wrap};

/// Between two columns.
const GAP: usize = 2;
/// A text that has less room than this stands below its row.
const LEAST_TEXT: usize = 24;
/// How far what stands below a row is indented.
const BELOW: usize = 6;

/// A column of a [`Table`].
#[derive(Clone, Copy, Debug)]
pub struct Column {
    title: &'static str,
    right: bool,
    spare: u8,
}

impl Column {
    /// Words, one below the other.
    pub fn left(title: &'static str) -> Self {
        Column { title, right: false, spare: 0 }
    }

    /// Numbers, one below the other.
    pub fn right(title: &'static str) -> Self {
        Column { title, right: true, spare: 0 }
    }

    /// Left out where there is no room: the greatest number first.
    pub fn spare(self, order: u8) -> Self {
        Column { spare: order, ..self }
    }
}

/// Rows of cells, and what stands below them.
#[derive(Clone, Debug)]
pub struct Table {
    indent: usize,
    columns: Vec<Column>,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
enum Line {
    Row {
        cells: Vec<String>,
        /// Behind the columns, broken into as many lines as it needs.
        text: String,
    },
    Above(String),
    Below(String),
}

impl Table {
    /// A table without rows; without titles it has no head.
    pub fn new(indent: usize, columns: impl IntoIterator<Item = Column>) -> Self {
        Table { indent, columns: columns.into_iter().collect(), lines: Vec::new() }
    }

    /// A row with one cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.row_with(cells, "");
    }

    /// A row, and a text behind it.
    pub fn row_with(&mut self, cells: impl IntoIterator<Item = String>, text: impl Into<String>) {
        self.lines.push(Line::Row { cells: cells.into_iter().collect(), text: text.into() });
    }

    /// A heading of the rows that follow.
    pub fn above(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Above(text.into()));
    }

    /// What is to be said of the row before.
    pub fn below(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Below(text.into()));
    }

    /// The table in lines that are no wider than `limit`, where that can be.
    pub fn fit(&self, limit: usize) -> String {
        let shown = self.shown(limit);
        let mut out = String::new();
        if self.columns.iter().any(|column| !column.title.is_empty()) {
            let titles: Vec<_> = self.columns.iter().map(|column| column.title.to_owned()).collect();
            out.push_str(self.cells(&shown, &titles).trim_end());
            out.push('\n');
        }
        for line in &self.lines {
            match line {
                Line::Row { cells, text } => self.fit_row(&mut out, &self.cells(&shown, cells), text, limit),
                Line::Above(text) => out.push_str(&wrap(text, limit)),
                Line::Below(text) => out.push_str(&indented(text, self.indent + BELOW, limit)),
            }
        }
        out
    }

    /// The columns for which there is room, each with its width.
    fn shown(&self, limit: usize) -> Vec<(usize, usize)> {
        let rows = || {
            self.lines.iter().filter_map(|line| match line {
                Line::Row { cells, .. } => Some(cells),
                Line::Above(_) | Line::Below(_) => None,
            })
        };
        let widest = |at: usize| rows().filter_map(|cells| cells.get(at)).map(|cell| width(cell)).max();
        let all = self.columns.iter().enumerate();
        let mut shown: Vec<_> =
            all.map(|(at, column)| (at, widest(at).unwrap_or(0).max(width(column.title)))).collect();
        let taken = |shown: &[(usize, usize)]| {
            let columns = shown.iter().map(|(_, width)| width + GAP).sum::<usize>();
            self.indent + columns.saturating_sub(GAP)
        };
        while taken(&shown) > limit {
            let spare = |(at, _): &(usize, usize)| self.columns[*at].spare;
            let Some(most) = shown.iter().map(spare).max().filter(|most| *most > 0) else { break };
            shown.retain(|column| spare(column) != most);
        }
        shown
    }

    fn cells(&self, shown: &[(usize, usize)], cells: &[String]) -> String {
        let mut out = " ".repeat(self.indent);
        for (place, (at, column)) in shown.iter().enumerate() {
            let cell = cells.get(*at).map_or("", String::as_str);
            let blank = " ".repeat(column.saturating_sub(width(cell)));
            out.push_str(&" ".repeat(if place == 0 { 0 } else { GAP }));
            match self.columns[*at].right {
                true => out.extend([blank.as_str(), cell]),
                false => out.extend([cell, blank.as_str()]),
            }
        }
        out
    }

    fn fit_row(&self, out: &mut String, cells: &str, text: &str, limit: usize) {
        let at = width(cells) + GAP;
        let room = limit.saturating_sub(at);
        let words = text.split(' ').map(width).max().unwrap_or(0);
        if text.is_empty() {
            out.push_str(cells.trim_end());
            out.push('\n');
        } else if room < LEAST_TEXT || words > room {
            out.push_str(cells.trim_end());
            out.push('\n');
            out.push_str(&indented(text, self.indent + BELOW, limit));
        } else {
            let behind = indented(text, at, limit);
            out.push_str(cells);
            out.push_str(&behind[width(cells)..]);
        }
    }
}

fn indented(text: &str, by: usize, limit: usize) -> String {
    let margin = " ".repeat(by);
    wrap(text, limit.saturating_sub(by)).lines().map(|line| format!("{margin}{line}\n")).collect()
}

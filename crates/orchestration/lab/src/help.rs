//! Help that fits a terminal: paragraphs are filled, examples stand beside what they do, or above it.

use clap::builder::StyledStr;
use report::layout::{self, Column, Table};

use crate::hint;

/// A command line whose help is no wider than `width`, with examples as its reader types them.
pub(crate) fn laid_out(command: clap::Command, width: usize) -> clap::Command {
    let fit = |text: Option<&StyledStr>| text.map(|text| fit(&hint::typed(&text.to_string()), width));
    let (long, after) = (fit(command.get_long_about()), fit(command.get_after_help()));
    let mut command = command.term_width(width);
    if let Some(long) = long {
        command = command.long_about(long);
    }
    if let Some(after) = after {
        command = command.after_help(after);
    }
    command.mut_subcommands(|command| laid_out(command, width))
}

/// Indented lines are examples, others are paragraphs.
fn fit(text: &str, width: usize) -> String {
    let mut out = String::new();
    let lines: Vec<&str> = text.lines().collect();
    for block in lines.chunk_by(|a, b| kind(a) == kind(b)) {
        match kind(block[0]) {
            Kind::Blank => out.push('\n'),
            Kind::Example => out += &examples(block, width),
            Kind::Paragraph => out += &layout::wrap(&block.join(" "), width).replace("\n  ", "\n"),
        }
    }
    out.trim_end().to_owned()
}

#[derive(PartialEq)]
enum Kind {
    Blank,
    Example,
    Paragraph,
}

fn kind(line: &str) -> Kind {
    match line {
        "" => Kind::Blank,
        example if example.starts_with("  ") => Kind::Example,
        _ => Kind::Paragraph,
    }
}

/// Each line: a command and, behind two blanks or more, what it does.
fn examples(lines: &[&str], width: usize) -> String {
    let split = |line: &&str| {
        let (command, what) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
        (command.to_owned(), what.trim().to_owned())
    };
    let examples: Vec<_> = lines.iter().map(split).collect();
    let widest = examples.iter().map(|(command, _)| layout::width(command)).max().unwrap_or(0);
    if widest + INDENT <= width {
        let mut table = Table::new(INDENT, [Column::left("")]);
        examples.into_iter().for_each(|(command, what)| table.row_with([command], what));
        return table.fit(width);
    }
    let mut out = String::new();
    for (command, what) in examples {
        // Between backticks a command is broken as a shell reads it.
        let typed = layout::wrap(&format!("  `{command}`"), width + 2).replace('`', "");
        out += &typed;
        if !what.is_empty() {
            out += &layout::wrap(&format!("      {what}"), width);
        }
    }
    out
}

const INDENT: usize = 2;

#[cfg(test)]
mod tests;

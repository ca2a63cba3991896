//! `lab export`: a saved measurement in another form; and where every measurement is written.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use measure::{Measured, SCHEMA};
use report::{Style, export};

use crate::arguments::{Format, Global};
use crate::outcome::{Misuse, Outcome};
use crate::print;

pub(crate) fn run(
    global: &Global,
    file: &Path,
    format: Format,
    out: Option<&Path>,
) -> anyhow::Result<Outcome> {
    put(&read(file)?, format, out, global)?;
    Ok(Outcome::Good)
}

/// Reads what `lab measure --json` wrote; what is wrong with the file is the user's to mend.
pub(super) fn read(file: &Path) -> anyhow::Result<Measured> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).context("read standard input")?;
    } else {
        bytes = std::fs::read(file).map_err(|error| Misuse(format!("read {}: {error}", file.display())))?;
    }
    let measured: Measured = serde_json::from_slice(&bytes).map_err(|error| {
        let remedy = "give it a file that `lab measure --json --out FILE` wrote";
        Misuse(format!(
            "{} is no measurement in the form {SCHEMA}: {error}\n  what to do: {remedy}",
            file.display()
        ))
    })?;
    if measured.schema == SCHEMA {
        return Ok(measured);
    }
    let remedy = "measure again, or use the lab that wrote it";
    let other = format!("{} is of schema {}, this lab knows {SCHEMA}", file.display(), measured.schema);
    Err(Misuse(format!("{other}\n  what to do: {remedy}")).into())
}

/// Writes a measurement to a file, or to standard output.
pub(super) fn put(
    measured: &Measured,
    format: Format,
    out: Option<&Path>,
    global: &Global,
) -> anyhow::Result<()> {
    let text = match format {
        Format::Table => report::table(
            measured,
            Style { colour: out.is_none() && global.style().colour, ..global.style() },
        ),
        Format::Json => serde_json::to_string_pretty(measured)?,
        Format::Html => export::html::write(measured),
        Format::Har => serde_json::to_string_pretty(&export::har::write(measured))?,
        Format::Perfetto => serde_json::to_string(&export::perfetto::write(measured))?,
    };
    match out {
        None => print::result(&text).context("write to stdout")?,
        Some(path) => {
            std::fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))?;
            print::note(format_args!("written to {}", path.display()));
        }
    }
    Ok(())
}

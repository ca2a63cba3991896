//! The tables of docs/figures.md, which benchmarks write.

use anyhow::Context as _;

/// A table and the part of the document that it belongs to.
pub type Table = (&'static str, String);

/// The `main` of a benchmark with tables: `-- PART…` runs those parts alone, and `--write` puts their tables into the
/// document. `run` makes the tables of the parts that are wanted.
///
/// # Errors
/// What `run` says, or the document has no place for a table.
pub fn bench(
    bench: &str,
    run: impl AsyncFnOnce(&dyn Fn(&str) -> bool) -> anyhow::Result<Vec<Table>>,
) -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |option: &str| arguments.iter().any(|argument| argument == option);
    // `cargo test --benches` only wants to know that it builds.
    if !given("--bench") {
        return Ok(());
    }
    let chosen: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|name| *name == part);
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: its figures say little");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (part, table) in runtime.block_on(run(&wanted))? {
        println!("{table}");
        if given("--write") {
            write(bench, part, &table)?;
        }
    }
    Ok(())
}

/// Puts a table between the two marks of its part.
fn write(bench: &str, part: &str, table: &str) -> anyhow::Result<()> {
    let document = crate::program::root()?.join("docs/figures.md");
    let text = std::fs::read_to_string(&document).with_context(|| format!("read {}", document.display()))?;
    let (begin, end) = (format!("<!-- {bench}: {part} -->\n"), format!("<!-- end of {part} -->"));
    let missing = || format!("{} has no place for {part}: it lacks the line {begin:?}", document.display());
    let (before, rest) = text.split_once(&begin).with_context(missing)?;
    let (_, after) = rest.split_once(&end).with_context(missing)?;
    std::fs::write(document, format!("{before}{begin}{table}{end}{after}"))?;
    Ok(())
}

/// The lower quartile, the median and the upper quartile.
pub fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_unstable_by(f64::total_cmp);
    [1, 2, 3]
        .map(|quarter| values.get(values.len().saturating_sub(1) * quarter / 4).copied().unwrap_or(f64::NAN))
}

//! The tables of docs/figures.md, which benchmarks write.

use anyhow::Context as _;

/// Puts a table between the two marks of its part.
///
/// # Errors
/// The document has no place for it.
pub fn write(bench: &str, part: &str, table: &str) -> anyhow::Result<()> {
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

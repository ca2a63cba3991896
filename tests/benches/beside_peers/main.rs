//! The hops beside the best programs of their slots: each pair in one run, in turns, with the same load.
//!
//! `cargo bench -p tests --bench beside_peers` runs all, `… -- dns`, `… -- resolver` or `… -- store` one; `--write` puts the
//! tables into docs/figures.md. Progress on stderr, tables on stdout. The peers are Debian's (`apt-get install knot nsd
//! redis unbound`), with the settings that Debian gives them where speed depends on them.
//!
//! | module | answers |
//! |---|---|
//! | `dns`, `resolver` | who is compared with whom, over which zones? |
//! | `queries` | what is asked, and how are answers counted? |
//! | `store` | the same, with redis-benchmark as the client |
//! | `peer` | a running program, and what it has used of the processor |
//! | `rounds` | turns, ratios within a round, and how far they spread |

mod dns;
mod peer;
mod queries;
mod resolver;
mod rounds;
mod store;

use std::path::Path;

use anyhow::Context as _;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` only wants to know that it builds.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let chosen: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|name| *name == part);
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: its figures say little");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut tables = Vec::new();
    runtime.block_on(async {
        if wanted("dns") {
            tables.push(("dns", dns::run().await?));
        }
        if wanted("resolver") {
            tables.push(("resolver", resolver::run().await?));
        }
        if wanted("store") {
            tables.push(("store", store::run().await?));
        }
        anyhow::Ok(())
    })?;
    for (part, table) in &tables {
        println!("{table}");
        if arguments.iter().any(|argument| argument == "--write") {
            write(&tests::program::root()?.join("docs/figures.md"), part, table)?;
        }
    }
    Ok(())
}

/// Puts a table between the two marks of its part.
fn write(document: &Path, part: &str, table: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(document).with_context(|| format!("read {}", document.display()))?;
    let (begin, end) = (format!("<!-- beside_peers: {part} -->\n"), format!("<!-- end of {part} -->"));
    let missing = || format!("{} has no place for {part}: it lacks the line {begin:?}", document.display());
    let (before, rest) = text.split_once(&begin).with_context(missing)?;
    let (_, after) = rest.split_once(&end).with_context(missing)?;
    std::fs::write(document, format!("{before}{begin}{table}{end}{after}"))?;
    Ok(())
}

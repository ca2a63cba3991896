//! What the observer costs: the lab beside the programs that it observes.
//!
//! `cargo bench -p tests --bench observer` runs all, `… -- requests` or `… -- recording` one part; `--write` puts the
//! tables into docs/figures.md. Progress on stderr, tables on stdout.
//!
//! | module | answers |
//! |---|---|
//! | `requests` | what does the lab use while others send requests, and how much memory do programs take then? |
//! | `recording` | what does it cost a hop that a request is recorded? |

mod recording;
mod requests;

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
        if wanted("requests") {
            let (cost, memory) = requests::run().await?;
            tables.extend([("requests", cost), ("memory", memory)]);
        }
        if wanted("recording") {
            tables.push(("recording", recording::run().await?));
        }
        anyhow::Ok(())
    })?;
    for (part, table) in &tables {
        println!("{table}");
        if arguments.iter().any(|argument| argument == "--write") {
            tests::figures::write("observer", part, table)?;
        }
    }
    Ok(())
}

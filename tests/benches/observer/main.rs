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
    tests::figures::bench("observer", async |wanted| {
        let mut tables = Vec::new();
        if wanted("requests") {
            let (cost, memory) = requests::run().await?;
            tables.extend([("requests", cost), ("memory", memory)]);
        }
        if wanted("recording") {
            tables.push(("recording", recording::run().await?));
        }
        Ok(tables)
    })
}

//! The hops beside the best programs of their slots: each pair in one run, in turns, with the same load.
//!
//! `cargo bench -p tests --bench beside_peers` runs all, `… -- dns`, `… -- resolver`, `… -- proxies`, `… -- store` or
//! `… -- post` one; `--write` puts the tables into docs/figures.md. Progress on stderr, tables on stdout. The peers are
//! Debian's (`apt-get install haproxy knot nghttp2-client nginx nsd redis unbound`), with the settings that Debian gives them
//! where speed depends on them.
//!
//! | module | answers |
//! |---|---|
//! | `dns`, `resolver` | who is compared with whom, over which zones? |
//! | `queries` | what is asked, and how are answers counted? |
//! | `store` | the same, with redis-benchmark as the client |
//! | `proxies` | which three programs stand before the same server, and what is compared? |
//! | `chain` | how the three are set up, theirs as the recipes do |
//! | `requests` | what h2load sends, and what became of it |
//! | `post` | what does the whole request cost, and whom? |
//! | `peer` | a running program, and what it has used of the processor |
//! | `rounds` | turns, ratios within a round, and how far they spread |

mod chain;
mod dns;
mod peer;
mod post;
mod proxies;
mod queries;
mod requests;
mod resolver;
mod rounds;
mod store;

fn main() -> anyhow::Result<()> {
    tests::figures::bench("beside_peers", async |wanted| {
        let mut tables = Vec::new();
        if wanted("dns") {
            tables.push(("dns", dns::run().await?));
        }
        if wanted("resolver") {
            tables.push(("resolver", resolver::run().await?));
        }
        if wanted("proxies") {
            tables.push(("proxies", proxies::run().await?));
        }
        if wanted("store") {
            tables.push(("store", store::run().await?));
        }
        if wanted("post") {
            tables.push(("post", post::run().await?));
        }
        Ok(tables)
    })
}

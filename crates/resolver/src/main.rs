//! The resolver's process: settings, sockets, empty cache, serve.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use hop::listen::Pair;
use resolver::config::Settings;
use resolver::doh::Doh;
use resolver::iterate::Walker;
use resolver::respond::Resolver;
use resolver::server;

fn main() -> ExitCode {
    let settings = Settings::parse();
    hop::start("resolver", settings.common.clone(), async move |hop: hop::Hop| {
        let sockets = Pair::bind(settings.listen).await?;
        let doh = Doh::bind(&settings)?;
        let walker =
            Walker::new(settings.roots.clone(), settings.name_servers()).context("begin at the root")?;
        server::run(sockets, doh, Resolver::new(walker, hop.telemetry.clone()), hop).await
    })
}

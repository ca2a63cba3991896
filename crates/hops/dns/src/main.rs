//! The name server's process: settings, zones, sockets, serve.

use std::process::ExitCode;

use dns::config::Settings;
use dns::server;
use hop::listen::Pair;

fn main() -> ExitCode {
    let settings: Settings = hop::settings::parse();
    hop::start("dns", settings.common.clone(), async move |hop: hop::Hop| {
        let zones = settings.load_zones()?;
        let sockets = Pair::bind(settings.listen).await?;
        server::run(sockets, zones, settings, hop).await
    })
}

//! The Service's process: settings, socket, serve.

use std::process::ExitCode;

use clusterip::config::Settings;
use clusterip::server;

fn main() -> ExitCode {
    let settings: Settings = hop::settings::parse();
    hop::start("clusterip", settings.common.clone(), async move |hop: hop::Hop| {
        let listener = hop::listen::tcp(settings.listen)?;
        server::run(listener, settings, hop).await
    })
}

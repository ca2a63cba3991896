//! The resolver's process: settings, sockets, empty cache, serve.

use std::process::ExitCode;

use hop::listen::Pair;
use resolver::config::Settings;
use resolver::doh::Doh;
use resolver::respond::Responder;
use resolver::server;

fn main() -> ExitCode {
    let settings: Settings = hop::settings::parse();
    hop::start("resolver", settings.common.clone(), async move |hop: hop::Hop| {
        let sockets = Pair::bind(settings.listen).await?;
        let doh = Doh::bind(&settings)?;
        let responder = Responder::new(settings.roots.clone(), settings.servers(), &hop.telemetry);
        server::run(sockets, doh, responder, hop).await
    })
}

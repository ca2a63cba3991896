//! The Ingress controller's process: settings, rules, socket, then [`ingress::server::run`].

use std::process::ExitCode;

use hop::start::Misuse;
use ingress::config::Settings;
use ingress::server;

fn main() -> ExitCode {
    let settings: Settings = hop::settings::parse();
    hop::start("ingress", settings.common.clone(), async move |hop| {
        let routes = settings.routes().map_err(|error| Misuse(error.to_string()))?;
        let listener = hop::listen::tcp(settings.listen)?;
        server::run(listener, routes, settings, hop).await;
        Ok(())
    })
}

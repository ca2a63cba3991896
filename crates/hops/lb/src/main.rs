//! The load balancer's process: settings, certificate, socket, then [`lb::server::run`].

use std::process::ExitCode;

use hop::start::Misuse;
use lb::config::Settings;
use lb::server;
use lb::tls::Certificates;

fn main() -> ExitCode {
    let settings: Settings = hop::settings::parse();
    hop::start("lb", settings.common.clone(), async move |hop| {
        let certificates = Certificates::load(&settings.tls_cert, &settings.tls_key)
            .map_err(|error| Misuse(format!("{error:#}")))?;
        let listener = hop::listen::tcp(settings.listen)?;
        server::run(listener, certificates, settings, hop).await
    })
}

//! The event log's process: settings in, exit code out.

use std::process::ExitCode;

use events::{config::Settings, server};

fn main() -> ExitCode {
    let settings: Settings = hop::settings::parse();
    hop::start("events", settings.common.clone(), async move |hop: hop::Hop| {
        settings.check()?;
        let listener = hop::listen::tcp(settings.listen)?;
        server::run(listener, settings, hop).await
    })
}

//! The inventory service's process: settings, socket, database, serve.

use std::process::ExitCode;

use inventory::config::Settings;
use inventory::server;
use inventory::stock::Stock;

fn main() -> ExitCode {
    let settings: Settings = hop::settings::parse();
    hop::start("inventory", settings.common.clone(), async move |hop: hop::Hop| {
        let listener = hop::listen::tcp(settings.listen)?;
        let stock = Stock::open(&settings.database, &settings.seed.0).await?;
        server::run(listener, stock, hop).await
    })
}

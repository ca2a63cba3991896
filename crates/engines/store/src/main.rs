//! The store's process: settings, socket, then [`store::run`].

use std::process::ExitCode;

use store::Settings;

fn main() -> ExitCode {
    let settings: Settings = hop::settings::parse();
    hop::start("store", settings.common.clone(), async move |hop| {
        let listener = hop::listen::tcp(settings.listen)?;
        store::run(listener, settings, hop).await
    })
}

//! The cart service's process: settings in, exit code out.

use std::process::ExitCode;

use cart::{config::Settings, server, shop::Shop};

fn main() -> ExitCode {
    let settings: Settings = hop::settings::parse();
    hop::start("cart", settings.common.clone(), async move |hop: hop::Hop| {
        let shop = Shop::new(&settings, &hop)?;
        let listener = hop::listen::tcp(settings.listen)?;
        server::run(listener, shop, &settings, hop).await;
        Ok(())
    })
}

//! What the inventory service is told: where to listen, where its data is, what to begin with.

use std::net::SocketAddr;
use std::str::FromStr;

use sql_client::DatabaseUrl;

use crate::stock::{Item, ProductId};

/// The inventory service: answers over HTTP how many of a product are available.
///
/// It stands for a Deployment behind the Service "inventory-service" in Kubernetes. Several instances
/// may share one database.
#[derive(clap::Parser, Clone, Debug)]
#[command(version, after_help = EXAMPLE)]
pub struct Settings {
    /// Where to answer HTTP
    #[arg(long, env = "LISTEN", value_name = "IP:PORT", default_value = "127.244.1.16:8080")]
    pub listen: SocketAddr,

    /// The database: sqlite:data/inventory.db (its folder is created), or postgres://user:password@ip:port/db
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database: DatabaseUrl,

    /// What the shop has on its first day; a product that is already in the database keeps its number
    #[arg(
        long,
        env = "SEED",
        value_name = "PRODUCT=N,…",
        default_value = "PROD-123=1000000,PROD-124=0,PROD-125=5"
    )]
    pub seed: Seed,

    #[command(flatten)]
    pub common: hop::Common,
}

const EXAMPLE: &str = "\
By hand:
  inventory --listen 127.0.0.1:20000 --database sqlite:/tmp/inventory/stock.db &
  curl -i 127.0.0.1:20000/stock/PROD-123
  curl -i -X PUT -H 'content-type: application/json' -d '{\"available\": 7}' 127.0.0.1:20000/stock/PROD-9
  curl 127.0.0.1:20000/stock
  kill -9 %1      # the 7 is still there when it is started again";

/// What to begin with; empty when the text is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seed(pub Vec<Item>);

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut items: Vec<Item> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let item = item(part)?;
            if items.iter().any(|earlier| earlier.product_id == item.product_id) {
                return Err(format!("{} is there twice", item.product_id));
            }
            items.push(item);
        }
        Ok(Seed(items))
    }
}

fn item(part: &str) -> Result<Item, String> {
    let (id, available) =
        part.split_once('=').ok_or_else(|| format!("{part:?}: expected PRODUCT=N, such as PROD-123=5"))?;
    let product_id: ProductId = id.parse().map_err(|error| format!("{id:?}: {error}"))?;
    let available = available
        .parse()
        .map_err(|_| format!("{available:?}: expected a whole number from 0 to {}", u32::MAX))?;
    Ok(Item { product_id, available })
}

#[cfg(test)]
mod tests;

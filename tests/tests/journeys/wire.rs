//! A wire that can be made slow.

use tests::fixture::{Fixture, Room};
use tests::relay::Relay;

/// The name of the wire between the lb and its ingress.
pub(crate) const WIRE: &str = "wire";

/// A lab whose lb reaches its ingress over a wire, named [`WIRE`].
pub(crate) async fn behind_a_wire(name: &str) -> anyhow::Result<(Fixture, Relay)> {
    let room = Room::take(name).await?;
    let relay = Relay::tcp("127.0.0.1:0".parse()?, format!("127.0.1.100:{}", room.port(8080)).parse()?)?;
    let options = room
        .options()
        .set("hop.wire.role", "ingress")
        .set("hop.wire.external", format!("\"http://{}\"", relay.address()))
        .set("hop.wire.rules", "[{ path = \"/\", service = \"cart-service\" }]")
        .set("hop.lb.upstreams", "[\"wire\"]");
    Ok((room.start(options).await?, relay))
}

//! A wire that can be made slow.

use tests::fixture::{Fixture, TestSlot};
use tests::slow_link::SlowLink;

/// The name of the wire between the lb and its ingress.
pub(crate) const WIRE: &str = "wire";

/// A lab whose lb reaches its ingress over a wire, named [`WIRE`].
pub(crate) async fn behind_a_wire(name: &str) -> anyhow::Result<(Fixture, SlowLink)> {
    let slot = TestSlot::take(name).await?;
    let link = SlowLink::tcp("127.0.0.1:0".parse()?, format!("127.0.1.100:{}", slot.port(8080)).parse()?)?;
    let options = slot
        .options()
        .set("hop.wire.role", "ingress")
        .set("hop.wire.external", format!("\"http://{}\"", link.address()))
        .set("hop.wire.rules", "[{ path = \"/\", service = \"cart-service\" }]")
        .set("hop.lb.upstreams", "[\"wire\"]");
    Ok((slot.start(options).await?, link))
}

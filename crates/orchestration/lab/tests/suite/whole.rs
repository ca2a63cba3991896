use std::time::Duration;

use lab::{Lab, Options};

#[tokio::test]
async fn adding_an_item() -> anyhow::Result<()> {
    let lab = Lab::start(Options::for_test("adding-an-item")).await?;

    let cold = lab.post_cart_item("PROD-123", 1).await?;
    assert_eq!(cold.status, Some(201));
    assert_eq!((cold.counts.dns_queries, cold.counts.tls_handshakes), (4, 1));

    let warm = lab.post_cart_item("PROD-123", 1).await?;
    assert_eq!((warm.counts.dns_queries, warm.counts.tls_handshakes), (0, 0));
    assert!(warm.hop("ingress").own() + warm.hop("cart").own() < warm.total());
    assert_eq!(warm.order()[..4], ["browser", "lb", "ingress", "cart-service"]);

    let many = lab.measure_warm(30).await?;
    let verdict = many.p50(|j| j.hop("ingress").own()).within(Duration::from_millis(50));
    assert!(!verdict.is_over(), "{verdict}");

    lab.stop().await;
    Ok(())
}

use super::*;

#[tokio::test]
async fn what_was_not_sent_can_be_lent_again() {
    let body = Unsent::new(full("all of it"));
    for _ in 0..2 {
        let lent = body.lend();
        assert_eq!((lent.size_hint().exact(), lent.is_end_stream()), (Some(9), false));
        assert!(!body.is_here());
        drop(lent);
        assert!(body.is_here());
    }
    let mut lent = body.lend();
    assert_eq!(lent.frame().await.unwrap().unwrap().into_data().unwrap(), "all of it");
    drop(lent);
    assert!(!body.is_here());
    assert!(body.lend().is_end_stream());
}

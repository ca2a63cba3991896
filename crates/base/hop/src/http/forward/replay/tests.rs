use super::*;

#[tokio::test]
async fn what_was_not_sent_can_be_lent_again() {
    let body = Unsent::new(full("all of it"));
    for _ in 0..2 {
        let attempted = body.attempt();
        assert_eq!((attempted.size_hint().exact(), attempted.is_end_stream()), (Some(9), false));
        assert!(!body.is_here());
        drop(attempted);
        assert!(body.is_here());
    }
    let mut attempted = body.attempt();
    assert_eq!(attempted.frame().await.unwrap().unwrap().into_data().unwrap(), "all of it");
    drop(attempted);
    assert!(!body.is_here());
    assert!(body.attempt().is_end_stream());
}

use super::*;

async fn late(waiting: &mut RateWatch) -> Duration {
    let begun = clock::monotonic();
    std::future::poll_fn(|context| waiting.poll_late(context)).await;
    clock::since(begun)
}

#[tokio::test]
async fn a_stall_ends_at_its_limit_and_drops_do_not_make_up_for_the_rate() {
    let limit = MinRate { stall: Duration::from_millis(60), rate: 1000 };
    let mut silent = RateWatch::new(limit);
    assert!(late(&mut silent).await >= Duration::from_millis(59));

    // A byte earns a millisecond. Whoever sends one every 20 ms is late after about three of them.
    let mut dripping = RateWatch::new(limit);
    let mut drops = 0;
    while tokio::time::timeout(Duration::from_millis(20), late(&mut dripping)).await.is_err() {
        dripping.moved(1);
        drops += 1;
        assert!(drops < 10, "a drip of {drops} bytes is still waited for");
    }

    // What came fast is no credit for a longer stall.
    let mut generous = RateWatch::new(limit);
    generous.moved(1 << 30);
    assert_eq!(generous.allowed(), limit.stall);
}

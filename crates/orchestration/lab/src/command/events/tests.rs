use super::*;

#[test]
fn the_topic_is_the_plans() {
    let plan = |set: &str| {
        let sets = [format!("hop.kafka.{set}")];
        Plan::parse("lab.toml", plan::DEFAULT, std::path::Path::new(""), &sets, &[]).expect("a plan")
    };
    assert_eq!(topic(&plan("partitions=5")), "cart-events");
    assert_eq!(topic(&plan("external=kafka://127.0.0.1:9092")), "cart-events");
    assert_eq!(topic(&plan("external=kafka://127.0.0.1:9092/other")), "other");
}

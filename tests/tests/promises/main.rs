//! What the shop promises, on the default engines and on real ones.
//!
//! | module | holds the shop to |
//! |---|---|
//! | `force` | `kill -9` of everything in turn under load: what is acknowledged is kept, once, and nothing is sold twice |
//! | `retry` | a request that is sent again with its `Idempotency-Key` lands once |
//! | `carts` | adds at the same moment, stock that runs out, units that come back |
//! | `outage` | events while Kafka is down, units of a pod that died with them |
//! | `trouble` | one cart's trouble stays its own |
//! | `follow` | `lab events --follow` |
//! | `twin` | a liar in the stack is caught by the same checks |
//!
//! `stage` is a lab with its engines, `load` sends requests at their times, `check` judges what is there
//! afterwards: pure functions, each of which is shown spoilt data, too.
//!
//! One engine's tests: `cargo test -p tests --test promises on_the_defaults` (or `on_real_redis_and_postgres`,
//! `on_real_kafka_redis_and_postgres`). An engine that can't be had is named; under `CI` that fails.

mod carts;
mod check;
mod follow;
mod force;
mod load;
mod outage;
mod retry;
mod stage;
mod trouble;
mod twin;

/// Every promise on every set of engines, each with a lab of its own.
macro_rules! promises {
    ($($module:ident::$promise:ident),* $(,)?) => {
        promises! { on_the_defaults: Defaults, $($module::$promise),* }
        promises! { on_real_redis_and_postgres: RedisAndPostgres, $($module::$promise),* }
        promises! { on_real_kafka_redis_and_postgres: KafkaRedisAndPostgres, $($module::$promise),* }
    };
    ($engines:ident: $set:ident, $($module:ident::$promise:ident),*) => {
        mod $engines {
            $(#[tokio::test]
            async fn $promise() -> anyhow::Result<()> {
                crate::$module::$promise(crate::stage::Engines::$set).await
            })*
        }
    };
}

promises! {
    force::acknowledged_is_kept_once_whatever_is_killed,
    retry::a_retry_on_another_pod_lands_once,
    retry::nine_at_once_with_one_key_land_once,
    carts::three_pods_add_to_one_cart_and_lose_nothing,
    carts::ninety_want_fifty_and_fifty_get_one,
    carts::a_removal_returns_the_units,
    outage::an_event_is_told_when_kafka_is_back,
    outage::a_pod_that_died_with_units_in_hand_loses_none,
    trouble::one_carts_trouble_stays_its_own,
    trouble::a_customer_tells_what_was_left_behind,
    trouble::what_makes_no_sense_is_set_aside_or_said,
    follow::each_event_is_printed_once_in_order_with_its_trace,
}

use kafka_protocol::messages::ApiKey;

use super::{Unsound, check};
use crate::limits::MAX_ITEMS;

#[test]
fn a_list_cannot_promise_more_than_it_holds() {
    // Metadata version 1: a list of topics, and nothing in it.
    for count in [1_i32, 1000, i32::MAX] {
        assert_eq!(check(ApiKey::Metadata, 1, &count.to_be_bytes()), Err(Unsound::TooMany), "{count}");
    }
    assert_eq!(check(ApiKey::Metadata, 1, &(-1_i32).to_be_bytes()), Ok(()), "all topics");
    assert_eq!(check(ApiKey::Metadata, 1, &(-2_i32).to_be_bytes()), Err(Unsound::Negative));
    // Version 9: the same in the compact form, with the largest number that five bytes can say.
    assert_eq!(check(ApiKey::Metadata, 9, &[0xff, 0xff, 0xff, 0xff, 0x0f]), Err(Unsound::TooMany));
    assert_eq!(check(ApiKey::Metadata, 9, &[0xff, 0xff, 0xff, 0xff]), Err(Unsound::Short));
}

#[test]
fn a_request_cannot_hold_too_many_entries_in_all() {
    // Two-byte names that are empty.
    let topics = |count: usize| {
        let mut body = i32::try_from(count).expect("fits").to_be_bytes().to_vec();
        body.resize(4 + 2 * count, 0);
        body
    };
    assert_eq!(check(ApiKey::Metadata, 1, &topics(MAX_ITEMS)), Ok(()));
    assert_eq!(check(ApiKey::Metadata, 1, &topics(MAX_ITEMS + 1)), Err(Unsound::TooMany));
}

#[test]
fn only_what_is_served_is_looked_at() {
    assert_eq!(check(ApiKey::JoinGroup, 0, &[]), Err(Unsound::NotServed));
}

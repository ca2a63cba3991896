use redis_client::testing::scripted;

use super::*;
use crate::testing::client;

/// A mark that can't be read, or that was not taken, says nothing about a reservation.
#[tokio::test]
async fn a_reservation_is_settled_only_by_what_is_known_of_it() {
    const REPLIES: &str = "+OK\r\n$-1\r\n$-1\r\n-OOM command not allowed\r\n\
                           $7\r\ndropped\r\n$4\r\nkept\r\n-WRONGTYPE Operation\r\n$-1\r\n";
    let (address, _server) = scripted(vec![REPLIES.into()]).await;
    let held = ["r1", "r2", "r3", "r4"]
        .map(|id| Held { reservation_id: id.to_owned(), product_id: "PROD-1".to_owned() });
    let ended = end(&client(address), &held).await.expect("replies");
    assert_eq!(ended[..2], [Ok(false), Ok(true)]);
    assert!(ended[2].as_ref().is_err_and(|text| text.starts_with("WRONGTYPE")), "{ended:?}");
    assert!(ended[3].as_ref().is_err_and(|text| text.starts_with("OOM")), "{ended:?}");
}

#[test]
fn new_names_lie_behind_older_ones_and_are_never_the_same() {
    let before = hop::clock::now() / 1_000_000;
    let names: Vec<String> = (0..1_000).map(|_| new_name()).collect();
    let after = hop::clock::now() / 1_000_000;
    for name in &names {
        let moment = u64::from_str_radix(&name[..12], 16).expect("hexadecimal");
        assert!(is_name(name) && name.len() == 32 && (before..=after).contains(&moment), "{name}");
    }
    assert_eq!(names.iter().collect::<std::collections::HashSet<_>>().len(), names.len());
}

#[test]
fn a_name_is_one_that_the_participant_would_take() {
    for good in ["r1", "0af7651916cd43dd8448eb211c80319c", "a-b_c.d"] {
        assert!(is_name(good), "{good}");
    }
    for wrong in ["", "no name", "a/b", &"x".repeat(65)] {
        assert!(!is_name(wrong), "{wrong}");
    }
}

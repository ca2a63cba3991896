use super::*;

#[test]
fn a_bar_shows_its_share_and_never_more_than_the_whole() {
    assert_eq!(bar(50, 100).chars().count(), BAR / 2);
    assert_eq!(bar(200, 100).chars().count(), BAR);
    assert_eq!(bar(1, 0), "");
}

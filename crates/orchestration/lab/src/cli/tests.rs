use anyhow::Context as _;

use super::*;

#[test]
fn a_full_disk_and_a_folder_of_others_have_a_remedy() {
    let of = |kind: ErrorKind| {
        let error =
            Err::<(), _>(std::io::Error::from(kind)).context("write run.json").context("start the lab");
        remedy(&error.expect_err("an error"))
    };
    assert!(of(ErrorKind::StorageFull).is_some_and(|remedy| remedy.contains("make room")));
    assert!(of(ErrorKind::PermissionDenied).is_some_and(|remedy| remedy.contains("lab.state")));
    assert_eq!(of(ErrorKind::ConnectionRefused), None);
}

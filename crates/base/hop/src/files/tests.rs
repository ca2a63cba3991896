use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn a_file_is_replaced_whole_and_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("start");
    fs::write(path.with_added_extension("new"), "half of what an interrupted run wrote").unwrap();
    for content in ["1", "22"] {
        replace(&path, content.as_bytes()).unwrap();
        sync_folder(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");

    // Something in the way leaves what was there.
    fs::create_dir(path.with_added_extension("new")).unwrap();
    replace(&path, b"333").unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), "22");
}

#[test]
fn a_lock_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let first = lock(&path).unwrap().expect("nobody has it");
    assert!(lock(&path).unwrap().is_none());
    drop(first);
    assert!(lock(&path).unwrap().is_some());
    lock(&folder.path().join("nowhere/lock")).unwrap_err();
}

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn run() -> Run {
    Run {
        pid: 42,
        since_unix_ns: 1,
        control: "127.0.0.1:1".parse().expect("an address"),
        secret: Secret::random(),
        config: "lab.toml".to_owned(),
        build: "debug".to_owned(),
        hops: Vec::new(),
        hosts: BTreeMap::new(),
    }
}

#[test]
fn one_lab_of_a_name() {
    let states = tempfile::tempdir().expect("a folder");
    assert!(running(states.path(), "lab").is_none());
    let held = RunFolder::claim(states.path(), "lab").expect("it is free");
    let error = RunFolder::claim(states.path(), "lab").expect_err("it is held");
    assert!(error.to_string().contains("just starting"), "{error}");
    held.announce(&run()).expect("it is writable");
    let error = RunFolder::claim(states.path(), "lab").expect_err("it is held").to_string();
    assert!(
        error.contains("pid 42") && error.contains("lab stop") && error.contains("port_offset"),
        "{error}"
    );
    let found = running(states.path(), "lab").expect("it runs");
    assert_eq!((found.pid, found.secret.as_str()), (42, held.secret().as_str()));
    for file in ["run.json", SECRET] {
        let mode = std::fs::metadata(held.path().join(file)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    RunFolder::claim(states.path(), "two").expect("another name is free");
    drop(held);
    assert!(running(states.path(), "lab").is_none());
    RunFolder::claim(states.path(), "lab").expect("it is free again");
}

#[test]
fn what_a_killed_lab_left_is_recognised() {
    let states = tempfile::tempdir().expect("a folder");
    let held = RunFolder::claim(states.path(), "lab").expect("it is free");
    held.announce(&run()).expect("it is writable");
    let data = held.path().join("data/redis");
    std::fs::write(&data, "kept").expect("it is writable");
    std::fs::write(held.log("lb"), "old").expect("it is writable");
    // kill -9: the kernel gives the lock back, the files stay.
    let folder = held.path().to_owned();
    drop(held);
    std::fs::write(folder.join("run.json"), serde_json::to_vec(&run()).expect("JSON")).expect("writable");
    assert!(running(states.path(), "lab").is_none(), "nobody holds the lock");
    let held = RunFolder::claim(states.path(), "lab").expect("it is free");
    assert!(!folder.join("run.json").exists() && !held.log("lb").exists());
    assert_eq!(std::fs::read_to_string(&data).expect("it is kept"), "kept");
}

use super::*;

#[test]
fn programs_lie_beside_the_lab() {
    assert_eq!(beside(Path::new("/w/target/debug/lab")), Path::new("/w/target/debug"));
    assert_eq!(beside(Path::new("/w/target/debug/deps/suite-1a2b")), Path::new("/w/target/debug"));
    assert_eq!(beside(Path::new("/usr/local/bin/lab")), Path::new("/usr/local/bin"));
}

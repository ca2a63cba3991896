use plan::DEFAULT;

use super::*;

#[test]
fn a_zone_is_copied_with_what_it_includes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, text) in [
        ("one/a.zone", "$INCLUDE parts/hosts.inc\n"),
        ("one/parts/hosts.inc", "api 1 A 127.0.113.50\nx 1 TXT \"\\200\"\n"),
        ("two/b.zone", "$INCLUDE parts/hosts.inc\n"),
        ("two/parts/hosts.inc", "other 1 A 127.0.0.1\n"),
        ("two/c.zone", "$INCLUDE ../one/a.zone\n"),
    ] {
        std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        std::fs::write(at(name), text).unwrap();
    }
    let sets = ["hop.lb.listen=127.0.113.77:8443".to_owned()];
    let plan = Plan::parse("lab.toml", DEFAULT, folder.path(), &sets, &[]).expect("a plan");
    let mut copies = BTreeMap::new();
    let mut copy = |from: &str, to: &str| {
        let copied = copy_zone(&plan, Path::new(from), &at(to), &mut copies);
        copied.map_err(|error| format!("{error:#}"))
    };
    std::fs::create_dir(at("run")).unwrap();
    copy("one/a.zone", "run/a.zone").unwrap();
    copy("one/a.zone", "run/a.zone").unwrap();
    let copied = std::fs::read_to_string(at("run/parts/hosts.inc")).unwrap();
    assert_eq!(copied, "api 1 A 127.0.113.77\nx 1 TXT \"\\200\"\n", "the copy knows where the lb is");
    let error = copy("two/b.zone", "run/b.zone").unwrap_err();
    assert!(error.contains("would have the same name") && error.contains("rename one"), "{error}");
    let error = copy("two/c.zone", "run/c.zone").unwrap_err();
    assert!(error.contains("line 1") && error.contains("beside the zone file"), "{error}");
    copy("crates/hops/dns/zones/root.zone", "run/root.zone").expect("one that was built in");
    let error = copy("nowhere.zone", "run/nowhere.zone").unwrap_err();
    assert!(error.contains("nowhere.zone: read it"), "{error}");
}

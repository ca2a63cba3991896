use clap::Parser as _;

use super::*;

#[test]
fn a_seed_is_a_list_of_products() {
    assert_eq!("".parse(), Ok(Seed::default()));
    let seed: Seed = "A=0, B=4294967295,".parse().unwrap();
    assert_eq!(seed.0.iter().map(|item| item.available).collect::<Vec<_>>(), [0, u32::MAX]);
    for (text, said) in [
        ("A", "expected PRODUCT=N"),
        ("A=", "whole number"),
        ("A=-1", "whole number"),
        ("A=4294967296", "whole number"),
        ("A b=1", "letters"),
        ("=1", "letters"),
        ("A=1,A=2", "twice"),
    ] {
        let error = text.parse::<Seed>().unwrap_err();
        assert!(error.contains(said), "{text:?} said {error}");
    }
}

#[test]
fn the_default_seed_is_valid() {
    let settings = Settings::try_parse_from(["inventory", "--database", "sqlite:x"]).unwrap();
    assert_eq!(settings.seed.0.len(), 3);
}

use super::*;

#[test]
fn a_hint_is_what_its_reader_types() {
    let hint = "not running: `lab` starts it, then `lab curl -i /cart`; see `lab.toml`";
    assert_eq!(as_typed(hint, false), hint);
    assert_eq!(
        as_typed(hint, true),
        "not running: `cargo run -p lab` starts it, then `cargo run -p lab -- curl -i /cart`; see `lab.toml`"
    );
}

#[test]
fn examples_of_help_texts_are_typed_as_well() {
    let help = "Examples:\n  lab curl -i /cart      with the lab's CA\n  lab measure --json | lab export -";
    assert_eq!(
        as_typed(help, true),
        "Examples:\n  cargo run -p lab -- curl -i /cart      with the lab's CA\n  cargo run -p lab -- measure --json | cargo \
         run -p lab -- export -"
    );
}

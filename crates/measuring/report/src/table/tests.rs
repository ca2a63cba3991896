use measure::machine::Machine;

use super::*;

#[test]
fn the_machine_is_told_in_cores_and_waits() {
    let line = machine(&Machine { cores: 2, ..Machine::default() });
    assert!(line.contains("2 cores"), "{line}");
}

use super::*;

#[test]
fn times_are_read() {
    assert_eq!(time(0x17, b"700101000000Z"), Some(0));
    assert_eq!(time(0x17, b"240229123456Z"), Some(1_709_210_096));
    assert_eq!(time(0x18, b"20380119031407Z"), Some(2_147_483_647));
    assert_eq!(time(0x17, b"24"), None);
    assert_eq!(element(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    assert_eq!(element(&[0x30, 0x89]), None);
}

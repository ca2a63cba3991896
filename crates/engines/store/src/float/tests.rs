//! Sums as redis-server 7.0 gives them; random ones are compared in `tests/differential`.

use super::Extended;

fn sum(a: &str, b: &str) -> Option<String> {
    Extended::parse(a.as_bytes())?.add(&Extended::parse(b.as_bytes())?).text()
}

#[test]
fn sums_have_the_precision_of_a_long_double() {
    for (a, b, expected) in [
        ("0.1", "0.2", "0.3"),
        ("10.5", "0.1", "10.6"),
        ("5.0e3", "200", "5200"),
        ("1", "-1", "0"),
        ("-0.0", "0", "0"),
        ("-1e-30", "0", "0"),
        ("0x1p3", "0.5", "8.5"),
        ("3", ".5", "3.5"),
        ("3.", "1", "4"),
        ("9223372036854775807", "1", "9223372036854775808"),
        ("18446744073709551615", "1", "18446744073709551616"),
        ("18446744073709551616", "1", "18446744073709551616"),
        ("1.000000000000000001", "0", "1"),
    ] {
        assert_eq!(sum(a, b).as_deref(), Some(expected), "{a} + {b}");
    }
    assert_eq!(sum("1e4932", "0").map(|text| text.len()), Some(4933));
}

#[test]
fn what_is_no_number_is_refused_and_what_is_too_large_ends_as_infinity() {
    for text in [
        "",
        " 1",
        "1 ",
        "abc",
        "1x",
        "1e",
        "e1",
        ".",
        "-",
        "nan",
        "0x",
        "1e5000",
        "1e-5000",
        "1e99999999999",
        "--1",
    ] {
        assert_eq!(Extended::parse(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(Extended::parse(&[b'1'; 5 * 1024]), None, "longer than Redis reads");
    for (a, b) in [("inf", "1"), ("1", "-Infinity"), ("1.18e4932", "1.18e4932")] {
        assert_eq!(sum(a, b), None, "{a} + {b}");
    }
}

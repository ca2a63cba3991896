use super::*;

#[test]
fn times_are_milliseconds_to_the_microsecond() {
    assert_eq!(time(1_234_567), "1.235 ms");
}

#[test]
fn what_is_too_wide_is_broken_at_spaces() {
    let text = format!("  {}\nshort", "twelve chars ".repeat(12));
    let broken = fit(&text);
    assert!(broken.lines().all(|line| line.chars().count() <= 80 && !line.trim().is_empty()), "{broken}");
    assert_eq!(broken.split_whitespace().count(), text.split_whitespace().count());
    assert!(
        broken
            .lines()
            .nth(1)
            .is_some_and(|line| line.starts_with("    twelve") || line.starts_with("    chars"))
    );
    let word = "x".repeat(100);
    assert_eq!(fit(&format!("a {word} b")), format!("a\n  {word}\n  b\n"));
    assert_eq!(fit("→".repeat(80).as_str()).lines().count(), 1);
}

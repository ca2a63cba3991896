use super::*;

#[test]
fn a_name_with_parentheses_does_not_confuse() {
    let text = "42 (a) (b c)) S 1 77 77 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 1 2 3";
    assert_eq!(stat(text), Some((77, 2.0)));
    assert_eq!(stat("nonsense"), None);
}

#[test]
fn this_process_runs() {
    let before = this_process();
    let sum = (0..5_000_000_u64).fold(0_u64, |sum, n| sum.wrapping_add(std::hint::black_box(n)));
    assert!(this_process().ran_ns > before.ran_ns, "{before:?} {sum}");
    assert_eq!(scheduled(&[]), Scheduled::default());
}

#[test]
fn this_process_takes_memory() {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    assert!(resident(&status).expect("a size") > 1 << 20);
    assert!(groups().values().any(|usage| usage.resident > 1 << 20));
}

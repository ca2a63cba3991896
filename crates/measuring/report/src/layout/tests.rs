use super::*;

/// Lines wider than `limit`, but for those of a single word.
fn too_wide(text: &str, limit: usize) -> Vec<&str> {
    text.lines().filter(|line| width(line) > limit && line.trim().contains(' ')).collect()
}

#[test]
fn what_is_too_wide_is_broken_at_blanks() {
    let text = format!("  {}\nshort", "twelve chars ".repeat(12));
    assert_eq!(too_wide(&text, 80).len(), 1, "the check sees what is too wide");
    let broken = wrap(&text, 80);
    assert_eq!(too_wide(&broken, 80), Vec::<&str>::new());
    assert!(broken.split_whitespace().eq(text.split_whitespace()), "{broken}");
    let mut lines = broken.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("  twelve")), "{broken}");
    assert!(lines.next().is_some_and(|line| line.starts_with("    ")), "what follows is indented: {broken}");
    assert_eq!(wrap("→".repeat(80).as_str(), 80).lines().count(), 1, "letters count, not bytes");
    assert_eq!(
        wrap(&format!("\x1b[1m{}\x1b[0m", "x".repeat(80)), 80).lines().count(),
        1,
        "colours take no room"
    );
}

#[test]
fn a_path_and_a_url_are_never_cut() {
    let path = format!("/{}", "folder/".repeat(14));
    assert_eq!(wrap(&format!("see {path} for more"), 80), format!("see\n  {path}\n  for more\n"));
    let blanks = "'/home/me/my labs/request journey/target/lab'";
    let text = format!("the log of the program that has just ended by itself is in {blanks}/logs, all of it");
    assert!(
        wrap(&text, 80).lines().any(|line| line.contains(&format!("{blanks}/logs,"))),
        "{}",
        wrap(&text, 80)
    );
    let apostrophes =
        "the lab's programs and the user's programs are not the same, and both's logs are kept apart";
    assert_eq!(wrap(apostrophes, 40).lines().count(), 3, "{}", wrap(apostrophes, 40));
}

#[test]
fn a_command_can_be_pasted() {
    let command = "`lab measure --set lab.name=two --set network.port_offset=100`";
    let text = format!(
        "the lab runs already, with another plan: stop it, or measure a second one: {command} and so on"
    );
    assert!(wrap(&text, 80).lines().any(|line| line.contains(command)), "{}", wrap(&text, 80));
    let long = format!(
        "do this: `lab measure {}`",
        "--set hop.redis.command='redis-server --port 1' ".repeat(4).trim()
    );
    let broken = wrap(&long, 80);
    assert_eq!(too_wide(&broken, 80), Vec::<&str>::new());
    let typed = broken.replace(" \\\n", "").split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(typed, long, "{broken}");
    assert!(
        broken
            .lines()
            .filter(|line| line.contains("redis-server"))
            .all(|line| line.contains("'redis-server --port 1'"))
    );
}

#[test]
fn what_is_quoted_stays_behind_its_bar() {
    let broken = wrap(&format!("12 | {}", "some words of a file ".repeat(6)), 80);
    assert!(
        broken.lines().skip(1).all(|line| line.starts_with("   | ")) && broken.lines().count() == 2,
        "{broken}"
    );
}

#[test]
fn columns_are_as_wide_as_what_is_in_them_and_spare_ones_are_left_out() {
    let columns = [Column::left("hop"), Column::left("role").spare(1), Column::right("pid").spare(2)];
    let mut table = Table::new(2, columns);
    table.row(["cart-pod".to_owned(), "cart".to_owned(), "7".to_owned()]);
    table.below("ended once");
    assert_eq!(table.fit(80), "  hop       role  pid\n  cart-pod  cart    7\n        ended once\n");
    assert_eq!(table.fit(20), "  hop       role\n  cart-pod  cart\n        ended once\n");
    assert_eq!(table.fit(12), "  hop\n  cart-pod\n        ended\n          once\n");
}

#[test]
fn a_text_behind_the_columns_is_broken_in_its_place_or_stands_below() {
    let mut table = Table::new(0, [Column::left(""), Column::left("")]);
    table.row_with(["ok".to_owned(), "loopback".to_owned()], "all of 127.0.0.0/8 answers\n→ nothing to do");
    table.row_with(["warn".to_owned(), "x".to_owned()], "/a/path/that/has/no/room/there");
    let expected = "ok    loopback  all of 127.0.0.0/8 answers\n                → nothing to do\nwarn  x\n      \
                    /a/path/that/has/no/room/there\n";
    assert_eq!(table.fit(44), expected);
}

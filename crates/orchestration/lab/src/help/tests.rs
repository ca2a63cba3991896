use super::*;

const TEXT: &str = "Examples:\n  lab curl -i /cart      with the lab's CA\n  lab measure      one cold journey, one \
                    warm\n\nA paragraph that is broken somewhere\nand goes on.";

#[test]
fn examples_stand_beside_what_they_do_or_above_it() {
    let beside = "Examples:\n  lab curl -i /cart  with the lab's CA\n  lab measure        one cold journey, one warm\n\nA \
                  paragraph that is broken somewhere and goes on.";
    assert_eq!(fit(TEXT, 80), beside);
    let above = fit(TEXT, 40);
    assert!(above.starts_with("Examples:\n  lab curl -i /cart\n        with the lab's CA\n"), "{above}");
    assert!(above.lines().all(|line| line.chars().count() <= 40), "{above}");
}

#[test]
fn a_command_that_no_line_can_hold_can_be_pasted() {
    let text =
        "  lab measure --swap lb='haproxy -db -f {CONFIG}' --set hop.lb.config=my/haproxy.cfg      two";
    let broken = fit(text, 60);
    let expected = "  lab measure --swap lb='haproxy -db -f {CONFIG}' --set \\\n      hop.lb.config=my/haproxy.cfg\n      two";
    assert_eq!(broken, expected);
}

#[test]
fn no_help_is_wider_than_its_terminal() {
    use clap::CommandFactory as _;
    let mut command = laid_out(crate::arguments::Cli::command(), 80);
    command.build();
    for command in std::iter::once(command.clone()).chain(command.get_subcommands().cloned()) {
        let help = command.clone().render_long_help().to_string();
        let wide: Vec<&str> = help.lines().filter(|line| layout::width(line) > 80).collect();
        assert_eq!(wide, Vec::<&str>::new(), "{}", command.get_name());
    }
}

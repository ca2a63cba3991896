use clap::CommandFactory as _;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn options_may_stand_anywhere() {
    let typed = ["lab", "--set", "a=1", "measure", "-n", "3", "--json", "--swap", "b=c", "--set", "a=2"];
    let global = Cli::try_parse_from(typed).expect("it parses").global();
    assert_eq!((global.set, global.swap), (vec!["a=1".into(), "a=2".into()], vec!["b=c".into()]));
    assert!(global.json && !global.no_build);
    assert!(Cli::try_parse_from(["lab", "measure", "-n", "0"]).is_err());
    assert!(Cli::try_parse_from(["lab", "measure", "--cold", "--warm"]).is_err());
}

#[test]
fn curl_gets_its_own_flags() {
    let cli = Cli::try_parse_from(["lab", "curl", "--json", "{}", "-h", "/cart"]).expect("it parses");
    let Some(Command::Curl { arguments }) = cli.command else { panic!("curl") };
    assert_eq!(arguments, ["--json", "{}", "-h", "/cart"]);
}

#[test]
fn every_command_takes_every_global_option() {
    for command in Cli::command().get_subcommands() {
        // Everything behind `curl` is curl's.
        if command.get_name() == "curl" {
            continue;
        }
        for option in ["config", "set", "swap", "json", "parts", "no_build"] {
            let has = command.get_arguments().any(|argument| argument.get_id() == option);
            assert!(has, "{} does not take --{option}", command.get_name());
        }
    }
    let typed = ["lab", "export", "x.json", "--parts", "--set", "a=1"];
    let global = Cli::try_parse_from(typed).expect("it parses").global();
    assert!(global.parts && global.set == ["a=1"]);
}

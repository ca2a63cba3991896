//! A client that shows its steps: arguments, requests, exit code.

use std::process::ExitCode;

use browser::arguments::Arguments;

fn main() -> ExitCode {
    browser::cli::run(&hop::settings::parse::<Arguments>())
}

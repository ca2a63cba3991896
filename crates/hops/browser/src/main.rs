//! A client that shows its steps: arguments, requests, exit code.

use std::process::ExitCode;

use browser::arguments::Arguments;
use clap::Parser as _;

fn main() -> ExitCode {
    browser::cli::run(&Arguments::parse())
}

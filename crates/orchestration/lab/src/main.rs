//! `lab`: the whole stack with one command. See [`lab::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    lab::cli::main()
}

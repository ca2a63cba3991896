//! Hints that can be pasted: whoever started the lab by `cargo run` has no `lab` to type.

/// A text in which every `lab …` between backticks, and every example of a help text, is what its reader types.
pub(crate) fn typed(text: &str) -> String {
    // Cargo sets it for what `cargo run` starts.
    as_typed(text, std::env::var_os("CARGO").is_some())
}

fn as_typed(text: &str, by_cargo: bool) -> String {
    if !by_cargo {
        return text.to_owned();
    }
    let run =
        if stack::binaries::PROFILE == "release" { "cargo run --release -p lab" } else { "cargo run -p lab" };
    let mut out = text.replace("`lab`", &format!("`{run}`"));
    for before in ["`", "\n  ", "| ", "then: ", "$("] {
        out = out.replace(&format!("{before}lab "), &format!("{before}{run} -- "));
    }
    out
}

/// A command line whose examples are typed as it was.
pub(crate) fn help(command: clap::Command) -> clap::Command {
    let after = command.get_after_help().map(|help| typed(&help.to_string()));
    let command = match after {
        Some(after) => command.after_help(after),
        None => command,
    };
    command.mut_subcommands(help)
}

#[cfg(test)]
mod tests;

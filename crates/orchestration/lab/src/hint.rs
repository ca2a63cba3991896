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

#[cfg(test)]
mod tests;

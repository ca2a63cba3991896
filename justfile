# Conveniences: every recipe is also one plain command.

# Starts everything, measures one cold and one warm journey, and stays up.
run *ARGS:
    cargo run -p lab -- {{ARGS}}

# The same, in release: figures to quote.
release *ARGS:
    cargo run --release -p lab -- {{ARGS}}

# Everything that is tested.
test:
    cargo test --workspace

# What continuous integration checks before the tests.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# The benchmarks: what a span costs, how fast the lab starts, how much is unaccounted.
bench:
    cargo bench -p hop -p tests

# The interface documentation of all crates.
doc:
    cargo doc --workspace --no-deps --open

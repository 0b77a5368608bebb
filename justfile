# Shortcuts; each is one command that also works without just.
default: test-fast

test-fast:
    cargo nextest run --workspace

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo xtask tidy

golden:
    UPDATE_GOLDEN=1 cargo test -p banjia-wire --test it golden
    git diff --stat -- crates/core/wire/tests/golden

demo:
    cargo run --release -- demo

ci:
    ./test

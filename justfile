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

# Needs cargo-fuzz; CONTRIBUTING.md says more.
fuzz TARGET SECONDS="180":
    mkdir -p fuzz/corpus/{{TARGET}}
    cargo fuzz run {{TARGET}} --sanitizer none fuzz/corpus/{{TARGET}} fuzz/seeds/{{TARGET}} -- \
        -max_total_time={{SECONDS}} -max_len=4096 -dict=fuzz/dictionary

demo:
    cargo run --release -- demo

ci:
    ./test

//! The dated rules, read from TOML.

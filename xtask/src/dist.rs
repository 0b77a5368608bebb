//! `cargo xtask dist`: the program that serves, with every feature and the profile `dist`.

use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the program and returns where it is. `arguments` go to cargo after ours (`--target`,
/// `--offline`).
///
/// # Errors
/// If cargo cannot be started or the build fails.
pub(crate) fn build(root: &Path, arguments: impl Iterator<Item = OsString>) -> Result<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(["build", "--profile", "dist", "--locked", "--package", "banjia", "--all-features"]);
    command.args(["--message-format", "json-render-diagnostics"]).args(arguments);
    command.stdout(std::process::Stdio::piped());
    let mut child = command.spawn().context("cargo cannot be started")?;
    let output = child.stdout.take().context("cargo's output is piped")?;
    let program = program(std::io::BufReader::new(output));
    ensure!(child.wait()?.success(), "the program does not build");
    program?.context("cargo named no program")
}

/// Finds the program in what cargo reports.
fn program(output: impl std::io::BufRead) -> Result<Option<PathBuf>> {
    let mut program = None;
    for message in cargo_metadata::Message::parse_stream(output) {
        if let cargo_metadata::Message::CompilerArtifact(artifact) = message?
            && artifact.target.name == "banjia"
            && let Some(path) = artifact.executable
        {
            program = Some(path.into_std_path_buf());
        }
    }
    Ok(program)
}

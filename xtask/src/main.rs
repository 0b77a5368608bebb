//! Tasks of the project that are no part of the product: `cargo xtask TASK`.

mod dist;
mod geo;
mod tidy;

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::ExitCode;

type Task = fn() -> Result<ExitCode>;

/// One line a task, in the order of the alphabet.
const TASKS: [(&str, Task); 5] =
    [("dist", dist), ("floors", floors), ("geo", geo), ("ratchet", ratchet), ("tidy", tidy_up)];

fn main() -> Result<ExitCode> {
    let names = TASKS.map(|(name, _)| name).join(", ");
    let Some(wanted) = std::env::args().nth(1) else { bail!("name a task: {names}") };
    let found = TASKS.iter().find(|(name, _)| *name == wanted);
    let (_, task) = found.with_context(|| format!("there is no task {wanted:?}; the tasks are: {names}"))?;
    task()
}

fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the task lives one folder below the root")
}

#[expect(clippy::print_stdout, reason = "this is a tool for people at a terminal")]
fn dist() -> Result<ExitCode> {
    println!("{}", dist::build(root()?, std::env::args_os().skip(2))?.display());
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "this is a tool for people at a terminal")]
fn geo() -> Result<ExitCode> {
    let from = std::env::args().nth(2).context("name the database: cargo xtask geo FILE.mmdb")?;
    println!("{}", geo::convert(Path::new(&from), &root()?.join("crates/core/border/data/dbip-country.bin.zst"))?);
    Ok(ExitCode::SUCCESS)
}

/// Lowers the numbers of `xtask/ratchets.toml` to what the tree has now.
#[expect(clippy::print_stdout, reason = "this is a tool for people at a terminal")]
fn ratchet() -> Result<ExitCode> {
    let path = tidy::lower_ratchets(root()?)?;
    println!("{path}: each number is at most what it was");
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "this is a tool for people at a terminal")]
fn floors() -> Result<ExitCode> {
    print!("{}", tidy::floors(&tidy::Tree::read(root()?)?));
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "this is a tool for people at a terminal")]
fn tidy_up() -> Result<ExitCode> {
    let tree = tidy::Tree::read(root()?)?;
    let mut findings = tidy::findings(&tree);
    findings.extend(tidy::layers(root()?)?);
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files read, {} findings", tree.len(), findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

//! Tasks of the project that are no part of the product: `cargo xtask tidy`, `cargo xtask floors`,
//! `cargo xtask geo FILE.mmdb`.

mod geo;
mod tidy;

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::ExitCode;

fn main() -> Result<ExitCode> {
    match std::env::args().nth(1).as_deref() {
        Some("floors") => floors(),
        Some("geo") => geo(),
        Some("tidy") => tidy_up(),
        Some(other) => bail!("there is no task {other:?}; the tasks are: floors, geo, tidy"),
        None => bail!("name a task: floors, geo, tidy"),
    }
}

#[expect(clippy::print_stdout, reason = "this is a tool for people at a terminal")]
fn geo() -> Result<ExitCode> {
    let from = std::env::args().nth(2).context("name the database: cargo xtask geo FILE.mmdb")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the task lives one folder below the root")?;
    println!("{}", geo::convert(Path::new(&from), &root.join("crates/core/border/data/dbip-country.bin.zst"))?);
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "this is a tool for people at a terminal")]
fn floors() -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the task lives one folder below the root")?;
    print!("{}", tidy::floors(&tidy::Tree::read(root)?));
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "this is a tool for people at a terminal")]
fn tidy_up() -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the task lives one folder below the root")?;
    let tree = tidy::Tree::read(root)?;
    let mut findings = tidy::findings(&tree);
    findings.extend(tidy::layers(root)?);
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files read, {} findings", tree.len(), findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

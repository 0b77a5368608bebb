//! `banjia completions` and `banjia man`: the command line for shells and for `man`.

use super::{Cli, Printer};
use anyhow::Context as _;
use clap::CommandFactory as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `banjia completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell that the completions are for.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Arguments of `banjia man`.
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Write a page for each command into this folder, which is made if it does not exist.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Prints the completions of a shell.
pub(super) fn completions(args: &Completions, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "banjia", &mut script);
    let script = String::from_utf8(script).context("a shell's script is text")?;
    printer.line_as_it_is(script.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// Prints the page of `banjia`, or writes the pages of all commands.
pub(super) fn man(args: &Man, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let command = Cli::command();
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        printer.line_as_it_is(String::from_utf8(page).context("a page is text")?.trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    let folder = dir.display();
    std::fs::create_dir_all(dir).with_context(|| format!("the folder {folder} was not made"))?;
    clap_mangen::generate_to(command, dir).with_context(|| format!("the pages were not written to {folder}"))?;
    printer.line(&format!("The pages of all commands are in {folder}; `man {folder}/banjia.1` shows the first."));
    Ok(ExitCode::SUCCESS)
}

//! `banjia move seal`: the end of a move, with a report that anybody can check.
//!
//! Rules: that the source's credentials are gone is read from the configuration file, the same that `banjia serve` runs with and
//! takes up when it changes: it must be good, name this database, and have the move's routes with their destinations, so that
//! another file is not taken for it. An entry counts as a credential whatever its value is. Nothing is sealed while anything
//! stands in the way; what only needs time is waited for.

use super::fit::misfits;
use crate::cli::Printer;
use crate::cli::database::Database;
use crate::clock;
use anyhow::{Context as _, bail};
use banjia_control::moves::fit::{self, Needed};
use banjia_control::moves::seal::{Asked, Obstacle, Sealing, SourceKeys, public_key, seal};
use banjia_control::moves::{self};
use banjia_control::report::plan::Lang;
use banjia_control::report::seal::{html, markdown};
use banjia_gateway::Snapshot;
use banjia_movement::seal::{SignedReport, verify};
use banjia_movement::spec::{MoveSpec, span};
use banjia_movement::stage::{Move, Order};
use banjia_store::{ReportKey, Store};
use banjia_types::{Stage, VendorName};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The source's credentials, and the name under which each vendor is cut.
type Witness = (SourceKeys, BTreeMap<VendorName, VendorName>);

/// How often is looked again while something only needs time.
const AGAIN: Duration = Duration::from_secs(1);

/// What `banjia move seal` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its id.
    id: String,
    /// Why; it stays in the log.
    #[arg(long, default_value = "the move is done")]
    reason: String,
    /// Where the report goes. Default: ID-report.json.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where a page for people goes: HTML, or Markdown for a name that ends in .md. Default: beside the report, as HTML.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// The language of the page.
    #[arg(long, value_enum, default_value = "en")]
    lang: Language,
    /// How long is waited for open requests to end and the ledger to be written: 90s, 5m.
    #[arg(long, default_value = "2m", value_name = "SPAN", value_parser = wait)]
    wait: Duration,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Language {
    En,
    Zh,
}

fn wait(text: &str) -> Result<Duration, String> {
    let none = (text == "0s").then_some(Duration::ZERO);
    none.or_else(|| span(text)).ok_or_else(|| "say a span as 90s or 5m, or 0s not to wait".to_owned())
}

pub(super) async fn run(
    args: &Args,
    by: &str,
    database: &Database,
    store: &Store,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let (out, page) = places(args)?;
    let of = moves::load(store, &args.id).await?.of;
    let Some((keys, borders)) = witness(&of, database, printer)? else { return Ok(ExitCode::FAILURE) };
    let key = ReportKey::beside(store.path())?;
    match patiently(args, by, store, (&keys, &borders, &key), printer).await? {
        Sealing::Open(obstacles) => {
            printer.line(&format!("{} is not sealed:", args.id));
            for obstacle in obstacles {
                printer.line(&format!("- {obstacle}"));
            }
            Ok(ExitCode::FAILURE)
        }
        Sealing::Sealed { report, is_new } => {
            if !is_new {
                printer.note("It was sealed before; this is the report of then.");
            }
            write((args, &out, &page), &report, &public_key(&key), printer)
        }
    }
}

/// Where the report and its page go.
fn places(args: &Args) -> anyhow::Result<(PathBuf, PathBuf)> {
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}-report.json", args.id)));
    let page = args.page.clone().unwrap_or_else(|| out.with_extension("html"));
    if page == out {
        bail!("the report and its page would both go to {}; name another with --out or --page", out.display());
    }
    Ok((out, page))
}

/// What the configuration says; none when it is not the one that carries the move, which is told then. A move that is sealed
/// needs no witness any more.
fn witness(of: &Move, database: &Database, printer: &mut Printer) -> anyhow::Result<Option<Witness>> {
    if of.stage() == Stage::Sealed {
        return Ok(Some(Witness::default()));
    }
    let Some(loaded) = database.loaded()? else {
        bail!(
            "whether the source's credentials are gone is read from the configuration file that `banjia serve` runs with: \
             name it with --config"
        );
    };
    let mut misfits = misfits(of.spec(), &loaded, Needed::Destinations);
    let source = of.spec().source_vendor();
    // An entry that is gone and was not named like its profile leaves nothing that tells which others are the same vendor.
    if loaded.snapshot.border_of(source).is_none() && !loaded.profiles.contains_key(source.as_str()) {
        misfits.push(format!(
            "it has no [[vendors]] entry {:?} any more, so which other entries are the same vendor is not known: put it back \
             without its `credential` until the move is sealed",
            source.as_str()
        ));
    }
    if misfits.is_empty() {
        return Ok(Some(source_keys(of.spec(), &loaded.snapshot)));
    }
    printer.line(&format!("{} is not sealed: this is not the configuration that carries it.", of.spec().id));
    for misfit in misfits {
        printer.line(&format!("- {misfit}"));
    }
    Ok(None)
}

/// Asks until nothing stands in the way, something does that time does not heal, or the time for waiting is over.
async fn patiently(
    args: &Args,
    by: &str,
    store: &Store,
    (keys, borders, key): (&SourceKeys, &BTreeMap<VendorName, VendorName>, &ReportKey),
    printer: &mut Printer,
) -> anyhow::Result<Sealing> {
    let begun = Instant::now();
    let mut is_told = false;
    loop {
        let order = Order { by, reason: &args.reason, at: clock::now() };
        let done = seal(store, &args.id, &Asked { order, keys, borders }, key).await?;
        let may_wait = matches!(&done, Sealing::Open(obstacles) if obstacles.iter().all(Obstacle::may_pass));
        if !may_wait || begun.elapsed() >= args.wait {
            return Ok(done);
        }
        if !is_told {
            let seconds = args.wait.as_secs();
            printer
                .note(&format!("Waiting up to {seconds} s for open requests to end and the ledger to be written..."));
            is_told = true;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The entries behind the source's border: those that hold a credential, and the move's own if it does not. With the name under
/// which each vendor is cut.
pub(crate) fn source_keys(spec: &MoveSpec, snapshot: &Snapshot) -> Witness {
    let borders = snapshot.borders();
    (fit::source_keys(spec, &borders, snapshot.credentials()), borders)
}

fn write(
    (args, out, page): (&Args, &Path, &Path),
    report: &SignedReport,
    key: &str,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let verified = verify(&report.text).context("the report does not verify")?;
    let lang = match args.lang {
        Language::En => Lang::En,
        Language::Zh => Lang::Zh,
    };
    let is_markdown = page.extension().is_some_and(|ending| ending == "md");
    let shown = if is_markdown { markdown(&verified, lang) } else { html(&verified, lang) };
    put(out, &format!("{}\n", report.text))?;
    put(page, &shown)?;
    let total = verified.sum.total;
    let lost = match verified.sum.lost {
        0 => "each has its end".to_owned(),
        lost => format!("{lost} of them were lost with a process that was killed, and each other one has its end"),
    };
    printer.line(&format!("{} is sealed. {} requests were accepted across the cut; {lost}.", args.id, total.accepted));
    printer.line(&format!("The report: {}, for people: {}", out.display(), page.display()));
    if verified.key == key {
        printer
            .line(&format!("The key that signed it: {key}. Tell it to its readers by another way than the report's."));
    } else {
        let signed = &verified.key;
        printer.line(&format!("It was signed with the key {signed}; the key beside this database is another one now."));
    }
    printer.line(&format!("Anybody can check it: banjia verify {} --key {}", out.display(), verified.key));
    Ok(ExitCode::SUCCESS)
}

fn put(file: &Path, text: &str) -> anyhow::Result<()> {
    banjia_store::write_private_file(file, text).with_context(|| format!("cannot write {}", file.display()))
}

//! `banjia demo`: see `crate::demo`.

use super::{LogChoice, Printer, runtime};
use crate::config::LogConfig;
use crate::demo::cut_off::{self, Settings, Verdict};
use crate::demo::{border, moving};
use crate::telemetry;
use anyhow::{Context as _, bail};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The longest demo: a day.
const SECONDS_MAX: u64 = 86_400;
/// The highest rate that a laptop's sandbox is asked for.
const RATE_MAX: f64 = 500.0;

/// Arguments of `banjia demo`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    story: Option<Story>,
    /// How long requests are sent; the vendor leaves after a third of it.
    #[arg(long, default_value_t = 55)]
    seconds: u64,
    /// Requests a second.
    #[arg(long, default_value_t = 12.0)]
    rate: f64,
    /// Chooses the requests and the sandbox's answers.
    #[arg(long, default_value_t = 2024)]
    seed: u64,
    /// Stay up afterwards and print lines to try.
    #[arg(long)]
    serve: bool,
    /// Where the gateway listens. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// What a dollar is taken to be worth, for one sum over two currencies. An assumption, not a quotation.
    #[arg(long, default_value_t = 7.1, value_name = "CNY")]
    cny_per_usd: f64,
    /// Answers come at once instead of at a human pace.
    #[arg(long)]
    at_once: bool,
}

/// Other stories.
#[derive(Debug, clap::Subcommand)]
enum Story {
    /// A provider closes a border: traffic from many places, a new list, the dry run, mails, a brownout, the day, the audit.
    Border,
    /// A business leaves a vendor that will close: survey, plan, record, shadow, parity, a rehearsal, a canary that steps back, the date,
    /// a signed report.
    Move(MoveArgs),
}

/// Arguments of `banjia demo move`.
#[derive(Debug, clap::Args)]
struct MoveArgs {
    /// Where everything is left: the plan, pages of parity, the report, the database. Default: a new folder among the temporary files.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// About how long it takes. Five weeks pass in it; a slow machine takes longer for the same evidence.
    #[arg(long, default_value_t = 100)]
    seconds: u64,
    /// Chooses the requests and the sandbox's answers.
    #[arg(long, default_value_t = 2024)]
    seed: u64,
}

pub(super) fn run(args: &Args, log: &LogChoice, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    if let Some(story) = &args.story {
        telemetry::start(log, &LogConfig { level: "off".to_owned(), ..LogConfig::default() })?;
        let held = match story {
            Story::Border => runtime()?.block_on(border::run(printer))?,
            Story::Move(args) => runtime()?.block_on(moving::run(&args.settings()?, printer))?,
        };
        return Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if !(3..=SECONDS_MAX).contains(&args.seconds) {
        bail!("--seconds must be from 3 to {SECONDS_MAX}");
    }
    if !(args.rate > 0.0 && args.rate <= RATE_MAX) {
        bail!("--rate must be more than 0 and at most {RATE_MAX}");
    }
    if !(args.cny_per_usd > 0.0 && args.cny_per_usd.is_finite()) {
        bail!("--cny-per-usd must be more than 0");
    }
    // The story is told by the screen; logs would tear it apart unless they are asked for.
    telemetry::start(log, &LogConfig { level: "off".to_owned(), ..LogConfig::default() })?;
    let settings = Settings {
        length: Duration::from_secs(args.seconds),
        rate: args.rate,
        seed: args.seed,
        listen: args.listen,
        serve: args.serve,
        cny_per_usd: args.cny_per_usd,
        at_once: args.at_once,
    };
    let verdict = runtime()?.block_on(cut_off::run(&settings, printer))?;
    Ok(if verdict == Verdict::Held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl MoveArgs {
    fn settings(&self) -> anyhow::Result<moving::Settings> {
        if self.seconds > SECONDS_MAX {
            bail!("--seconds must be at most {SECONDS_MAX}");
        }
        let fresh = || std::env::temp_dir().join(format!("banjia-move-{}", uuid::Uuid::now_v7().simple()));
        let dir = self.dir.clone().unwrap_or_else(fresh);
        let said = || format!("making the folder {}", dir.display());
        banjia_store::create_private_folder(&dir).with_context(said)?;
        if std::fs::read_dir(&dir).with_context(said)?.next().is_some() {
            bail!("{} is not empty; name a folder with --dir that is empty or not there yet", dir.display());
        }
        Ok(moving::Settings { length: Duration::from_secs(self.seconds), seed: self.seed, dir })
    }
}

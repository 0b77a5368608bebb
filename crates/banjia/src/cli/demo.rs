//! `banjia demo`: see `crate::demo`.

use super::{LogChoice, Printer, runtime};
use crate::border_demo;
use crate::config::LogConfig;
use crate::demo::{self, Settings, Verdict};
use crate::telemetry;
use anyhow::bail;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// The longest demo: a day.
const SECONDS_MAX: u64 = 86_400;
/// The highest rate that a laptop's sandbox is asked for.
const RATE_MAX: f64 = 500.0;

/// Arguments of `banjia demo`.
#[derive(Debug, clap::Args)]
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
}

pub(super) fn run(args: &Args, log: &LogChoice, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    if let Some(Story::Border) = args.story {
        telemetry::start(log, &LogConfig { level: "off".to_owned(), ..LogConfig::default() })?;
        let held = runtime()?.block_on(border_demo::run(printer))?;
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
    let verdict = runtime()?.block_on(demo::run(&settings, printer))?;
    Ok(if verdict == Verdict::Held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

//! `banjia sandbox`: vendors in a box, for tests, rehearsals and newcomers.

use super::stop::Stop;
use super::{LogChoice, Printer, runtime, table};
use crate::config::{self, LogConfig, report::Findings, vendor_names};
use crate::telemetry;
use anyhow::Context;
use banjia_sandbox::{Fault, Options, Pace, Sandbox, key_of};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `banjia sandbox`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to listen. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8089", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Which vendors answer, by `banjia vendor list` or another name of theirs. Default: all.
    #[arg(long = "vendor", value_name = "NAME")]
    vendors: Vec<String>,
    /// The same seed and requests give the same answers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Milliseconds to the first content.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    first_token_ms: u64,
    /// Milliseconds between two pieces of content.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    per_token_ms: u64,
}

pub(super) fn run(args: Args, log: &LogChoice, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    telemetry::start(log, &LogConfig::default())?;
    runtime()?.block_on(async {
        let pace = Pace {
            first_token: Duration::from_millis(args.first_token_ms),
            per_token: Duration::from_millis(args.per_token_ms),
        };
        let profiles = config::embedded_profiles().into_map(&mut Findings::new("vendor profiles", ""), None);
        let own_name =
            |name: String| vendor_names::profile_of(&name, &profiles).map_or(name.clone(), ToOwned::to_owned);
        let vendors = args.vendors.into_iter().map(own_name).collect();
        let options = Options { bind: args.listen, vendors, seed: args.seed, pace };
        let mut stop = Stop::listen()?;
        let sandbox = Sandbox::start(options).await.context("starting the sandbox")?;
        let rows: Vec<_> = sandbox
            .bases
            .iter()
            .map(|(wire, base)| vec![(*wire).to_owned(), base.clone(), key_of(wire).unwrap_or("").to_owned()])
            .collect();
        printer.line_as_it_is(&table(&["wire", "base", "key"], &rows, printer.width()));
        let faults: Vec<_> = Fault::ALL.iter().map(|fault| fault.as_str()).collect();
        printer.line(&format!("\nFaults, by the header x-sandbox-fault or POST http://{}/_faults:", sandbox.addr));
        printer.line(&format!("  {}", faults.join(", ")));
        printer.line(&format!("\nSandbox vendors listen on http://{}. Ctrl-C ends them.", sandbox.addr));
        stop.wait().await;
        sandbox.shutdown();
        Ok(ExitCode::SUCCESS)
    })
}

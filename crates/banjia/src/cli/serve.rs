//! `banjia serve`: the gateway, until it is told to stop.
//!
//! Rules: without a file everything comes from the environment, and what that means is said at the start; SIGTERM and
//! SIGINT drain; SIGHUP or a changed file reloads, and a bad new file changes nothing but the log.

mod courier;
mod moves;
mod refresh;
mod retention;
mod watch;

use super::stop::Stop;
use super::{LogChoice, Printer, key, runtime};
use crate::clock;
use crate::compose::{self, Running};
use crate::config::{self, Config, Loaded, Options, environment, report::Findings};
use crate::telemetry;
use anyhow::{Context, bail};
use banjia_gateway::{Clock, Snapshot};
use banjia_store::Location;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Maximum time to give the moves' lease back. It ends by itself soon after.
const LEAVE: Duration = Duration::from_secs(1);

/// Arguments of `banjia serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file. Default: banjia.toml if it exists, else the environment alone.
    #[arg(long, short, env = "BANJIA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen, over what the file says. Port 0 takes a free one.
    #[arg(long, env = "BANJIA_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// Where the settings come from.
#[derive(Clone, Debug)]
struct Origin {
    file: Option<PathBuf>,
    listen: Option<SocketAddr>,
}

pub(super) fn run(args: Args, log: &LogChoice, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let default = PathBuf::from(config::DEFAULT_FILE);
    let file = args.config.or_else(|| Some(default).filter(|file| file.exists()));
    let origin = Origin { file, listen: args.listen };
    let (config, snapshot) = match &origin.file {
        Some(file) => match from_file(file, origin.listen) {
            Ok((loaded, warnings)) => {
                telemetry::start(log, &loaded.config.log)?;
                for line in warnings.lines() {
                    tracing::warn!("{line}");
                }
                (loaded.config, loaded.snapshot)
            }
            Err(findings) => {
                printer.styled_note(findings.render(printer.is_color(), printer.width()).trim_end());
                bail!("{} cannot be used; `banjia check` shows the same without starting", file.display());
            }
        },
        None => from_environment(origin.listen, log, printer)?,
    };
    runtime()?.block_on(serve(config, snapshot, origin))
}

fn from_file(file: &Path, listen: Option<SocketAddr>) -> Result<(Loaded, Findings), Findings> {
    let mut loaded = config::load(file, Options::default())?;
    if let Some(listen) = listen {
        loaded.config.gateway.serve.bind = listen;
        if let Ok(snapshot) = Snapshot::compile(&loaded.config.gateway, &loaded.profiles) {
            loaded.snapshot = snapshot;
        }
    }
    let warnings = loaded.findings.clone();
    Ok((loaded, warnings))
}

fn from_environment(
    listen: Option<SocketAddr>,
    log: &LogChoice,
    printer: &mut Printer,
) -> anyhow::Result<(Config, Snapshot)> {
    let mut findings = Findings::new("vendor profiles", "");
    let profiles = config::embedded_profiles().into_map(&mut findings, None);
    if findings.has_problems() {
        bail!("a built-in profile is broken: {}", findings.lines().join("; "));
    }
    let lookup = |name: &str| std::env::var(name).ok();
    let made = environment::make(&profiles, &lookup, &key::new_secret);
    let mut config = Config { gateway: made.config, ..Config::default() };
    if let Some(listen) = listen {
        config.gateway.serve.bind = listen;
    }
    telemetry::start(log, &config.log)?;
    let snapshot = Snapshot::compile(&config.gateway, &profiles).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the environment gives a configuration that cannot be used: {}", problems.join("; "))
    })?;
    printer.note(&format!("No {} here and no --config: everything comes from the environment.", config::DEFAULT_FILE));
    if made.used.is_empty() {
        let example: Vec<_> = profiles.keys().take(3).map(|name| environment::variable(name)).collect();
        printer.note(&format!(
            "No vendor key is set ({}, ...), so there are no routes: every model is unknown.",
            example.join(", ")
        ));
    } else {
        let routes = config.gateway.routes.len();
        printer.note(&format!("Vendors: {}. {routes} routes, one for each of their models.", made.used.join(", ")));
    }
    if let Some(secret) = &made.new_key {
        printer.note(&format!("Clients' key for this run (set BANJIA_KEY to choose your own): {}", secret.expose()));
    }
    Ok((config, snapshot))
}

async fn serve(config: Config, snapshot: Snapshot, origin: Origin) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::listen()?;
    // Before anybody can know that we run: a signal that nobody listens for would end the process.
    let mut hangup = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let routes = snapshot.route_names().count();
    let borders = snapshot.borders();
    let unknown: Vec<_> = snapshot.vendors_for_unknown().map(ToString::to_string).collect();
    let running = compose::start(snapshot, &Location::File(config.store.path.clone()), None, Clock::default()).await?;
    let mut border = refresh::Border::open(&running, &config.geo).await?;
    let mut moves = moves::Moves::open(&running, &config, borders).await?;
    let mut courier = courier::Task::start(&running.store, &config.webhooks)?;
    let mut retention = retention::Retention::new(config.audit);
    let addr = running.handle.addr;
    tracing::info!(routes, keys = config.gateway.keys.len(), store = %config.store.path.display(), "listening on http://{addr}");
    if !unknown.is_empty() {
        let vendors = unknown.join(", ");
        tracing::warn!(
            vendors,
            "callers of whom nothing is known are sent to these vendors, although not every place is on their lists; \
             serves_unknown = false in [[vendors]] refuses them"
        );
    }
    if routes == 0 {
        tracing::warn!("there are no routes yet: every model is unknown until the configuration names some");
    }
    let mut changes = origin.file.as_deref().map(watch::Changes::of).transpose()?;
    loop {
        tokio::select! {
            name = stop.wait() => {
                tracing::info!("{name}: no new requests; those under way may end");
                break;
            }
            _ = hangup.recv() => reload(&running, &origin, &config, (&mut courier, &mut moves), "SIGHUP").await,
            () = watch::next(&mut changes) => {
                reload(&running, &origin, &config, (&mut courier, &mut moves), "the file changed").await;
            },
            () = border.due() => if signalled(&mut stop, border.refresh(&running)).await { break },
            () = moves.due() => if signalled(&mut stop, moves.look(&running)).await { break },
            () = retention.due() => {
                let now = clock::now();
                if signalled(&mut stop, retention.forget(&running.store, now)).await { break }
            },
        }
    }
    courier.stop().await;
    if tokio::time::timeout(LEAVE, moves.leave()).await.is_err() {
        tracing::debug!("the lease of the moves ends by itself");
    }
    let ended = tokio::select! {
        ended = running.stop() => ended?,
        name = stop.wait() => bail!("{name} again: stopped at once; the ledger notes a gap at the next start"),
    };
    if ended {
        tracing::info!("drained: every request ended, the ledger is closed");
    } else {
        tracing::warn!("some requests took longer than serve.drain_ms and were given up; the ledger tells which");
    }
    Ok(ExitCode::SUCCESS)
}

/// Does some work that may wait for the database, unless a signal to stop comes first. True if it
/// came: the work is given up, which every write survives.
async fn signalled(stop: &mut Stop, work: impl Future<Output = ()>) -> bool {
    tokio::select! {
        () = work => false,
        name = stop.wait() => {
            tracing::info!("{name}: no new requests; those under way may end");
            true
        }
    }
}

/// Takes up a new file, or says loudly why not. What was cut stays cut unless a person lifted it.
async fn reload(
    running: &Running,
    origin: &Origin,
    began: &Config,
    (courier, moves): (&mut courier::Task, &mut moves::Moves),
    why: &str,
) {
    let Some(file) = &origin.file else {
        tracing::info!("{why}: there is no file to reload");
        return;
    };
    match from_file(file, origin.listen) {
        Err(findings) => {
            for line in findings.lines() {
                tracing::error!("{line}");
            }
            tracing::error!(file = %file.display(), "{why}, but the new file cannot be used: the old settings stay");
        }
        Ok((loaded, warnings)) => {
            for line in warnings.lines() {
                tracing::warn!("{line}");
            }
            let changed = [
                ("serve.bind", loaded.config.gateway.serve.bind != began.gateway.serve.bind),
                ("store.path", loaded.config.store.path != began.store.path),
                ("[log]", loaded.config.log != began.log),
                ("[audit]", loaded.config.audit != began.audit),
                ("geo.mmdb", loaded.config.geo != began.geo),
            ];
            for (name, _) in changed.iter().filter(|(_, is_changed)| *is_changed) {
                tracing::warn!("{name} changed; it takes effect at the next start");
            }
            let routes = loaded.snapshot.route_names().count();
            moves.set_borders(loaded.snapshot.borders());
            running.handle.reload(loaded.snapshot);
            lift(running).await;
            if let Err(error) = courier.restart(&running.store, &loaded.config.webhooks).await {
                tracing::error!("{error:#}");
            }
            tracing::info!(routes, file = %file.display(), "{why}: the new settings are in force");
        }
    }
}

/// Cuts that a person lifted with `banjia cuts lift` are taken up.
async fn lift(running: &Running) {
    match running.store.cut_history().await {
        Err(error) => tracing::error!(%error, "the cuts were not read; they stay as they were"),
        Ok(history) => {
            let stands = |vendor| history.iter().any(|cut| cut.vendor == vendor && cut.lifted_at.is_none());
            for cut in history.iter().filter(|cut| cut.lifted_at.is_some() && !stands(cut.vendor.clone())) {
                running.handle.lift_cut(&cut.vendor);
            }
        }
    }
}

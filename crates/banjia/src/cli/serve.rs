//! `banjia serve`: the gateway, until it is told to stop.
//!
//! Rules: without a file everything comes from the environment, and what that means is said at the start; SIGTERM and
//! SIGINT drain; SIGHUP or a changed file reloads, and a bad new file changes nothing but the log;
//! so does a file that takes away what is in use, unless SIGUSR1 or the file itself says that it is
//! meant.

mod courier;
mod moves;
mod refresh;
mod reload;
mod retention;
mod shrink;

use super::stop::Stop;
use super::{LogChoice, Printer, key, runtime};
use crate::border::Table;
use crate::clock;
use crate::compose::{self, Running};
use crate::config::build::{self, Built};
use crate::config::{self, Config, Loaded, Options, environment, report::Findings, vendor_names};
use crate::telemetry;
use anyhow::{Context, bail};
use banjia_control::Listeners;
use banjia_gateway::{Clock, Snapshot};
use banjia_store::Location;
use reload::{Ready, Reloads, Why};
use shrink::Inventory;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Maximum time to wait at the end for work on threads of its own, for example on a disk that hangs.
const THREADS_END_WITHIN: Duration = Duration::from_millis(100);

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
    /// The file's content at the start.
    content: Option<Arc<[u8]>>,
    listen: Option<SocketAddr>,
}

pub(super) fn run(args: Args, log: &LogChoice, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let default = PathBuf::from(config::DEFAULT_FILE);
    let file = args.config.or_else(|| Some(default).filter(|file| file.exists()));
    let mut origin = Origin { file, content: None, listen: args.listen };
    let built = match origin.file.clone() {
        Some(file) => {
            let options = Options { listen: origin.listen, ..Options::default() };
            let read = config::read_file(&file, options);
            origin.content = read.as_ref().ok().map(|bytes| Arc::from(bytes.as_slice()));
            match build::text(&file, read, options) {
                Ok(built) => {
                    telemetry::start(log, &built.loaded.config.log)?;
                    for line in built.loaded.findings.lines() {
                        tracing::warn!("{line}");
                    }
                    built
                }
                Err(findings) => {
                    printer.styled_note(findings.render(printer.is_color(), printer.width()).trim_end());
                    bail!("{} cannot be used; `banjia check` shows the same without starting", file.display());
                }
            }
        }
        None => from_environment(origin.listen, log, printer)?,
    };
    let runtime = runtime()?;
    let ended = runtime.block_on(serve(built, origin));
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    ended
}

fn from_environment(listen: Option<SocketAddr>, log: &LogChoice, printer: &mut Printer) -> anyhow::Result<Built> {
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
        let example: Vec<_> =
            profiles.keys().take(3).filter_map(|name| vendor_names::key_variables(name).next()).collect();
        printer.note(&format!(
            "No vendor key is set ({}, ...), so there are no routes: every model is unknown.",
            example.join(", ")
        ));
    } else {
        let (families, models): (Vec<_>, Vec<_>) =
            config.gateway.routes.iter().map(|route| route.name.as_str()).partition(|name| name.ends_with('*'));
        printer.note(&format!("Vendors: {}. {} models have a route.", made.used.join(", "), models.len()));
        if !families.is_empty() {
            printer.note(&format!("Any other name of these families passes too: {}", families.join(", ")));
        }
    }
    if let Some(secret) = &made.new_key {
        printer.note_as_it_is(&format!(
            "Clients' key for this run (set BANJIA_KEY to choose your own): {}",
            secret.expose()
        ));
    }
    let loaded = Loaded { config, snapshot, profiles, findings };
    Ok(Built { loaded, listeners: Listeners::new(&[])?, table: Table::open(None)? })
}

async fn serve(built: Built, origin: Origin) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::listen()?;
    // Before anybody can know that we run: a signal that nobody listens for would end the process.
    let mut hangup = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let mut user1 = signal(SignalKind::user_defined1()).context("listening for SIGUSR1")?;
    let Built { loaded: Loaded { config, snapshot, .. }, listeners, table } = built;
    let routes = snapshot.route_names().count();
    let borders = snapshot.borders();
    let unknown: Vec<_> = snapshot.vendors_for_unknown().map(ToString::to_string).collect();
    let running =
        compose::prepare(snapshot, &Location::File(config.store.path.clone()), None, Clock::default()).await?;
    let border = refresh::BorderRefresh::open(&running, table).await?;
    let moves = moves::MoveTask::open(&running, &config, borders).await?;
    let courier = courier::Task::start(&running.store, &config.webhooks, listeners)?;
    let mut parts = Parts { border, moves, courier };
    let mut retention = retention::Retention::new(config.audit);
    // Not before the policies and moves of the last run are in force.
    running.handle.accept();
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
    let mut state = Settings {
        reloads: Reloads::start(&origin, Inventory::of(&config)),
        inventory: Inventory::of(&config),
        began: config,
    };
    loop {
        tokio::select! {
            name = stop.wait() => {
                tracing::info!("{name}: no new requests; those under way may end");
                break;
            }
            _ = hangup.recv() => state.reloads.ask(Why::Hangup),
            _ = user1.recv() => state.reloads.ask(Why::User1),
            ready = state.reloads.next() => {
                if signalled(&mut stop, apply(&running, ready, &mut state, &mut parts)).await { break }
            },
            () = parts.border.due() => if signalled(&mut stop, parts.border.refresh(&running)).await { break },
            () = parts.moves.due() => if signalled(&mut stop, parts.moves.look(&running)).await { break },
            () = retention.due() => {
                let now = clock::now();
                if signalled(&mut stop, retention.forget(&running.store, now)).await { break }
            },
        }
    }
    let Parts { mut courier, moves, .. } = parts;
    let beside = async {
        tokio::join!(courier.stop(), moves.leave());
    };
    let ended = tokio::select! {
        ended = running.stop_beside(beside) => ended?,
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

/// The parts of a running gateway that a reload changes.
#[derive(Debug)]
struct Parts {
    border: refresh::BorderRefresh,
    moves: moves::MoveTask,
    courier: courier::Task,
}

/// The settings of the start, and those in force.
#[derive(Debug)]
struct Settings {
    reloads: Reloads,
    began: Config,
    inventory: Inventory,
}

/// Applies a new file as a whole, or logs why not and changes nothing. A vendor that was cut stays
/// cut unless a person lifted the cut.
async fn apply(running: &Running, ready: Ready, settings: &mut Settings, parts: &mut Parts) {
    let Ready { why, file, built } = ready;
    let (is_meant, why, file) = (why == Why::User1, why.as_str(), file.display());
    let built = match built {
        Ok(built) => *built,
        Err(findings) => {
            for line in findings.lines() {
                tracing::error!("{line}");
            }
            tracing::error!(%file, "{why}, but the new file cannot be used: the old settings stay");
            return;
        }
    };
    let Built { loaded: Loaded { config, snapshot, findings, .. }, listeners, table } = built;
    for line in findings.lines() {
        tracing::warn!("{line}");
    }
    let inventory = Inventory::of(&config);
    let losses = shrink::losses(&settings.inventory, &inventory, parts.moves.route_moves());
    let is_allowed = is_meant || config.allow_shrink || losses.is_empty();
    for loss in &losses {
        if is_allowed {
            tracing::warn!(%file, "{why}: {loss}, as was allowed");
        } else {
            tracing::error!(%file, "{why}, but the new file is not taken up: {loss}");
        }
    }
    if !is_allowed {
        tracing::error!(%file, "{why}: the old settings stay; {}", shrink::WHAT_TO_DO);
        return;
    }
    // Everything that can fail is done before the first change.
    let mut border = None;
    if parts.border.table_path() != table.path() {
        match parts.border.rules_with(running, &table).await {
            Ok(rules) => border = Some((table, rules)),
            Err(error) => {
                tracing::error!(%file, "{why}, but the border's rules were not read: {error:#}: the old settings stay");
                return;
            }
        }
    }
    for name in needs_restart(&settings.began, &config) {
        tracing::warn!("{name} changed; it takes effect at the next start");
    }
    let routes = snapshot.route_names().count();
    parts.moves.set_borders(snapshot.borders());
    running.handle.reload(snapshot);
    if let Some((table, rules)) = border {
        parts.border.set_table(running, table, rules);
    }
    lift(running).await;
    parts.courier.restart(&running.store, &config.webhooks, listeners).await;
    settings.reloads.set_in_force(inventory.clone());
    settings.inventory = inventory;
    tracing::info!(routes, %file, "{why}: the new settings are in force");
}

/// Names of changed settings that are read only at the start.
fn needs_restart<'a>(began: &Config, new: &Config) -> impl Iterator<Item = &'a str> + use<'a> {
    let (old_serve, serve) = (&began.gateway.serve, &new.gateway.serve);
    let (old_capture, capture) = (&began.gateway.capture, &new.gateway.capture);
    let changed = [
        ("serve.bind", serve.bind != old_serve.bind),
        ("serve.header_read_ms", serve.header_read_ms != old_serve.header_read_ms),
        ("serve.connections_max", serve.connections_max != old_serve.connections_max),
        ("store.path", new.store.path != began.store.path),
        ("[log]", new.log != began.log),
        ("[audit]", new.audit != began.audit),
        ("border.proxy_protocol", new.gateway.border.proxy_protocol != began.gateway.border.proxy_protocol),
        ("capture.key", capture.key != old_capture.key),
        ("capture.keep_days", capture.keep_days != old_capture.keep_days),
        ("capture.redact", capture.redact != old_capture.redact),
        ("capture.queue_len_max", capture.queue_len_max != old_capture.queue_len_max),
        ("capture.queue_bytes_max", capture.queue_bytes_max != old_capture.queue_bytes_max),
        ("capture.copies_at_once_max", capture.copies_at_once_max != old_capture.copies_at_once_max),
        ("capture.copies_per_minute_max", capture.copies_per_minute_max != old_capture.copies_per_minute_max),
        ("capture.copies_queue_len_max", capture.copies_queue_len_max != old_capture.copies_queue_len_max),
    ];
    changed.into_iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| name)
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

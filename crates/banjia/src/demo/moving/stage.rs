//! What the story runs on: vendors in a sandbox, a gateway on a database in a folder, a clock that is put ahead, and the look at
//! moves that `banjia serve` takes every few seconds.

use super::Settings;
use crate::cli::source_keys;
use crate::compose::{self, Running};
use crate::config;
use crate::demo::client::Client;
use crate::demo::shop;
use crate::lend::lend;
use anyhow::{Context as _, bail};
use banjia_control::moves::seal::SourceKeys;
use banjia_control::moves::{self, Loaded, MoveReconciler, OnPage};
use banjia_control::replay::{Bounds, Known, ReplayJob, Sums, Wanted};
use banjia_control::survey::Profiles;
use banjia_gateway::config::Config;
use banjia_gateway::{Clock, CopyStats, Snapshot, seal_key};
use banjia_movement::gate::GateResult;
use banjia_movement::spec::{MoveSpec, MovedRoute};
use banjia_sandbox::{Options, Pace, Sandbox, key_of};
use banjia_store::{EncryptionKey, Location, Period, Store};
use banjia_types::{RouteName, Secret, Target, Timestamp, VendorName};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const CONFIG: &str = include_str!("banjia.toml");
/// Ten times as fast as vendors are: weeks pass in minutes, and yet most of an answer's time is the vendor's.
const PACE: Pace = Pace { first_token: Duration::from_millis(40), per_token: Duration::from_millis(2) };
/// The answers and copies of a few dozen requests take no longer than this.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is looked whether they have come.
const LOOK: Duration = Duration::from_millis(5);

/// Under which name each vendor is cut.
pub(super) type Borders = BTreeMap<VendorName, VendorName>;

/// See the module's text.
pub(super) struct Stage {
    /// The gateway, until it is closed.
    running: Option<Running>,
    pub(super) clock: Clock,
    pub(super) client: Client,
    pub(super) sandbox: Sandbox,
    /// The vendor that will close.
    pub(super) source: String,
    /// What each route may be asked of, the source first.
    pub(super) targets: BTreeMap<RouteName, Vec<Target>>,
    pub(super) profiles: Profiles,
    /// Which vendors serve these callers, where that is known.
    pub(super) served: BTreeMap<VendorName, bool>,
    pub(super) key: EncryptionKey,
    pub(super) dir: PathBuf,
    gateway: Config,
    mover: MoveReconciler,
}

impl Stage {
    /// Starts vendors and gateway. `on_page` is whom people are called by.
    pub(super) async fn build(settings: &Settings, on_page: OnPage) -> anyhow::Result<Self> {
        let sandbox = Sandbox::start(Options { seed: settings.seed, pace: PACE, ..Options::default() })
            .await
            .context("starting the sandbox vendors")?;
        let secrets = shop::secrets();
        let text = shop::fill(CONFIG, &sandbox, &secrets)?;
        let loaded = match config::read("demo/banjia.toml", &text, Path::new(""), config::Options::default()) {
            Ok(loaded) => loaded,
            Err(findings) => bail!("the demo's own configuration is broken: {}", findings.lines().join("; ")),
        };
        let mut gateway = loaded.config.gateway;
        gateway.serve.bind = ([127, 0, 0, 1], 0).into();
        let targets = gateway.routes.iter().map(|route| {
            let targets = route.targets.iter().filter_map(|target| target.parse().ok());
            (route.name.clone(), targets.collect())
        });
        let targets: BTreeMap<RouteName, Vec<Target>> = targets.collect();
        let first = targets.values().next().and_then(|targets| targets.first());
        let source = first.context("the demo's first route has no target")?.vendor.to_string();
        let snapshot = Snapshot::compile(&gateway, &loaded.profiles)
            .map_err(|problems| anyhow::anyhow!("the demo's configuration is broken: {problems:?}"))?;
        let (clock, database) = (Clock::default(), settings.dir.join("banjia.db"));
        let (borders, served) = (snapshot.borders(), snapshot.served(clock.now()));
        let running = compose::start(snapshot, &Location::File(database), None, clock.clone()).await?;
        let key = seal_key(&gateway.capture, running.store.path())?;
        let mut mover = MoveReconciler::new(running.store.clone(), "demo".to_owned(), Some(key.clone()), on_page);
        mover.set_borders(borders);
        let client = shop::client(&format!("http://{}/v1", running.handle.addr), &secrets)?;
        let (dir, profiles) = (settings.dir.clone(), loaded.profiles);
        let running = Some(running);
        Ok(Self { running, clock, client, sandbox, source, targets, profiles, served, key, dir, gateway, mover })
    }

    /// The gateway.
    pub(super) fn running(&self) -> &Running {
        self.running.as_ref().expect("nothing is asked of the gateway after it was closed")
    }

    /// Waits until every request and every copy has its end, and until what is known of them is written. True when all had.
    pub(super) async fn settle(&self) -> anyhow::Result<bool> {
        let until = Instant::now() + PATIENCE;
        while self.running().open() > 0 || !is_done(self.copies()) {
            if Instant::now() >= until {
                return Ok(false);
            }
            sleep(LOOK).await;
        }
        self.running().handle.flush_captures().await;
        self.running().flush().await?;
        Ok(true)
    }

    /// How copies went.
    pub(super) fn copies(&self) -> CopyStats {
        self.running().handle.stats().1
    }

    /// Does what is due of the move, and tells the gateway. Returns the move as it stands then, and the gates of its next step;
    /// none before there is a move.
    pub(super) async fn look(&mut self) -> anyhow::Result<Option<(Loaded, Vec<GateResult>)>> {
        let now = self.clock.now();
        self.mover.tick(now).await?;
        self.hand_over().await?;
        let Some(loaded) = self.loaded().await? else { return Ok(None) };
        let evidence = self.mover.evidence(&loaded, now).await;
        let ahead = loaded.of.gates_ahead(&evidence, now);
        Ok(Some((loaded, ahead)))
    }

    /// The gateway learns where its requests go from now on.
    pub(super) async fn hand_over(&self) -> anyhow::Result<()> {
        let route_moves = moves::route_moves(&self.running().store).await?;
        self.running().handle.set_route_moves(route_moves).map_err(|problems| anyhow::anyhow!("{problems:?}"))
    }

    /// The move as it stands, if there is one.
    pub(super) async fn loaded(&self) -> anyhow::Result<Option<Loaded>> {
        Ok(moves::all(&self.running().store).await?.pop().and_then(|one| one.loaded))
    }

    /// Asks everything that was recorded of a route since the move began again, of another target, as `banjia replay` does.
    pub(super) async fn replay(&self, loaded: &Loaded, moved: &MovedRoute, target: &Target) -> anyhow::Result<Sums> {
        let wanted = Wanted {
            route: moved.route.clone(),
            period: Period { from: loaded.created_at, ..Period::ALWAYS },
            source: Some(moved.source.clone()),
            target: Some(target.clone()),
            repeats: 0,
            requests_max: None,
        };
        let replay = ReplayJob { store: self.running().store.clone(), key: self.key.clone(), wanted };
        let known = |_: &Target| Known::default();
        let plan = replay.plan(known).await?;
        let ask = lend(&self.running().handle.side_requests(), &self.gateway.capture.redact)?;
        let bounds = Bounds { at_once_max: self.gateway.capture.copies_at_once_max, spend_max: None };
        Ok(replay.run((&plan, bounds), known, ask, |_| ControlFlow::Continue(())).await?)
    }

    /// A client that calls the source itself, past the gateway.
    pub(super) fn direct(&self) -> anyhow::Result<Client> {
        let base = self.sandbox.base(&self.source).context("the sandbox has the source")?;
        let key = key_of(&self.source).context("the sandbox knows a key of the source")?;
        shop::client(base, &[Secret::new(key)])
    }

    /// Requests that arrived at the source so far.
    pub(super) fn arrived_at_source(&self) -> u64 {
        self.sandbox.counts().get(self.source.as_str()).map_or(0, |counts| counts.requests)
    }

    /// Takes the source's credential out of the configuration. Returns what that says of it to whoever seals.
    pub(super) fn remove_credential(&mut self, spec: &MoveSpec) -> anyhow::Result<(SourceKeys, Borders)> {
        let own = self.gateway.vendors.iter_mut().filter(|vendor| vendor.name == *spec.source_vendor());
        own.for_each(|vendor| vendor.credential = None);
        let snapshot = Snapshot::compile(&self.gateway, &self.profiles)
            .map_err(|problems| anyhow::anyhow!("a configuration without the source's key is broken: {problems:?}"))?;
        let said = source_keys(spec, &snapshot);
        self.running().handle.reload(snapshot);
        Ok(said)
    }

    /// Ends the gateway in order and opens its database again. The sandbox ends when it is dropped.
    pub(super) async fn close(&mut self) -> anyhow::Result<Store> {
        self.mover.leave().await?;
        let running = self.running.take().context("the gateway runs")?;
        let path = running.store.path().to_owned();
        running.stop().await?;
        Ok(Store::open(&Location::File(path)).await?)
    }
}

const fn is_done(copies: CopyStats) -> bool {
    copies.wished == copies.dropped + copies.not_asked + copies.recorded
}

/// A moment of the story, by the wall clock of its zone.
pub(super) fn moment(text: &str) -> anyhow::Result<Timestamp> {
    use banjia_types::calendar;
    calendar::read(text).map(|local| calendar::moment(local, super::ZONE)).map_err(anyhow::Error::msg)
}

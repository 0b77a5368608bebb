//! Sets up the demo: vendors in a sandbox, a gateway before them, keys for the customers; and takes it all down again.

use super::Settings;
use crate::compose::{self, OnAlert, Running};
use crate::config;
use crate::demo::client::Client;
use crate::demo::shop;
use anyhow::{Context, bail};
use banjia_gateway::{Alert, Clock};
use banjia_sandbox::{Fault, Options, Pace, Sandbox, When};
use banjia_store::Location;
use banjia_types::{Secret, Target, Timestamp};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

const CONFIG: &str = include_str!("banjia.toml");
/// A pace that people know from the vendors: a third of a second, then about thirty pieces a second.
const PACE: Pace = Pace { first_token: Duration::from_millis(320), per_token: Duration::from_millis(30) };

/// The moment in which the gateway cut a vendor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) at: Timestamp,
    /// Requests that had arrived at that vendor by then.
    pub(super) arrived: u64,
}

/// Everything that the demo runs on.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) running: Running,
    pub(super) client: Client,
    /// The vendor that will leave.
    pub(super) source: String,
    /// Who may answer then, in the order of the routes.
    pub(super) destinations: Vec<String>,
    pub(super) sandbox: Arc<Sandbox>,
    secrets: Vec<Secret>,
    alerts: std::sync::Mutex<mpsc::Receiver<Cut>>,
}

impl Stage {
    /// Starts vendors and gateway.
    pub(super) async fn build(settings: &Settings) -> anyhow::Result<Self> {
        let pace = if settings.at_once { Pace::default() } else { PACE };
        let sandbox = Sandbox::start(Options { seed: settings.seed, pace, ..Options::default() })
            .await
            .context("starting the sandbox vendors")?;
        let sandbox = Arc::new(sandbox);
        let secrets: Vec<_> = shop::secrets();
        let text = shop::fill(CONFIG, &sandbox, &secrets)?;
        let loaded = match config::read("demo/banjia.toml", &text, Path::new(""), config::Options::default()) {
            Ok(loaded) => loaded,
            Err(findings) => bail!("the demo's own configuration is broken: {}", findings.lines().join("; ")),
        };
        let mut gateway = loaded.config.gateway;
        gateway.serve.bind = settings.listen;
        let (source, destinations) = cast(&gateway)?;
        let snapshot = banjia_gateway::Snapshot::compile(&gateway, &loaded.profiles)
            .map_err(|problems| anyhow::anyhow!("the demo's configuration is broken: {problems:?}"))?;
        let (on_alert, alerts) = watch_cuts(&sandbox, &source);
        let running = compose::start(snapshot, &Location::Temporary, Some(on_alert), Clock::default()).await?;
        let client = shop::client(&format!("http://{}/v1", running.handle.addr), &secrets)?;
        let alerts = std::sync::Mutex::new(alerts);
        Ok(Self { running, client, source, destinations, sandbox, secrets, alerts })
    }

    /// From now on the source answers its true region block.
    pub(super) fn block_source(&self) {
        self.sandbox.faults.set(&self.source, Fault::Region, When::Always);
    }

    /// When the gateway cut the source, if it did so since the last call.
    pub(super) fn take_cuts(&self) -> Vec<Cut> {
        self.alerts.lock().map(|alerts| alerts.try_iter().collect()).unwrap_or_default()
    }

    /// Requests that arrived at the source so far.
    pub(super) fn arrived_at_source(&self) -> u64 {
        arrived(&self.sandbox, &self.source)
    }

    /// A key that works, to be shown with `--serve`.
    pub(super) fn first_key(&self) -> &str {
        self.secrets.first().map_or("", Secret::expose)
    }

    /// Ends everything in order.
    pub(super) async fn strike(self) -> anyhow::Result<()> {
        // The sandbox ends when it is dropped, after the gateway.
        self.running.stop().await?;
        Ok(())
    }
}

fn arrived(sandbox: &Sandbox, vendor: &str) -> u64 {
    sandbox.counts().get(vendor).map_or(0, |counts| counts.requests)
}

/// Notes when the gateway cuts `source`, and what had arrived there in that moment.
fn watch_cuts(sandbox: &Arc<Sandbox>, source: &str) -> (OnAlert, mpsc::Receiver<Cut>) {
    let (tell, cuts) = mpsc::channel();
    let (sandbox, source) = (Arc::clone(sandbox), source.to_owned());
    let on_alert: OnAlert = Arc::new(move |alert: &Alert| {
        let Alert::VendorCut { target, at, .. } = alert else { return };
        if target.vendor.as_str() != source {
            return;
        }
        if tell.send(Cut { at: *at, arrived: arrived(&sandbox, &source) }).is_err() {
            tracing::debug!("a cut came after the demo's end");
        }
    });
    (on_alert, cuts)
}

/// Who leaves (the first target of the first route) and who stays.
fn cast(gateway: &banjia_gateway::config::Config) -> anyhow::Result<(String, Vec<String>)> {
    let vendors = |targets: &[String]| -> Vec<String> {
        targets.iter().filter_map(|text| text.parse::<Target>().ok()).map(|target| target.vendor.to_string()).collect()
    };
    let first = gateway.routes.first().map(|route| vendors(&route.targets)).unwrap_or_default();
    let source = first.first().context("the demo's first route has no target")?.clone();
    let all: Vec<_> = gateway.routes.iter().flat_map(|route| vendors(&route.targets)).collect();
    let mut known = BTreeSet::from([source.clone()]);
    let destinations = all.into_iter().filter(|vendor| known.insert(vendor.clone())).collect();
    Ok((source, destinations))
}

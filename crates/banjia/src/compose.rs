//! Builds the parts and connects them: store, ledger, the way to vendors, gateway.
//!
//! Rule: whoever starts something here stops it here, in the reverse order, and says what did not end well.

use anyhow::{Context, ensure};
use banjia_gateway::{Alert, Clock, Gateway, Handle, Parts, Snapshot};
use banjia_store::{LedgerWriter, Location, Store, WriterConfig};
use banjia_upstream::Upstream;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Told of what people must know. It must not block.
pub(crate) type OnAlert = Arc<dyn Fn(&Alert) + Send + Sync>;

/// How long a flush may take before it counts as stuck.
const FLUSH: Duration = Duration::from_secs(10);

/// A gateway and what it stands on.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) handle: Handle,
    pub(crate) store: Store,
    ledger: LedgerWriter,
}

/// Starts a gateway with this view of the world, writing to `location`.
pub(crate) async fn start(
    snapshot: Snapshot,
    location: &Location,
    on_alert: Option<OnAlert>,
    clock: Clock,
) -> anyhow::Result<Running> {
    let running = prepare(snapshot, location, on_alert, clock).await?;
    running.handle.accept();
    Ok(running)
}

/// The same, but connections wait until [`Handle::accept`].
pub(crate) async fn prepare(
    snapshot: Snapshot,
    location: &Location,
    on_alert: Option<OnAlert>,
    clock: Clock,
) -> anyhow::Result<Running> {
    let store = Store::open(location).await?;
    let ledger = store.ledger_writer(&WriterConfig::default()).await?;
    let upstream = Upstream::new(&banjia_upstream::Config::default())?;
    let parts = Parts { snapshot, upstream, store: store.clone(), ledger: ledger.clone(), on_alert, clock };
    let handle = Gateway::bind(parts).await?;
    Ok(Running { handle, store, ledger })
}

impl Running {
    /// Waits until what ended so far is in the ledger's database.
    pub(crate) async fn flush(&self) -> anyhow::Result<()> {
        tokio::time::timeout(FLUSH, self.ledger.flush()).await.context("the ledger's database takes no rows")??;
        Ok(())
    }

    /// Accepted requests that have no end yet.
    pub(crate) fn open(&self) -> usize {
        self.ledger.open()
    }

    /// Lets requests under way end, writes the ledger to its end and closes it, while `beside` lets
    /// others go. Returns whether all requests ended by themselves. It ends within
    /// `serve.drain_ms`; a database that cannot be written until then makes it an error.
    pub(crate) async fn stop_beside(self, beside: impl Future<Output = ()>) -> anyhow::Result<bool> {
        let times = self.handle.stop_times();
        let (all, beside) = tokio::join!(self.handle.drain(times), timeout_at(times.writes, beside));
        if beside.is_err() {
            tracing::warn!("the webhooks or the lease of the moves did not let go in time");
        }
        let closing = times.ledger.saturating_duration_since(Instant::now());
        self.ledger.close_within(closing).await.context("closing the ledger")?;
        let lost = self.store.health();
        ensure!(lost.is_ok(), "{}", lost.to_string().trim_end());
        if timeout_at(times.end, self.store.close()).await.is_err() {
            tracing::warn!("the database's files were not put in order in time; the next start does that");
        }
        Ok(all)
    }

    /// Like [`Running::stop_beside`] with nothing beside.
    pub(crate) async fn stop(self) -> anyhow::Result<bool> {
        self.stop_beside(std::future::ready(())).await
    }
}

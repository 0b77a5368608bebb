//! Brings moves forward while the gateway runs, and tells the gateway how its routes move.
//!
//! - One process at a time looks at the moves of a database. It holds a lease.
//! - A move that does not fit its route is logged and changes nothing. No other move waits for it.
//! - A source's end date is part of what the gateway is told, so it applies even if no look
//!   follows.
//! - A vendor that refused another process of ours, for example a replay, is cut here within one
//!   look.

use crate::clock;
use crate::compose::Running;
use crate::config::Config;
use banjia_control::moves::MoveReconciler;
use banjia_gateway::seal_key;
use banjia_movement::stage::Urgency;
use banjia_types::{RouteMove, RouteName, VendorName};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};
use uuid::Uuid;

const EVERY: Duration = Duration::from_secs(2);

/// The task that brings moves forward, polled by the main loop of `serve`.
#[derive(Debug)]
pub(super) struct MoveTask {
    mover: MoveReconciler,
    ticks: Interval,
    /// How routes move, as it was read last.
    route_moves: BTreeMap<RouteName, RouteMove>,
    /// The number of the last change that was handed over.
    version: i64,
    /// The number of the last change with a move that does not fit its route, so that it is logged
    /// once.
    unfit: Option<i64>,
}

impl MoveTask {
    /// Tells the gateway how routes move now, before it accepts the first request.
    pub(super) async fn open(
        running: &Running,
        config: &Config,
        borders: BTreeMap<VendorName, VendorName>,
    ) -> anyhow::Result<Self> {
        let key = seal_key(&config.gateway.capture, running.store.path())?;
        let on_page = Box::new(|id: &str, page: &banjia_movement::stage::Page| {
            let number = page.number;
            match page.urgency {
                Urgency::Urgent => tracing::error!(id, page = number, "look now: {}", page.why),
                Urgency::Notice => tracing::warn!(id, page = number, "{}", page.why),
            }
        });
        let mut mover =
            MoveReconciler::new(running.store.clone(), Uuid::now_v7().simple().to_string(), Some(key), on_page);
        mover.set_borders(borders);
        let handle = running.handle.clone();
        // What does not fit is logged after the look, once for each change.
        mover.set_on_step(Box::new(move |route_moves| drop(handle.set_route_moves(route_moves))));
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        let mut made = Self { mover, ticks, route_moves: BTreeMap::new(), version: 0, unfit: None };
        running.handle.take_cuts().await?;
        made.hand_over(running).await?;
        Ok(made)
    }

    /// Waits until it is time to look.
    pub(super) async fn due(&mut self) {
        self.ticks.tick().await;
    }

    /// Does what is due. What cannot be done changes nothing but the log.
    pub(super) async fn look(&mut self, running: &Running) {
        let version = running.store.moves_version().await;
        // What another process decided does not wait until every move was looked at.
        if version.as_ref().is_ok_and(|version| *version != self.version) {
            self.take_up_moves(running).await;
        }
        // Zero: nobody ever made a move here. A database that cannot be read is the reconciler's to
        // count and to call people for.
        if !matches!(version, Ok(0))
            && let Err(error) = self.mover.tick(clock::now()).await
        {
            tracing::error!("the moves were not looked at: {error}");
        }
        // Neither waits for the other: a route's move is as urgent as a cut.
        if let Err(error) = running.handle.take_cuts().await {
            tracing::error!("whom another process was refused by was not read: {error}");
        }
        self.take_up_moves(running).await;
    }

    async fn take_up_moves(&mut self, running: &Running) {
        if let Err(error) = self.hand_over(running).await {
            tracing::error!("the gateway keeps the moves that it has: {error:#}");
        }
    }

    async fn hand_over(&mut self, running: &Running) -> anyhow::Result<()> {
        let version = running.store.moves_version().await?;
        if version == 0 {
            return Ok(());
        }
        self.route_moves = self.mover.route_moves().await?;
        self.version = version;
        match running.handle.set_route_moves(self.route_moves.clone()) {
            Ok(()) => self.unfit = None,
            Err(_) if self.unfit == Some(version) => {}
            Err(problems) => {
                for problem in problems {
                    tracing::error!("{problem}: the move of this route stays as it was");
                }
                self.unfit = Some(version);
            }
        }
        Ok(())
    }

    /// How routes move, as it was read last.
    pub(super) const fn route_moves(&self) -> &BTreeMap<RouteName, RouteMove> {
        &self.route_moves
    }

    /// Takes up another configuration's vendors.
    pub(super) fn set_borders(&mut self, borders: BTreeMap<VendorName, VendorName>) {
        self.mover.set_borders(borders);
    }

    /// Lets another process look at once.
    pub(super) async fn leave(&self) {
        if let Err(error) = self.mover.leave().await {
            tracing::debug!(%error, "the lease of the moves ends by itself");
        }
    }
}

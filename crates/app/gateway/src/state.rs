//! What all requests share. Its parts are built and started in `gateway`.

use crate::affinity::Affinity;
use crate::alert::{Alert, OnAlert};
use crate::border::Evidence;
use crate::capture::Recorder;
use crate::clock::Clock;
use crate::copies::Copies;
use crate::drain::Drain;
use crate::held::HeldBytes;
use crate::implausible::ImplausibleUsage;
use crate::ledger::Books;
use crate::live::RuntimeState;
use crate::live_config::LiveConfig;
use crate::overload::Overload;
use crate::reasoning::ReasoningCache;
use crate::side_request_limiter::SideRequestLimiter;
use crate::snapshot::{Snapshot, Vendor};
use crate::wrong_keys::WrongKeys;
use banjia_store::{Store, StoreError};
use banjia_traffic::HealthRules;
use banjia_types::{RequestId, Target, Timestamp, VendorName};
use banjia_upstream::Upstream;
use serde_json::json;
use std::sync::Arc;
use tokio_util::task::TaskTracker;

pub(crate) struct State {
    pub(crate) live: LiveConfig,
    pub(crate) upstream: Upstream,
    pub(crate) store: Store,
    pub(crate) books: Books,
    pub(crate) recorder: Recorder,
    pub(crate) copies: Copies,
    pub(crate) side_request_limiter: SideRequestLimiter,
    pub(crate) health: HealthRules,
    pub(crate) reasoning: ReasoningCache,
    pub(crate) implausible: ImplausibleUsage,
    pub(crate) affinity: Affinity,
    pub(crate) drain: Arc<Drain>,
    /// The bytes of requests and whole responses that are in memory.
    pub(crate) held: Arc<HeldBytes>,
    pub(crate) overload: Arc<Overload>,
    pub(crate) wrong_keys: WrongKeys,
    pub(crate) started: Timestamp,
    /// Short work that goes on after a request: recording a block, reading a response to its end.
    pub(crate) after: TaskTracker,
    pub(crate) clock: Clock,
    pub(crate) evidence: Evidence,
    pub(crate) on_alert: Option<OnAlert>,
}

impl State {
    /// The runtime state of this moment. A request loads it once.
    pub(crate) fn runtime(&self) -> Arc<RuntimeState> {
        self.live.runtime()
    }

    /// New requests see this snapshot from now on.
    pub(crate) fn reload(&self, snapshot: Snapshot) {
        self.held.set_max(snapshot.serve.held_bytes_max());
        self.live.reload(snapshot);
    }

    /// Blocks the vendors that another process has recorded as blocked. A region refusal is final,
    /// whichever of our processes received it.
    pub(crate) async fn take_cuts(&self) -> Result<(), StoreError> {
        let cuts = self.store.cuts().await?;
        let runtime = self.runtime();
        for vendor in cuts.into_iter().map(|cut| cut.vendor) {
            if !self.live.block(&vendor).block() {
                continue;
            }
            tracing::warn!(%vendor, "the vendor refused our region in another process; it is blocked here too");
            self.affinity.forget(|target| runtime.snapshot.border_of(&target.vendor) == Some(&vendor));
        }
        Ok(())
    }

    /// Blocks a vendor that refused our region, for everybody at once. The record and the alert follow.
    pub(crate) fn block_vendor(
        self: &Arc<Self>,
        vendor: &Arc<Vendor>,
        target: &Target,
        request: RequestId,
        message: &str,
    ) {
        if !self.live.block(&vendor.border).block() {
            return;
        }
        let at = self.clock.now();
        tracing::warn!(vendor = %vendor.border, %target, %request, message, "the vendor refused our region; it is blocked");
        let evidence = json!({ "request": request.to_string(), "target": target.to_string(), "said": message });
        let name = vendor.border.clone();
        if let Some(on_alert) = &self.on_alert {
            let (vendor, target, said) = (name.clone(), target.clone(), message.to_owned());
            on_alert(&Alert::VendorCut { vendor, target, at, request, said });
        }
        self.affinity.forget(|pinned| pinned.vendor == target.vendor);
        let state = self.clone();
        self.after.spawn(async move {
            // Until the store has it, it stands in the file beside the database.
            state.store.record_cut_until_stored(&name, at, &evidence).await;
        });
    }

    /// Requests may be sent to the vendor again.
    pub(crate) fn lift_cut(&self, vendor: &VendorName) {
        self.live.block(vendor).lift();
    }
}

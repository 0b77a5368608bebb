//! What all requests share: the world of the moment, the way to vendors, the ledger, memory of conversations.

use crate::alert::{Alert, OnAlert};
use crate::border::{ActivePolicies, Evidence};
use crate::capture::Recorder;
use crate::clock::Clock;
use crate::copies::Copies;
use crate::drain::Drain;
use crate::emulate::reasoning::ReasoningCache;
use crate::held::HeldBytes;
use crate::implausible::ImplausibleUsage;
use crate::live::{RuntimeState, StateRegistry};
use crate::lock::lock;
use crate::overload::Overload;
use crate::problem::Problem;
use crate::route_move::RouteMoves;
use crate::side_requests::SideRequestLimiter;
use crate::snapshot::{Snapshot, Vendor};
use crate::wrong_keys::WrongKeys;
use arc_swap::ArcSwap;
use banjia_store::{LedgerWriter, Store, StoreError};
use banjia_traffic::{HealthRules, SessionAffinity, StickyKey};
use banjia_types::{Moment, RequestId, Target, Timestamp, VendorName};
use banjia_upstream::Upstream;
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// Conversations remembered because they sit elsewhere than the route's order says.
const PLACES_LEN_MAX: usize = 65_536;
/// How long a silent conversation is remembered.
const PLACES_KEPT_FOR: Duration = Duration::from_hours(24);
/// Time between two reports of what was turned away.
const REPORT_EVERY: Duration = Duration::from_mins(1);

/// What all of it stands on.
pub(crate) struct Base {
    pub(crate) snapshot: Snapshot,
    pub(crate) upstream: Upstream,
    pub(crate) store: Store,
    pub(crate) ledger: Option<LedgerWriter>,
    pub(crate) on_alert: Option<OnAlert>,
    pub(crate) clock: Clock,
}

pub(crate) struct State {
    world: ArcSwap<RuntimeState>,
    lasting: Mutex<StateRegistry>,
    pub(crate) upstream: Upstream,
    pub(crate) store: Store,
    /// None where only legs are asked: then no request is accepted.
    pub(crate) ledger: Option<LedgerWriter>,
    pub(crate) recorder: Recorder,
    pub(crate) copies: Copies,
    pub(crate) quota: SideRequestLimiter,
    pub(crate) health: HealthRules,
    pub(crate) replay: ReasoningCache,
    pub(crate) implausible: ImplausibleUsage,
    pub(crate) drain: Arc<Drain>,
    /// The bytes of requests and whole answers that are in memory.
    pub(crate) held: Arc<HeldBytes>,
    pub(crate) overload: Overload,
    pub(crate) wrong_keys: WrongKeys,
    /// Requests that wait for a place in the ledger.
    pub(crate) waiting: AtomicUsize,
    pub(crate) started: Timestamp,
    /// Short writes that go on after a request (a recorded cut, an answer read to its end).
    pub(crate) after: TaskTracker,
    /// What the ledger and the border call now.
    pub(crate) clock: Clock,
    pub(crate) evidence: Evidence,
    rules: ArcSwap<ActivePolicies>,
    on_alert: Option<OnAlert>,
    places: Mutex<SessionAffinity<Target>>,
    /// Whether any place was ever remembered: as long as not, nobody takes the lock.
    any_place: AtomicBool,
}

impl State {
    /// Must be called inside a tokio runtime: the writers of the audit and of captures begin here, and the sender of copies.
    pub(crate) fn open(base: Base, cuts: &[VendorName]) -> Arc<Self> {
        let Base { snapshot, upstream, store, ledger, on_alert, clock } = base;
        let mut lasting = StateRegistry::default();
        for vendor in cuts {
            lasting.border(vendor).cut();
        }
        let capture = snapshot.capture.clone();
        let held = HeldBytes::new(snapshot.serve.held_bytes_max());
        let world = lasting.install(snapshot);
        let evidence = Evidence::new(store.audit_writer());
        let recorder = Recorder::start(&store, capture.clone(), clock.clone());
        let (copies, wishes) = Copies::new(capture.config.copies_queue_len_max);
        let at_once_max = capture.config.copies_at_once_max;
        let state = Arc::new(Self {
            recorder,
            copies,
            quota: SideRequestLimiter::new(at_once_max, capture.config.copies_per_minute_max),
            world: ArcSwap::from_pointee(world),
            lasting: Mutex::new(lasting),
            upstream,
            store,
            ledger,
            health: HealthRules::default(),
            replay: ReasoningCache::default(),
            implausible: ImplausibleUsage::default(),
            drain: Arc::default(),
            held,
            overload: Overload::default(),
            wrong_keys: WrongKeys::default(),
            waiting: AtomicUsize::new(0),
            started: clock.now(),
            clock,
            evidence,
            rules: ArcSwap::default(),
            after: TaskTracker::new(),
            on_alert,
            places: Mutex::new(SessionAffinity::new(PLACES_LEN_MAX, PLACES_KEPT_FOR)),
            any_place: AtomicBool::new(false),
        });
        tokio::spawn(crate::copies::run(Arc::downgrade(&state), wishes, at_once_max));
        tokio::spawn(report(Arc::downgrade(&state)));
        state
    }

    /// The world of this moment. A request takes it once.
    pub(crate) fn world(&self) -> Arc<RuntimeState> {
        self.world.load_full()
    }

    /// The border's rules of this moment. A request takes them once.
    pub(crate) fn rules(&self) -> Arc<ActivePolicies> {
        self.rules.load_full()
    }

    /// From now on new requests are judged by these rules.
    pub(crate) fn set_border(&self, rules: ActivePolicies) {
        self.rules.store(Arc::new(rules));
    }

    /// From now on new requests see this snapshot.
    pub(crate) fn reload(&self, snapshot: Snapshot) {
        self.held.set_max(snapshot.serve.held_bytes_max());
        let mut lasting = lock(&self.lasting);
        let world = lasting.install(snapshot);
        self.world.store(Arc::new(world));
    }

    /// From now on new requests go by these courses.
    ///
    /// # Errors
    /// What does not fit the routes; the routes of the others have their courses all the same.
    pub(crate) fn set_route_moves(&self, route_moves: RouteMoves) -> Result<(), Vec<Problem>> {
        let mut lasting = lock(&self.lasting);
        let (world, problems) = lasting.set_route_moves(route_moves, &self.world());
        if let Some(world) = world {
            self.world.store(Arc::new(world));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Learns by whom another process was refused: a vendor's denial is final, whoever of us met it.
    pub(crate) async fn take_cuts(&self) -> Result<(), StoreError> {
        let cuts = self.store.cuts().await?;
        let world = self.world();
        for vendor in cuts.into_iter().map(|cut| cut.vendor) {
            if !lock(&self.lasting).border(&vendor).cut() {
                continue;
            }
            tracing::warn!(%vendor, "another process was told that the vendor does not serve this region; it is cut here too");
            lock(&self.places).unpin_where(|place| world.snapshot.border_of(&place.vendor) == Some(&vendor));
        }
        Ok(())
    }

    /// The reflex: this vendor refused our region. It is cut for everybody at once; the record and the alert follow.
    pub(crate) fn reflex(self: &Arc<Self>, vendor: &Arc<Vendor>, target: &Target, request: RequestId, said: &str) {
        let newly = lock(&self.lasting).border(&vendor.border).cut();
        if !newly {
            return;
        }
        let at = self.clock.now();
        tracing::warn!(vendor = %vendor.border, %target, %request, said, "the vendor does not serve this region; it is cut");
        let evidence = json!({ "request": request.to_string(), "target": target.to_string(), "said": said });
        let (name, target) = (vendor.border.clone(), target.clone());
        let alert =
            Alert::VendorCut { vendor: name.clone(), target: target.clone(), at, request, said: said.to_owned() };
        if let Some(tell) = &self.on_alert {
            tell(&alert);
        }
        lock(&self.places).unpin_where(|place| place.vendor == target.vendor);
        let state = self.clone();
        self.after.spawn(async move {
            // Not before it is stored: until then it stands in the file beside the database.
            state.store.record_cut_until_stored(&name, at, &evidence).await;
        });
    }

    /// The vendor may be asked again.
    pub(crate) fn lift_cut(&self, vendor: &VendorName) {
        lock(&self.lasting).border(vendor).lift();
    }

    /// Where a conversation sits, when that is not where the route's order would put it.
    pub(crate) fn place(&self, key: StickyKey, now: Moment) -> Option<Target> {
        if !self.any_place.load(Ordering::Acquire) {
            return None;
        }
        lock(&self.places).pinned_to(key, now).cloned()
    }

    pub(crate) fn remember(&self, key: StickyKey, target: &Target, now: Moment) {
        lock(&self.places).pin(key, target.clone(), now);
        self.any_place.store(true, Ordering::Release);
    }
}

/// Says each minute what was turned away, until nobody is left.
async fn report(state: Weak<State>) {
    let mut minute = tokio::time::interval(REPORT_EVERY);
    loop {
        minute.tick().await;
        let Some(state) = state.upgrade() else { return };
        state.overload.report();
        state.wrong_keys.report();
    }
}

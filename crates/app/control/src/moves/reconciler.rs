//! Looks at moves and brings them forward.
//!
//! Rules:
//! - A move that cannot be looked at keeps no other one waiting, and a deadline does not wait for
//!   evidence: what could not be gathered within [`EVIDENCE_WITHIN`] is missing, and the step is
//!   made without it.
//! - Looks that fail again and again call people ([`super::faults`]), also when the database cannot
//!   be read at all.

use super::faults::{ALL_MOVES, Faults};
use super::verdicts::Verdicts;
use super::{KnownMoves, LEASE, Loaded, MoveError, ReadMove, Seen, append, courses_of, gather};
use banjia_movement::gate::Evidence;
use banjia_movement::stage::{Action, Page, step};
use banjia_store::{EncryptionKey, Store, StoreError};
use banjia_types::{RouteMove, RouteName, Timestamp, VendorName};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;

/// The span after which a lease ends if it is not renewed.
pub(super) const LEASE_FOR: Duration = Duration::from_secs(30);
/// Time limit for the evidence of one move, and again for the verdicts of parity.
const EVIDENCE_WITHIN: Duration = Duration::from_secs(20);

/// Whom people are called by. A page with the number 0 is of no event: the move cannot be looked
/// at, or can be again.
pub type OnPage = Box<dyn Fn(&str, &Page) + Send + Sync>;

/// Receives how the routes move now, as soon as one of the moves has gone a step.
pub type OnStep = Box<dyn Fn(BTreeMap<RouteName, RouteMove>) + Send + Sync>;

/// Looks at moves and brings them forward.
pub struct MoveReconciler {
    store: Store,
    holder: String,
    key: Option<EncryptionKey>,
    /// Under which name a vendor of the configuration is cut.
    borders: BTreeMap<VendorName, VendorName>,
    on_page: OnPage,
    on_step: Option<OnStep>,
    verdicts: Verdicts,
    known: KnownMoves,
    faults: Faults,
}

/// What one look came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticked {
    /// True if this process looked; another one does otherwise.
    pub is_ours: bool,
    /// Events that were added.
    pub events: u64,
    /// Pages that were handed on.
    pub pages: u64,
}

impl std::fmt::Debug for MoveReconciler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MoveReconciler").field("holder", &self.holder).finish_non_exhaustive()
    }
}

impl MoveReconciler {
    /// `holder` must be new for each process. Without the key of the captures there are no verdicts
    /// of parity.
    pub fn new(store: Store, holder: String, key: Option<EncryptionKey>, on_page: OnPage) -> Self {
        Self {
            known: KnownMoves::new(store.clone()),
            store,
            holder,
            key,
            borders: BTreeMap::new(),
            on_page,
            on_step: None,
            verdicts: Verdicts::default(),
            faults: Faults::default(),
        }
    }

    /// Says under which name each vendor of the configuration is cut: several may stand behind one
    /// border.
    pub fn set_borders(&mut self, borders: BTreeMap<VendorName, VendorName>) {
        self.borders = borders;
    }

    /// Sets who receives the routes' moves after each step, before the next move is looked at:
    /// gathering evidence may take long, and a step must not wait for another move's.
    pub fn set_on_step(&mut self, on_step: OnStep) {
        self.on_step = Some(on_step);
    }

    /// Looks at every move once. A move that cannot be looked at is told in the log and keeps no
    /// other one waiting.
    ///
    /// # Errors
    /// The database.
    pub async fn tick(&mut self, now: Timestamp) -> Result<Ticked, MoveError> {
        let mut done = self.look_at_all(now).await;
        match &done {
            Ok(ticked) if ticked.is_ours => self.faults.succeeded(ALL_MOVES),
            Ok(_) => self.faults.forget(),
            Err(error) => {
                self.faults.failed(ALL_MOVES, error.to_string());
            }
        }
        let called = self.call(now).await;
        if let Ok(ticked) = &mut done {
            ticked.pages += called;
        }
        done
    }

    async fn look_at_all(&mut self, now: Timestamp) -> Result<Ticked, MoveError> {
        let mut ticked = Ticked::default();
        if !self.store.take_lease(LEASE, &self.holder, now, LEASE_FOR).await? {
            return Ok(ticked);
        }
        ticked.is_ours = true;
        self.known.read_again().await?;
        let mut known = self.known.take();
        for index in 0..known.len() {
            let events = ticked.events;
            if let Some(read) = known.get_mut(index) {
                self.look_at_one(read, now, &mut ticked).await;
            }
            if ticked.events > events
                && let Some(on_step) = &self.on_step
            {
                let loaded = known.iter().filter_map(|read| read.loaded.as_ref());
                on_step(courses_of(&self.store, loaded).await);
            }
        }
        self.known.put(known);
        Ok(ticked)
    }

    async fn look_at_one(&mut self, read: &mut ReadMove, now: Timestamp, ticked: &mut Ticked) {
        let looked = match (&mut read.loaded, &read.error) {
            (_, Some(error)) => Err(error.to_string()),
            (Some(loaded), None) => self.look(loaded, now, ticked).await,
            (None, None) => Ok(()),
        };
        match looked {
            Ok(()) => self.faults.succeeded(&read.id),
            Err(why) => {
                if self.faults.failed(&read.id, why.clone()) {
                    tracing::error!(id = read.id, "{why}");
                }
            }
        }
    }

    /// Calls people for looks that fail, and stores the webhook events for it. Returns the number
    /// of calls.
    async fn call(&mut self, now: Timestamp) -> u64 {
        let calls = self.faults.calls(now);
        for (id, page) in &calls {
            (self.on_page)(id, page);
        }
        while let Some((at, page)) = self.faults.untold() {
            if let Err(error) = self.store.tell_page(*at, page).await {
                tracing::debug!(%error, "a page is told to listeners as soon as the database can be written");
                break;
            }
            self.faults.told();
        }
        calls.len() as u64
    }

    /// How every route moves, like [`super::route_moves`]. Nothing is read twice, and a move that
    /// cannot be read any more stays in force as it was last read.
    ///
    /// # Errors
    /// The database.
    pub async fn route_moves(&mut self) -> Result<BTreeMap<RouteName, RouteMove>, MoveError> {
        self.known.route_moves().await
    }

    /// Lets another process look at once.
    ///
    /// # Errors
    /// The database.
    pub async fn leave(&self) -> Result<(), StoreError> {
        self.store.give_lease_back(LEASE, &self.holder).await
    }

    /// Gathers the evidence for a look at a move, with the newest verdicts of parity. Missing parts
    /// are named in it.
    pub async fn evidence(&mut self, loaded: &Loaded, now: Timestamp) -> Evidence {
        let seen = Seen { loaded, borders: &self.borders, now };
        let Ok(mut evidence) = timeout(EVIDENCE_WITHIN, gather(&self.store, &seen)).await else {
            return Evidence { missing: vec![late("everything")], ..Evidence::default() };
        };
        if let Some(key) = &self.key {
            let added = timeout(EVIDENCE_WITHIN, self.verdicts.add(&self.store, key, &seen, &mut evidence)).await;
            match added {
                Ok(Ok(())) => {}
                Ok(Err(error)) => evidence.missing.push(format!("the verdicts of parity: {error}")),
                Err(_) => evidence.missing.push(late("the verdicts of parity")),
            }
        }
        evidence
    }

    /// Looks at one move and does what is due.
    ///
    /// # Errors
    /// The reason why the look failed, or the evidence that was missing.
    async fn look(&mut self, loaded: &mut Loaded, now: Timestamp, ticked: &mut Ticked) -> Result<(), String> {
        let evidence = self.evidence(loaded, now).await;
        for action in step(&loaded.of, &evidence, now) {
            match action {
                Action::Page(page) => {
                    (self.on_page)(&loaded.of.spec().id, &page);
                    ticked.pages += 1;
                }
                Action::Append(event) => {
                    let reason = event.reason.clone();
                    if !append(&self.store, loaded, event).await.map_err(|error| error.to_string())? {
                        // Somebody else was faster; the next look begins with what they did.
                        return Ok(());
                    }
                    ticked.events += 1;
                    tracing::info!(id = loaded.of.spec().id, event = loaded.of.version(), reason, "a move goes on");
                }
            }
        }
        if evidence.missing.is_empty() {
            return Ok(());
        }
        Err(format!("nothing goes forward{}", evidence.without()))
    }
}

fn late(what: &str) -> String {
    format!("{what}: not gathered within {} s", EVIDENCE_WITHIN.as_secs())
}

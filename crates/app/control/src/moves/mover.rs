//! Whoever looks at moves.
//!
//! Rules: a move is read whole once, and then only what was added to it; so the look and the courses that follow it read
//! nothing twice. What is kept is the log and nothing that the log does not say, so another process's events only add to it.

use super::verdicts::Verdicts;
use super::{LEASE, Loaded, MoveError, Seen, append, catch_up, courses_of, gather, read};
use banjia_movement::gate::Evidence;
use banjia_movement::stage::{Action, Page, step};
use banjia_store::{SealKey, Store, StoreError};
use banjia_types::{Course, RouteName, Timestamp, VendorName};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the lease lasts if it is not renewed.
pub(super) const LEASE_FOR: Duration = Duration::from_secs(30);

/// Whom people are called by.
pub type OnPage = Box<dyn Fn(&str, &Page) + Send + Sync>;

/// Looks at moves and brings them forward.
pub struct Mover {
    store: Store,
    holder: String,
    key: Option<SealKey>,
    /// Under which name a vendor of the configuration is cut.
    borders: BTreeMap<VendorName, VendorName>,
    on_page: OnPage,
    verdicts: Verdicts,
    /// Every move as it was read last, the oldest first, so that only new events are read.
    known: Vec<Loaded>,
}

/// What one look came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Whether this process looked; another one does otherwise.
    pub is_ours: bool,
    /// Events that were added.
    pub events: u64,
    /// Pages that were handed on.
    pub pages: u64,
}

impl std::fmt::Debug for Mover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mover").field("holder", &self.holder).finish_non_exhaustive()
    }
}

impl Mover {
    /// `holder` must be new for each process. Without the key of the captures there are no verdicts of parity.
    pub fn new(store: Store, holder: String, key: Option<SealKey>, on_page: OnPage) -> Self {
        Self { store, holder, key, borders: BTreeMap::new(), on_page, verdicts: Verdicts::default(), known: Vec::new() }
    }

    /// Says under which name each vendor of the configuration is cut: several may stand behind one border.
    pub fn set_borders(&mut self, borders: BTreeMap<VendorName, VendorName>) {
        self.borders = borders;
    }

    /// Looks at every move once. A move that cannot be looked at is told in the log and keeps no other one waiting.
    ///
    /// # Errors
    /// The database.
    pub async fn tick(&mut self, now: Timestamp) -> Result<Ticked, MoveError> {
        let mut ticked = Ticked::default();
        if !self.store.take_lease(LEASE, &self.holder, now, LEASE_FOR).await? {
            return Ok(ticked);
        }
        ticked.is_ours = true;
        for error in self.read_again().await? {
            tracing::error!("{error}");
        }
        let mut known = std::mem::take(&mut self.known);
        for loaded in &mut known {
            if let Err(error) = self.look(loaded, now, &mut ticked).await {
                tracing::error!(id = loaded.of.spec().id, "{error}");
            }
        }
        self.known = known;
        Ok(ticked)
    }

    /// The courses of all moves, whoever looks at them, like [`super::courses`]; what was read before is not read again.
    ///
    /// # Errors
    /// The database, or a move that cannot be read.
    pub async fn courses(&mut self) -> Result<BTreeMap<RouteName, Course>, MoveError> {
        if let Some(error) = self.read_again().await?.into_iter().next() {
            return Err(error);
        }
        courses_of(&self.store, &self.known).await
    }

    /// Brings what is known up to date; returns what is wrong with those that cannot be read.
    async fn read_again(&mut self) -> Result<Vec<MoveError>, MoveError> {
        let rows = self.store.moves().await?;
        let mut known: BTreeMap<_, _> =
            std::mem::take(&mut self.known).into_iter().map(|loaded| (loaded.of.spec().id.clone(), loaded)).collect();
        let mut errors = Vec::new();
        for row in &rows {
            let found = match known.remove(&row.id) {
                Some(loaded) if loaded.of.version() == row.version => Ok(loaded),
                Some(loaded) => catch_up(&self.store, row, loaded).await,
                None => read(&self.store, row).await,
            };
            match found {
                Ok(loaded) => self.known.push(loaded),
                Err(error) => errors.push(error),
            }
        }
        Ok(errors)
    }

    /// Lets another process look at once.
    ///
    /// # Errors
    /// The database.
    pub async fn leave(&self) -> Result<(), StoreError> {
        self.store.give_lease_back(LEASE, &self.holder).await
    }

    /// What a look at a move would rest on, with the newest verdicts of parity.
    ///
    /// # Errors
    /// The database.
    pub async fn evidence(&mut self, loaded: &Loaded, now: Timestamp) -> Result<Evidence, MoveError> {
        let seen = Seen { loaded, borders: &self.borders, now };
        let mut evidence = gather(&self.store, &seen).await?;
        if let Some(key) = &self.key {
            self.verdicts.add(&self.store, key, &seen, &mut evidence).await?;
        }
        Ok(evidence)
    }

    async fn look(&mut self, loaded: &mut Loaded, now: Timestamp, ticked: &mut Ticked) -> Result<(), MoveError> {
        let evidence = self.evidence(loaded, now).await?;
        for action in step(&loaded.of, &evidence, now) {
            match action {
                Action::Page(page) => {
                    (self.on_page)(&loaded.of.spec().id, &page);
                    ticked.pages += 1;
                }
                Action::Append(event) => {
                    let reason = event.reason.clone();
                    if !append(&self.store, loaded, event).await? {
                        // Somebody else was faster; the next look begins with what they did.
                        return Ok(());
                    }
                    ticked.events += 1;
                    tracing::info!(id = loaded.of.spec().id, event = loaded.of.version(), reason, "a move goes on");
                }
            }
        }
        Ok(())
    }
}

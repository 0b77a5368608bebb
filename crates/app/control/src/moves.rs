//! Moves: read from the store, asked what is due, and brought forward.
//!
//! Rules: whoever holds the lease looks; each event is appended by compare-and-set, so two who look at once do one thing; the
//! first action that fails ends the look, and the next one begins with the log as it is. A page is handed to people before the
//! log says that it was, so a crash repeats it and never loses it.
//!
//! - [`Mover`] looks at every move
//! - [`load`] and [`order`] are for whoever shows a move or orders something of it
//! - [`drill`] rehearses the source's block
//! - [`mod@seal`] ends one

pub mod drill;
mod evidence;
pub mod seal;
mod verdicts;

pub use evidence::{Seen, gather};
pub use verdicts::parity;

use banjia_movement::gate::Evidence;
use banjia_movement::seal::NotVerified;
use banjia_movement::spec::MoveSpec;
use banjia_movement::stage::{Action, Event, Impossible, Move, Page, apply, create, step};
use banjia_store::{By, MoveRow, SealKey, Store, StoreError};
use banjia_types::{Course, Money, Problem, RouteName, Timestamp, VendorName};
use std::collections::BTreeMap;
use std::time::Duration;
use verdicts::Verdicts;

/// Who looks at moves holds this lease.
const LEASE: &str = "moves";
/// How long the lease lasts without being kept.
const LEASE_FOR: Duration = Duration::from_secs(30);

/// What can go wrong with a move.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The text of a move cannot be read.
    #[error("the text of a move cannot be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Spec(Vec<Problem>),
    /// There is no such move.
    #[error("there is no move {0:?}; `banjia move list` shows those that there are")]
    Missing(String),
    /// There is one of that name.
    #[error("there is a move {0:?} already; a move's text never changes: give this one another id")]
    Taken(String),
    /// The stored log is not one that this version can follow.
    #[error("event {number} of the move {id:?} cannot follow: {why}")]
    Log {
        /// Which move.
        id: String,
        /// Which event.
        number: u64,
        /// Why.
        why: String,
    },
    /// What was ordered cannot be done.
    #[error(transparent)]
    Refused(#[from] Impossible),
    /// A move that was sealed elsewhere.
    #[error("the move {0:?} is sealed, and this database does not hold its report")]
    NoReport(String),
    /// The kept report is not what was signed.
    #[error("the report of the move {0:?} in this database is damaged: {1}")]
    Damaged(String, NotVerified),
    /// Somebody else changed the move at the same moment.
    #[error("the move {0:?} was changed by somebody else at this moment; look at it and say it again")]
    Overtaken(String),
    /// Captures could not be compared.
    #[error("captures were not compared; this is a bug in Banjia")]
    Compare(#[source] tokio::task::JoinError),
}

/// A move and its log.
#[derive(Debug)]
pub struct Loaded {
    /// The move.
    pub of: Move,
    /// Its events, the oldest first.
    pub events: Vec<Event>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Makes a move of a text.
///
/// # Errors
/// A text that cannot be used, or a name that is taken.
pub async fn make(store: &Store, text: &str, by: By<'_>) -> Result<Loaded, MoveError> {
    let spec = MoveSpec::parse(text).map_err(MoveError::Spec)?;
    let mut of = Move::new(spec);
    let first = create(&of, by.actor, by.at);
    let id = of.spec().id.clone();
    if !store.create_move(&id, text, &body(&first), by).await? {
        return Err(MoveError::Taken(id));
    }
    apply(&mut of, &first)?;
    Ok(Loaded { of, events: vec![first], created_at: by.at })
}

/// Every move, the oldest first.
///
/// # Errors
/// The database, or a move that cannot be read.
pub async fn all(store: &Store) -> Result<Vec<Loaded>, MoveError> {
    let mut found = Vec::new();
    for row in store.moves().await? {
        found.push(read(store, &row).await?);
    }
    Ok(found)
}

/// The move of a name.
///
/// # Errors
/// The database, no such move, or one that cannot be read.
pub async fn load(store: &Store, id: &str) -> Result<Loaded, MoveError> {
    let row = store.moves().await?.into_iter().find(|row| row.id == id);
    read(store, &row.ok_or_else(|| MoveError::Missing(id.to_owned()))?).await
}

async fn read(store: &Store, row: &MoveRow) -> Result<Loaded, MoveError> {
    let spec = MoveSpec::parse(&row.text).map_err(MoveError::Spec)?;
    let log = |number, why| MoveError::Log { id: row.id.clone(), number, why };
    let mut events = Vec::new();
    for stored in store.move_events(&row.id, 0).await? {
        events.push(serde_json::from_value(stored.body).map_err(|error| log(stored.seq, error.to_string()))?);
    }
    let of = Move::replay(spec, &events).map_err(|(number, why)| log(number, why.to_string()))?;
    Ok(Loaded { of, events, created_at: row.created_at })
}

/// Orders something of a move: `make` says which event follows, and it is appended.
///
/// # Errors
/// No such move, an order that is refused, or somebody else who was faster.
pub async fn order(
    store: &Store,
    id: &str,
    make: impl FnOnce(&Move) -> Result<Event, Impossible>,
) -> Result<Event, MoveError> {
    let loaded = load(store, id).await?;
    let event = make(&loaded.of)?;
    let by = By { actor: &event.by, at: event.at };
    if !store.append_move_event(id, loaded.of.version(), &body(&event), by).await? {
        return Err(MoveError::Overtaken(id.to_owned()));
    }
    Ok(event)
}

/// Whether a process looks at the moves of this database: without one nothing that is ordered happens.
///
/// # Errors
/// The database.
pub async fn are_looked_at(store: &Store, now: Timestamp) -> Result<bool, StoreError> {
    store.is_leased(LEASE, now).await
}

fn body(event: &Event) -> serde_json::Value {
    serde_json::to_value(event).expect("names, numbers and texts are always JSON")
}

/// The courses of all moves, for a gateway. Of two moves of one route the older one rules.
///
/// # Errors
/// The database, or a move that cannot be read.
pub async fn courses(store: &Store) -> Result<BTreeMap<RouteName, Course>, MoveError> {
    let mut found = BTreeMap::new();
    for loaded in all(store).await? {
        let spent = evidence::copies_cost(store, &loaded).await?;
        for course in loaded.of.courses(&spent) {
            found.entry(course.route.clone()).or_insert(course);
        }
    }
    Ok(found)
}

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
        Self { store, holder, key, borders: BTreeMap::new(), on_page, verdicts: Verdicts::default() }
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
        for row in self.store.moves().await? {
            let done = match read(&self.store, &row).await {
                Ok(loaded) => self.look(&loaded, now, &mut ticked).await,
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                tracing::error!(id = row.id, "{error}");
            }
        }
        Ok(ticked)
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

    async fn look(&mut self, loaded: &Loaded, now: Timestamp, ticked: &mut Ticked) -> Result<(), MoveError> {
        let evidence = self.evidence(loaded, now).await?;
        let id = &loaded.of.spec().id;
        let mut version = loaded.of.version();
        for action in step(&loaded.of, &evidence, now) {
            match action {
                Action::Page(page) => {
                    (self.on_page)(id, &page);
                    ticked.pages += 1;
                }
                Action::Append(event) => {
                    let by = By { actor: &event.by, at: event.at };
                    if !self.store.append_move_event(id, version, &body(&event), by).await? {
                        // Somebody else was faster; the next look begins with what they did.
                        return Ok(());
                    }
                    version += 1;
                    ticked.events += 1;
                    tracing::info!(id, event = version, reason = event.reason, "a move goes on");
                }
            }
        }
        Ok(())
    }
}

/// Sums of money, one for each currency.
pub(crate) fn add_up(sums: &mut Vec<Money>, more: impl IntoIterator<Item = Money>) {
    for money in more {
        match sums.iter_mut().find(|sum| sum.currency == money.currency) {
            Some(sum) => sum.micros = sum.micros.saturating_add(money.micros),
            None => sums.push(money),
        }
    }
}

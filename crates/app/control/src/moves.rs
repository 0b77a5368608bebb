//! Moves: read from the store, asked what is due, and brought forward.
//!
//! Rules: whoever holds the lease looks; each event is appended by compare-and-set, so two who look
//! at once do one thing; the first action that fails ends the look, and the next one begins with
//! the log as it is. A page is handed to people before the log says that it was, so a crash repeats
//! it and never loses it. A fault of one move stops no other move, and no date: what cannot be
//! gathered or read is left out, and a fault that lasts calls people.
//!
//! - [`MoveReconciler`] looks at every move
//! - [`KnownMoves`] keeps what was read of them
//! - [`load`] and [`order`] are for whoever shows a move or orders something of it
//! - [`rehearsal`] rehearses the source's block
//! - [`mod@seal`] ends one

mod command;
mod evidence;
mod faults;
pub mod fit;
mod known;
mod progress;
mod reconciler;
pub mod rehearsal;
pub mod seal;
mod verdicts;

pub use command::{MoveCommand, execute};
pub use evidence::{Seen, gather};
pub use known::KnownMoves;
pub use progress::{Progress, progress};
pub use reconciler::{MoveReconciler, OnPage, OnStep, Ticked};
pub use verdicts::parity;

use banjia_movement::gate::Evidence;
use banjia_movement::seal::NotVerified;
use banjia_movement::spec::MoveSpec;
use banjia_movement::stage::{Event, Impossible, Move, Page, apply, create};
use banjia_store::{Actor, EncryptionKey, MoveCreation, MoveRow, NewMove, Store, StoreError};
use banjia_types::{Money, Problem, RouteMove, RouteName, Share, Stage, Timestamp};
use std::collections::BTreeMap;
use verdicts::Verdicts;

/// Who looks at moves holds this lease.
const LEASE: &str = "moves";
/// Maximum number of checks of a new move against the others, which may change meanwhile.
const CREATIONS_MAX: u32 = 16;

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
    /// A date of an order cannot be read.
    #[error("{0}")]
    Date(String),
    /// What was ordered cannot be done.
    #[error(transparent)]
    Refused(#[from] Impossible),
    /// A route that another move has, which is not sealed.
    #[error("the route {route:?} is moved by {by:?} already; seal that move first, or take the route out of this one", route = .route.as_str())]
    Moving {
        /// The route.
        route: RouteName,
        /// The other move.
        by: String,
    },
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
pub async fn make(store: &Store, text: &str, by: Actor<'_>) -> Result<Loaded, MoveError> {
    let spec = MoveSpec::parse(text).map_err(MoveError::Spec)?;
    let mut of = Move::new(spec);
    let first = create(&of, by.actor, by.at);
    let id = of.spec().id.clone();
    let event = body(&first);
    for _ in 0..CREATIONS_MAX {
        let checked_at = store.moves_version().await?;
        check_routes(store, of.spec()).await?;
        match store.create_move(NewMove { id: &id, text, first: &event, checked_at }, by).await? {
            MoveCreation::Created => {
                apply(&mut of, &first)?;
                return Ok(Loaded { of, events: vec![first], created_at: by.at });
            }
            MoveCreation::NameTaken => return Err(MoveError::Taken(id)),
            MoveCreation::OthersChanged => {}
        }
    }
    Err(MoveError::Overtaken(id))
}

/// Checks that no other move, which is not sealed, has a route of this one.
async fn check_routes(store: &Store, spec: &MoveSpec) -> Result<(), MoveError> {
    let others = all(store).await?.into_iter().filter_map(|other| other.loaded);
    for other in others.filter(|other| other.of.stage() != Stage::Sealed && other.of.spec().id != spec.id) {
        let theirs = &other.of.spec().routes;
        if let Some(both) = spec.routes.iter().find(|mine| theirs.iter().any(|it| it.route == mine.route)) {
            return Err(MoveError::Moving { route: both.route.clone(), by: other.of.spec().id.clone() });
        }
    }
    Ok(())
}

/// A move as far as it can be read.
#[derive(Debug)]
pub struct ReadMove {
    /// The id of the move.
    pub id: String,
    /// The move after its last event that can be read; `None` if its text cannot.
    pub loaded: Option<Loaded>,
    /// Why the rest of it cannot be read.
    pub error: Option<MoveError>,
}

/// Every move, the oldest first, each as far as it can be read: one that is damaged hides no other.
///
/// # Errors
/// The database.
pub async fn all(store: &Store) -> Result<Vec<ReadMove>, MoveError> {
    let mut found = Vec::new();
    for row in store.moves().await? {
        found.push(read(store, &row).await?);
    }
    Ok(found)
}

/// The move of a name, as far as it can be read.
///
/// # Errors
/// The database, or no such move.
pub async fn find(store: &Store, id: &str) -> Result<ReadMove, MoveError> {
    let row = store.get_move(id).await?;
    read(store, &row.ok_or_else(|| MoveError::Missing(id.to_owned()))?).await
}

/// The move of a name.
///
/// # Errors
/// The database, no such move, or one that cannot be read.
pub async fn load(store: &Store, id: &str) -> Result<Loaded, MoveError> {
    find(store, id).await?.whole()
}

impl ReadMove {
    /// The move, if all of it can be read.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn whole(self) -> Result<Loaded, MoveError> {
        match (self.loaded, self.error) {
            (Some(loaded), None) => Ok(loaded),
            (_, Some(error)) => Err(error),
            (None, None) => Err(MoveError::Missing(self.id)),
        }
    }
}

/// Reads what was added to a move since it was read. An event that cannot follow ends it; the move
/// then is what the events before made of it.
async fn catch_up(store: &Store, row: &MoveRow, known: &mut Loaded) -> Result<Option<MoveError>, StoreError> {
    let log = |number, why| Ok(Some(MoveError::Log { id: row.id.clone(), number, why }));
    for stored in store.move_events(&row.id, known.of.version()).await? {
        let event: Event = match serde_json::from_value(stored.body) {
            Ok(event) => event,
            Err(error) => return log(stored.seq, error.to_string()),
        };
        if let Err(why) = apply(&mut known.of, &event) {
            return log(stored.seq, why.to_string());
        }
        known.events.push(event);
    }
    // More than that is no fault: another process may have added one since the row was read.
    if known.of.version() < row.version {
        let why = format!("the move has {} events, and {} are there", row.version, known.of.version());
        return log(known.of.version().saturating_add(1), why);
    }
    Ok(None)
}

async fn read(store: &Store, row: &MoveRow) -> Result<ReadMove, MoveError> {
    let spec = match MoveSpec::parse(&row.text) {
        Ok(spec) => spec,
        Err(problems) => {
            return Ok(ReadMove { id: row.id.clone(), loaded: None, error: Some(MoveError::Spec(problems)) });
        }
    };
    let mut loaded = Loaded { of: Move::new(spec), events: Vec::new(), created_at: row.created_at };
    let error = catch_up(store, row, &mut loaded).await?;
    Ok(ReadMove { id: row.id.clone(), loaded: Some(loaded), error })
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
    let mut loaded = load(store, id).await?;
    let event = make(&loaded.of)?;
    if !append(store, &mut loaded, event.clone()).await? {
        return Err(MoveError::Overtaken(id.to_owned()));
    }
    Ok(event)
}

/// Adds the next event to the log and to the move. False when another one was faster; then the move
/// is as it was.
async fn append(store: &Store, to: &mut Loaded, event: Event) -> Result<bool, MoveError> {
    let (id, version) = (to.of.spec().id.clone(), to.of.version());
    let by = Actor { actor: &event.by, at: event.at };
    let mut after = to.of.clone();
    apply(&mut after, &event)?;
    let page = after.state().pages.iter().find(|page| page.number == after.version());
    let told = page.map(|page| page_event(&after, &event, page));
    if !store.append_move_event(&id, version, &body(&event), told.as_ref(), by).await? {
        return Ok(false);
    }
    to.of = after;
    to.events.push(event);
    Ok(true)
}

/// What those hear of a page who listen: names and numbers. What a vendor or a person said stays in
/// the log.
fn page_event(of: &Move, event: &Event, page: &Page) -> serde_json::Value {
    serde_json::json!({
        "move": of.spec().id,
        "page": page.number,
        "urgency": page.urgency,
        "what": event.what.kind(),
        "stage": of.stage(),
        "share": of.state().share,
    })
}

/// Returns whether a process looks at the moves of this database: without one nothing that is
/// ordered happens.
///
/// # Errors
/// The database.
pub async fn are_looked_at(store: &Store, now: Timestamp) -> Result<bool, StoreError> {
    store.is_leased(LEASE, now, reconciler::LEASE_FOR).await
}

/// Adds to the evidence what the newest captures say, as a [`MoveReconciler`] does: the same
/// captures give the same verdicts.
///
/// # Errors
/// The database, or a key that does not open its captures.
pub async fn judge_now(
    store: &Store,
    key: &EncryptionKey,
    seen: &Seen<'_>,
    evidence: &mut Evidence,
) -> Result<(), MoveError> {
    Verdicts::default().add(store, key, seen, evidence).await
}

fn body(event: &Event) -> serde_json::Value {
    serde_json::to_value(event).expect("names, numbers and texts are always JSON")
}

/// How every route moves, for a gateway. Of two moves of one route the one that is not sealed
/// rules, else the older one.
///
/// # Errors
/// The database, or a move that cannot be read. [`KnownMoves::route_moves`] goes on with those that
/// can.
pub async fn route_moves(store: &Store) -> Result<BTreeMap<RouteName, RouteMove>, MoveError> {
    let moves = all(store).await?.into_iter().map(ReadMove::whole).collect::<Result<Vec<_>, _>>()?;
    Ok(courses_of(store, &moves).await)
}

async fn courses_of(store: &Store, moves: impl IntoIterator<Item = &Loaded>) -> BTreeMap<RouteName, RouteMove> {
    let mut found = BTreeMap::new();
    // A route can move again: the sealed move's destination is then the next one's source.
    let (sealed, open): (Vec<_>, Vec<_>) = moves.into_iter().partition(|loaded| loaded.of.stage() == Stage::Sealed);
    for loaded in open.into_iter().chain(sealed) {
        let route_moves = match evidence::copies_cost(store, loaded).await {
            Ok(spent) => loaded.of.route_moves(&spent),
            Err(error) => {
                tracing::warn!(id = loaded.of.spec().id, %error, "what copies cost cannot be read: no copies are sent");
                loaded.of.route_moves(&[]).into_iter().map(without_copies).collect()
            }
        };
        for route_move in route_moves {
            found.entry(route_move.route.clone()).or_insert(route_move);
        }
    }
    found
}

/// Nothing is spent on copies while nobody knows how much was spent; everything else of the move
/// stays in force.
fn without_copies(mut route_move: RouteMove) -> RouteMove {
    (route_move.repeat, route_move.shadow) = (Share::NONE, Share::NONE);
    for left in &mut route_move.spend_left {
        left.micros = 0;
    }
    route_move
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

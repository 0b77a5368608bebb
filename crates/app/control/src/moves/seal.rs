//! The end of a move: what stands in its way, and the signed report.
//!
//! Rules: that the source's credentials are gone is seen in the configuration and recorded as soon as the move is live, since it
//! is true whatever the books say; a move is sealed only when nothing stands in the way; its report is kept in the transaction
//! of the event that seals it, so whoever asks again gets the same one; a report never tells of a moment up to which the ledger
//! is not written yet.
//!
//! The books begin an hour before the first caller could be sent to a destination, and reach to the end of the minute in which
//! the credentials were recorded as gone: every request that the source can have been asked for during the cut is in them.

use super::{Loaded, MoveError, append, body, load};
use banjia_movement::balance::{Balance, Lost};
use banjia_movement::gate::{Gate, GateResult, GateStatus, ParityVerdict};
use banjia_movement::seal::{
    Head, LastCaller, ParitySummary, Report, SignedReport, SigningKey, Unmet, sealed, sign, unmet, verify,
};
use banjia_movement::stage::{Order, What, credentials_removed};
use banjia_store::{Actor, Period, ReportKey, Seal, Store};
use banjia_types::{Stage, Target, Timestamp, VendorName};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How long before the cut the books begin.
const BEFORE_CUT: Duration = Duration::from_hours(1);
const MINUTE_MS: i64 = 60_000;
/// How often somebody else may add an event while a move is sealed: the running gateway looks every few seconds.
const TRIES_MAX: u32 = 8;

/// What a configuration says of the source's credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceKeys {
    /// The entries that still hold one, by their names.
    pub held: Vec<String>,
    /// The entries that hold none any more.
    pub gone: Vec<String>,
}

/// What a seal rests on, apart from the store.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who seals, why and when.
    pub order: Order<'a>,
    /// The source's credentials in the configuration that the gateway runs with.
    pub keys: &'a SourceKeys,
    /// Under which name a vendor of the configuration is cut: others behind the source's border are the source too.
    pub borders: &'a BTreeMap<VendorName, VendorName>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// It is sealed.
    Sealed {
        /// The report.
        report: SignedReport,
        /// Whether that was done now; it was sealed before otherwise, and this is the report of then.
        is_new: bool,
    },
    /// Something stands in the way: nothing is sealed.
    Open(Vec<Obstacle>),
}

/// What stands in the way of a seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The configuration still holds a credential.
    Credential(String),
    /// The ledger is not written up to the moment that the books must reach.
    NotWritten {
        /// How far it is.
        until: Timestamp,
        /// How far it must be.
        needed: Timestamp,
    },
    /// What the report itself would say.
    Unmet(Unmet),
}

impl Obstacle {
    /// Whether it may go by itself within minutes: requests end, and the ledger is written.
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::NotWritten { .. } | Self::Unmet(Unmet::OpenAtSource(_) | Unmet::Balance(_)) => true,
            Self::Credential(_) | Self::Unmet(_) => false,
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(name) => {
                write!(
                    f,
                    "the configuration still holds a credential of the source, in [[vendors]] {name:?}: take it out"
                )
            }
            Self::NotWritten { until, needed } => write!(
                f,
                "the ledger is written until {until}, and the books must reach {needed}; a gateway that runs writes it within \
                 seconds, and after one that was killed the next start does"
            ),
            Self::Unmet(unmet) => unmet.fmt(f),
        }
    }
}

/// The public half of a key, in hexadecimal: what a reader of reports must know.
pub fn public_key(key: &ReportKey) -> String {
    banjia_movement::seal::public_key(&SigningKey::from_bytes(key.seed()))
}

/// Seals a move, or says everything that stands in the way.
///
/// # Errors
/// The database, no such move, or somebody else who kept changing it.
pub async fn seal(store: &Store, id: &str, asked: &Asked<'_>, key: &ReportKey) -> Result<Sealing, MoveError> {
    let Order { by, at, .. } = asked.order;
    for _ in 0..TRIES_MAX {
        let mut loaded = load(store, id).await?;
        let of = &loaded.of;
        let by = Actor { actor: by, at: at.max(of.state().last_at) };
        if of.stage() == Stage::Sealed {
            return kept(store, id).await;
        }
        if of.stage() == Stage::Live && of.state().credentials_removed.is_none() && asked.keys.held.is_empty() {
            let event = credentials_removed(of, of.spec().source_vendor(), asked.keys.gone.clone(), asked.order)?;
            append(store, &mut loaded, event).await?;
            continue;
        }
        let report = gather(store, &loaded, asked).await?;
        let open = obstacles(&loaded, &report, asked.keys);
        if !open.is_empty() {
            return Ok(Sealing::Open(open));
        }
        let report = sign(&report, &SigningKey::from_bytes(key.seed()));
        let event = body(&sealed(of, &report, asked.order)?);
        let seal = Seal { event: &event, hash: &report.hash, report: &report.text };
        if store.seal_move(id, of.version(), seal, by).await? {
            return Ok(Sealing::Sealed { report, is_new: true });
        }
    }
    Err(MoveError::Overtaken(id.to_owned()))
}

async fn kept(store: &Store, id: &str) -> Result<Sealing, MoveError> {
    let text = store.move_report(id).await?.ok_or_else(|| MoveError::NoReport(id.to_owned()))?;
    // It was checked when it was signed; here only its hash is wanted, and a report that was damaged since is told by name.
    let hash = verify(&text).map_err(|error| MoveError::Damaged(id.to_owned(), error))?.hash;
    Ok(Sealing::Sealed { report: SignedReport { text, hash }, is_new: false })
}

/// The report as it would be now, sealed or not.
///
/// # Errors
/// The database.
pub async fn gather(store: &Store, loaded: &Loaded, asked: &Asked<'_>) -> Result<Report, MoveError> {
    let of = &loaded.of;
    let at = asked.order.at.max(of.state().last_at);
    let written = store.written_until().await?.map_or(at, |written| written.min(at));
    let until = end_of_minute(needed_until(loaded).unwrap_or(at)).min(written);
    let period = Period { from: books_from(loaded), to: until };
    let balance = books(store, period).await?;
    let unexplained = balance.sum().missing.iter().map(open).fold(0, u64::saturating_add);
    let head = Head {
        id: of.spec().id.clone(),
        at,
        by: asked.order.by.to_owned(),
        from: period.from,
        until: period.to,
        open_at_source: unexplained,
    };
    Ok(Report {
        head,
        spec: of.spec().text().to_string(),
        events: loaded.events.clone(),
        balance,
        last_callers: last_callers(store, loaded, asked).await?,
        parity: parity(loaded),
    })
}

fn obstacles(loaded: &Loaded, report: &Report, keys: &SourceKeys) -> Vec<Obstacle> {
    let mut open: Vec<Obstacle> = keys.held.iter().cloned().map(Obstacle::Credential).collect();
    for unmet in unmet(loaded.of.spec(), report) {
        match unmet {
            // Either an entry above holds one, or the move is not live yet: that they are gone is recorded by itself then.
            Unmet::Credentials => {}
            Unmet::Period { until: needed, .. } if report.head.until < needed => {
                open.push(Obstacle::NotWritten { until: report.head.until, needed });
            }
            unmet => open.push(Obstacle::Unmet(unmet)),
        }
    }
    open
}

/// Ends that a minute lacks and that nothing explains.
const fn open(minute: &banjia_movement::balance::Missing) -> u64 {
    if minute.missing < 0 { 0 } else { minute.missing.unsigned_abs() - minute.explained }
}

/// When the credentials were recorded as gone.
fn needed_until(loaded: &Loaded) -> Option<Timestamp> {
    loaded.of.state().credentials_removed.as_ref().map(|(at, _)| *at)
}

/// An hour before the first caller could be sent to a destination, and not before the move.
fn books_from(loaded: &Loaded) -> Timestamp {
    let leads_away = |what: &What| match what {
        What::Advanced { to, .. } | What::Overridden { to, .. } => *to >= Stage::Canary,
        What::SourceDied { .. } | What::Cut { .. } => true,
        _ => false,
    };
    let first = loaded.events.iter().find(|event| leads_away(&event.what));
    let first = first.map_or(loaded.of.state().entered_at, |event| event.at);
    let from = (first - BEFORE_CUT).max(loaded.created_at).min(first);
    Timestamp(from.0 - from.0.rem_euclid(MINUTE_MS))
}

const fn end_of_minute(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - at.0.rem_euclid(MINUTE_MS) + MINUTE_MS)
}

async fn books(store: &Store, period: Period) -> Result<Balance, MoveError> {
    let gaps = store.gaps().await?.into_iter();
    // What was accepted is counted by whole minutes, so the last millisecond is in the books as well.
    let touching = gaps.filter(|gap| gap.found_at >= period.from && gap.started_at <= period.to);
    let lost = touching.map(|gap| Lost {
        from: gap.started_at,
        until: gap.found_at,
        open: gap.open_requests,
        // What was accepted between the last write and the first one that failed is in no book either.
        writes_failed_at: gap.writes_failed_at.map(|at| at.min(gap.last_flush_at)),
    });
    Ok(Balance::new(store.tally(period).await?, lost.collect()))
}

async fn last_callers(store: &Store, loaded: &Loaded, asked: &Asked<'_>) -> Result<Vec<LastCaller>, MoveError> {
    let spec = loaded.of.spec();
    let border = |vendor: &VendorName| asked.borders.get(vendor).unwrap_or(vendor).clone();
    let own = border(spec.source_vendor());
    let mut vendors: Vec<_> = asked.borders.keys().filter(|vendor| border(vendor) == own).cloned().collect();
    if !vendors.contains(spec.source_vendor()) {
        vendors.push(spec.source_vendor().clone());
    }
    let since = Period { from: loaded.created_at, ..Period::ALWAYS };
    let mut callers = Vec::new();
    for moved in &spec.routes {
        for vendor in &vendors {
            let target = Target { vendor: vendor.clone(), model: moved.source.model.clone() };
            let found = store.callers_at(&moved.route, &target, since).await?;
            callers.extend(found.into_iter().map(|caller| LastCaller {
                account: caller.account.map_or_else(|| "-".to_owned(), |account| account.to_string()),
                key: caller.key.map(|key| key.to_string()),
                route: moved.route.clone(),
                at: caller.last_at,
                requests: caller.requests,
            }));
        }
    }
    callers.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| one.account.cmp(&other.account)));
    Ok(callers)
}

/// What the log last says of each target on each axis: the verdicts that steps rested on, not new ones.
pub fn parity(loaded: &Loaded) -> Vec<ParitySummary> {
    let mut newest = BTreeMap::new();
    for event in &loaded.events {
        for judged in &event.because {
            let Gate::Parity { axis } = &judged.gate else { continue };
            let Some(verdict) = verdict(judged) else { continue };
            let place = (judged.route.clone(), judged.target.clone(), axis.clone());
            let summary = ParitySummary {
                route: judged.route.clone(),
                target: judged.target.clone(),
                axis: axis.clone(),
                verdict,
                pairs: judged.count.unwrap_or(0),
                difference: judged.value.unwrap_or(0),
                at: event.at,
            };
            newest.insert(place, summary);
        }
    }
    newest.into_values().collect()
}

/// None where there was no verdict. Where it holds without a number, no request had to do with the axis.
fn verdict(judged: &GateResult) -> Option<ParityVerdict> {
    match (judged.status, judged.value) {
        (GateStatus::Pass, None) => Some(ParityVerdict::Unused),
        (_, None) => None,
        (GateStatus::Pass, Some(_)) => Some(ParityVerdict::NotWorse),
        (GateStatus::Trip, Some(_)) => Some(ParityVerdict::Worse),
        (GateStatus::Pending | GateStatus::Fail, Some(_)) => Some(ParityVerdict::Unclear),
    }
}

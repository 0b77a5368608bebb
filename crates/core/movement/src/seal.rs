//! The end of a move: what must hold before it, and a report that anybody can check anywhere.
//!
//! Rules: a move is sealed when it is live, its source's credentials are gone, nothing is open at
//! the source, nobody was sent there after its end, and every accepted request is accounted for,
//! minute by minute across the cut. Books over a time in which writes failed and were never made up
//! for are not sealed. The report holds the move's text, its whole log, the books, the last callers
//! and parity's summaries. It is canonical JSON (RFC 8785): one text for one content. Each section
//! has its SHA-256; the hashes, the format's version and the key are signed with Ed25519. So
//! whoever has the report and knows the key needs neither the store nor this machine, and is told
//! which section was changed.
//!
//! A signature only says whose key it was. [`verify`] therefore reads the content too: it folds the
//! log again from the text and adds the books up again, so that a report that was signed and is not
//! true does not pass either.

mod report;
mod verify;

pub use ed25519_dalek::{SigningKey, VerifyingKey};
pub use report::{SignedReport, public_key, sign};
pub use verify::{NotVerified, Verified, verify};

use crate::balance::{Balance, Sum};
use crate::gate::ParityVerdict;
use crate::spec::MoveSpec;
use crate::stage::{Event, Impossible, Move, Order, What};
use banjia_types::{RouteName, Stage, Target, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a seal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When it was made, by whom, and over which time.
    pub head: Head,
    /// The move's text.
    pub spec: String,
    /// Its log.
    pub events: Vec<Event>,
    /// The books across the cut.
    pub balance: Balance,
    /// Who asked the source last.
    pub last_callers: Vec<LastCaller>,
    /// What parity said.
    pub parity: Vec<ParitySummary>,
}

/// When a report was made, by whom, and over which time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The move.
    pub id: String,
    /// When the report was made.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// The first moment of the books.
    pub from: Timestamp,
    /// The first moment after them.
    pub until: Timestamp,
    /// Requests of that time without an end that nothing explains: any of them may be open at the source.
    pub open_at_source: u64,
}

/// A key of an account and its last request that the source began to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastCaller {
    /// Which account.
    pub account: String,
    /// With which of its keys; none where the ledger knows none.
    pub key: Option<String>,
    /// On which route.
    pub route: RouteName,
    /// When its last request was accepted.
    pub at: Timestamp,
    /// How many of its requests the source began to answer during the move.
    pub requests: u64,
}

/// What parity said of one target on one axis, when it was last asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParitySummary {
    /// On which route.
    pub route: RouteName,
    /// Of which target.
    pub target: Target,
    /// On which axis.
    pub axis: String,
    /// What it said.
    pub verdict: ParityVerdict,
    /// On how many pairs.
    pub pairs: u64,
    /// The difference to the source, in millionths.
    pub difference: i64,
    /// When.
    pub at: Timestamp,
}

/// What stands between a move and its seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The report names another move than its text does.
    OtherMove {
        /// In the report.
        found: String,
        /// In the text.
        expected: String,
    },
    /// The report is older than what it tells.
    TooOld {
        /// When it was made.
        at: Timestamp,
        /// Its log's last event.
        last: Timestamp,
    },
    /// The log does not lead to the move.
    Log(u64, Impossible),
    /// It is not live.
    NotLive(Stage),
    /// The credentials are still there.
    Credentials,
    /// Requests may be open at the source.
    OpenAtSource(u64),
    /// The books do not reach over the cut.
    Period {
        /// What they must reach back to.
        from: Timestamp,
        /// What they must reach up to.
        until: Timestamp,
    },
    /// Somebody was sent to the source after its end.
    CallerAfterEnd {
        /// Who.
        account: String,
        /// When.
        at: Timestamp,
        /// The source's end.
        end: Timestamp,
    },
    /// The books have faults that nothing explains.
    Balance(Sum),
    /// A process ended while it could not write its books.
    WritesFailed {
        /// Since when it could not.
        from: Timestamp,
        /// When the next one found it gone.
        until: Timestamp,
    },
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherMove { found, expected } => {
                write!(f, "the report names the move {found:?}, its text {expected:?}")
            }
            Self::TooOld { at, last } => write!(f, "the report is of {at}, and its log goes on until {last}"),
            Self::Log(number, why) => write!(f, "event {number} of the log cannot follow: {why}"),
            Self::NotLive(stage) => write!(f, "the move is at {stage}; only a live move is sealed"),
            Self::Credentials => f.write_str("the source's credentials are not recorded as removed"),
            Self::OpenAtSource(open) => {
                write!(
                    f,
                    "{open} requests have no end yet, and any of them may be open at the source; wait for their end"
                )
            }
            Self::Period { from, until } => write!(f, "the books must reach from {from} or before to {until} or after"),
            Self::CallerAfterEnd { account, at, end } => {
                write!(f, "a request of {account} went to the source at {at}, after its end at {end}")
            }
            Self::WritesFailed { from, until } => write!(
                f,
                "the ledger could not be written from {from} on, and its process ended by {until} before it could: requests of that \
                 time may be in no book, so books over it cannot be sealed"
            ),
            Self::Balance(sum) => {
                write!(f, "{} requests are not accounted for", sum.unexplained)?;
                let faults = sum.missing.iter().filter(|one| one.missing.unsigned_abs() > one.explained);
                for one in faults.take(3) {
                    match one.missing {
                        ..0 => write!(f, "; the minute {} has {} ends too many", one.at, one.missing.unsigned_abs())?,
                        _ => write!(
                            f,
                            "; the minute {} lacks {} ends",
                            one.at,
                            one.missing.unsigned_abs() - one.explained
                        )?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// Everything that stands between a move and its seal; nothing when it may be sealed.
pub fn unmet(spec: &MoveSpec, report: &Report) -> Vec<Unmet> {
    let of = match Move::replay(spec.clone(), &report.events) {
        Ok(of) => of,
        Err((number, why)) => return vec![Unmet::Log(number, why)],
    };
    let mut unmet = Vec::new();
    if report.head.id != spec.id {
        unmet.push(Unmet::OtherMove { found: report.head.id.clone(), expected: spec.id.clone() });
    }
    if report.head.at < of.state().last_at {
        unmet.push(Unmet::TooOld { at: report.head.at, last: of.state().last_at });
    }
    if of.stage() != Stage::Live {
        unmet.push(Unmet::NotLive(of.stage()));
    }
    let removed = of.state().credentials_removed.as_ref().map(|(at, _)| *at);
    if removed.is_none() {
        unmet.push(Unmet::Credentials);
    }
    if report.head.open_at_source > 0 {
        unmet.push(Unmet::OpenAtSource(report.head.open_at_source));
    }
    if let Some(removed) = removed {
        let (from, until) = (of.state().entered_at, removed);
        let outside = |at: Timestamp| at.0.saturating_add(60_000) <= report.head.from.0 || at >= report.head.until;
        let is_outside = report.balance.minutes.iter().any(|minute| outside(minute.at));
        if report.head.from > from || report.head.until < until || is_outside {
            unmet.push(Unmet::Period { from, until });
        }
    }
    if let Some(end) = source_end(&report.events, &of) {
        unmet.extend(
            report.last_callers.iter().filter(|caller| caller.at >= end).map(|caller| Unmet::CallerAfterEnd {
                account: caller.account.clone(),
                at: caller.at,
                end,
            }),
        );
    }
    unmet.extend(report.balance.lost.iter().filter_map(|lost| {
        let from = lost.writes_failed_at?;
        // The last minute is counted whole, as in the balance.
        let is_in_books = from <= report.head.until && lost.until >= report.head.from;
        is_in_books.then_some(Unmet::WritesFailed { from, until: lost.until })
    }));
    let sum = report.balance.sum();
    if !sum.is_accounted_for() {
        unmet.push(Unmet::Balance(sum));
    }
    unmet
}

/// From when on nobody may have been sent to the source: the first of its date, its refusal and the end of its credentials. At
/// the moment of a refusal requests are still on their way there, and gateways learn within seconds that the credentials are
/// recorded as gone; a minute is given to both. A date is known beforehand.
fn source_end(events: &[Event], of: &Move) -> Option<Timestamp> {
    let died = events.iter().find(|event| matches!(event.what, What::SourceDied { .. })).map(|event| event.at);
    let removed = of.state().credentials_removed.as_ref().map(|(at, _)| *at);
    let late = |at: Timestamp| Timestamp(at.0.saturating_add(60_000));
    [Some(of.state().source_until), died.map(late), removed.map(late)].into_iter().flatten().min()
}

/// The event that seals a move, once its report is signed.
///
/// # Errors
/// Why that cannot be.
pub fn sealed(of: &Move, signed: &SignedReport, order: Order<'_>) -> Result<Event, Impossible> {
    order.event(of, What::Sealed { report: signed.hash.clone() })
}

//! The end of a move: what must hold before it, and a report that anybody can verify anywhere.
//!
//! # When a move is sealed
//! - It is live, and its source's credentials are removed.
//! - No request is open at the source, and none was sent there after its end.
//! - Every accepted request is accounted for, minute by minute across the cut. Books over a time in
//!   which writes failed and were never made up for are not sealed.
//!
//! # The report
//! - It holds the move's text, its whole log, the books, the last callers and the parity summaries.
//! - It is canonical JSON (RFC 8785), so one content has one text.
//! - Each section has its SHA-256. The hashes, the version of the format and the key are signed
//!   with Ed25519. A reader who has the report and knows the key needs neither the store nor this
//!   machine, and sees which section was changed.
//!
//! # Why the content is verified too
//! A signature only shows whose key was used. So [`verify`] folds the log again from the text and
//! adds up the books again. A report that was signed and is not true does not pass.

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

/// The content of a seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When and by whom it was made, and the period it covers.
    pub head: Head,
    /// The text of the move.
    pub spec: String,
    /// The log of the move.
    pub events: Vec<Event>,
    /// The books across the cut.
    pub balance: Balance,
    /// The last callers of the source.
    pub last_callers: Vec<LastCaller>,
    /// The parity summaries.
    pub parity: Vec<ParitySummary>,
}

/// When and by whom a report was made, and the period it covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The move's id.
    pub id: String,
    /// When the report was made.
    pub at: Timestamp,
    /// The person who made it.
    pub by: String,
    /// The start of the books.
    pub from: Timestamp,
    /// The end of the books, exclusive.
    pub until: Timestamp,
    /// Requests of that period without an end that nothing explains. Any of them may be open at the
    /// source.
    pub open_at_source: u64,
}

/// A key of an account and its last request that the source began to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastCaller {
    /// The account.
    pub account: String,
    /// The key of the account. `None` if the ledger has none.
    pub key: Option<String>,
    /// The route.
    pub route: RouteName,
    /// When its last request was accepted.
    pub at: Timestamp,
    /// Number of its requests that the source began to answer during the move.
    pub requests: u64,
}

/// The last parity result of one target on one axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParitySummary {
    /// The route.
    pub route: RouteName,
    /// The target.
    pub target: Target,
    /// The axis.
    pub axis: String,
    /// The result.
    pub verdict: ParityVerdict,
    /// The number of pairs it rests on.
    pub pairs: u64,
    /// The difference to the source, in millionths.
    pub difference: i64,
    /// When it was computed.
    pub at: Timestamp,
}

/// A condition that keeps a move from being sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The report and its text have different ids.
    OtherMove {
        /// The id in the report.
        found: String,
        /// The id in the text.
        expected: String,
    },
    /// The report is older than the last event of its log.
    TooOld {
        /// When the report was made.
        at: Timestamp,
        /// The time of the last event.
        last: Timestamp,
    },
    /// The log has an event that cannot follow: its number, and why.
    Log(u64, Impossible),
    /// The move is not live.
    NotLive(Stage),
    /// The credentials are not removed.
    Credentials,
    /// Requests may be open at the source.
    OpenAtSource(u64),
    /// The books do not cover the cut.
    Period {
        /// The latest start of the books.
        from: Timestamp,
        /// The earliest end of the books.
        until: Timestamp,
    },
    /// A request was sent to the source after its end.
    CallerAfterEnd {
        /// The account.
        account: String,
        /// When.
        at: Timestamp,
        /// The end of the source.
        end: Timestamp,
    },
    /// The books have faults that nothing explains.
    Balance(Sum),
    /// A process ended while it could not write its books.
    WritesFailed {
        /// The moment from which it could not.
        from: Timestamp,
        /// When the next process found it gone.
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
                let faults = sum.missing.iter().filter(|fault| fault.missing.unsigned_abs() > fault.explained);
                for fault in faults.take(3) {
                    match fault.missing {
                        ..0 => {
                            write!(f, "; the minute {} has {} ends too many", fault.at, fault.missing.unsigned_abs())?;
                        }
                        _ => write!(
                            f,
                            "; the minute {} lacks {} ends",
                            fault.at,
                            fault.missing.unsigned_abs() - fault.explained
                        )?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// Every condition that keeps a move from being sealed. Empty if it may be sealed.
pub fn unmet(spec: &MoveSpec, report: &Report) -> Vec<Unmet> {
    let mv = match Move::replay(spec.clone(), &report.events) {
        Ok(mv) => mv,
        Err((number, why)) => return vec![Unmet::Log(number, why)],
    };
    let mut unmet = Vec::new();
    if report.head.id != spec.id {
        unmet.push(Unmet::OtherMove { found: report.head.id.clone(), expected: spec.id.clone() });
    }
    if report.head.at < mv.state().last_at {
        unmet.push(Unmet::TooOld { at: report.head.at, last: mv.state().last_at });
    }
    if mv.stage() != Stage::Live {
        unmet.push(Unmet::NotLive(mv.stage()));
    }
    let removed = mv.state().credentials_removed.as_ref().map(|(at, _)| *at);
    if removed.is_none() {
        unmet.push(Unmet::Credentials);
    }
    if report.head.open_at_source > 0 {
        unmet.push(Unmet::OpenAtSource(report.head.open_at_source));
    }
    if let Some(removed) = removed {
        let (from, until) = (mv.state().entered_at, removed);
        let outside = |at: Timestamp| at.0.saturating_add(60_000) <= report.head.from.0 || at >= report.head.until;
        let is_outside = report.balance.minutes.iter().any(|minute| outside(minute.at));
        if report.head.from > from || report.head.until < until || is_outside {
            unmet.push(Unmet::Period { from, until });
        }
    }
    if let Some(end) = source_end(&report.events, &mv) {
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

/// The moment from which nothing may be sent to the source: the first of its end date, its block
/// and the removal of its credentials. At the moment of a block requests are still on their way
/// there, and gateways learn within seconds that the credentials are removed; a minute is added to
/// both. An end date is known beforehand.
fn source_end(events: &[Event], mv: &Move) -> Option<Timestamp> {
    let died = events.iter().find(|event| matches!(event.what, What::SourceDied { .. })).map(|event| event.at);
    let removed = mv.state().credentials_removed.as_ref().map(|(at, _)| *at);
    let late = |at: Timestamp| Timestamp(at.0.saturating_add(60_000));
    [Some(mv.state().source_until), died.map(late), removed.map(late)].into_iter().flatten().min()
}

/// The event that seals a move, after its report was signed.
///
/// # Errors
/// Why the move cannot be sealed.
pub fn sealed(mv: &Move, signed: &SignedReport, order: Order<'_>) -> Result<Event, Impossible> {
    order.event(mv, What::Sealed { report: signed.hash.clone() })
}

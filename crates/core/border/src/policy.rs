//! The dated rules, read from TOML.
//!
//! # Rules
//! - A policy has an id, a version and a zone. The SHA-256 of its text is its identity in the
//!   audit.
//! - All problems of a text are reported at once, each with its place and a hint.
//! - A policy is an allow list with dates. A caller who is not served gets notices from `notice`
//!   on, is refused at times in `brownouts`, and is refused always from `block` on. Before `notice`
//!   the policy only observes.
//!
//! # Why phases belong to the policy and exceptions to `[[rule]]`
//! A reader sees the timetable on one screen, and each exception with its reason below it.

mod check;
mod raw;
mod rule;
#[cfg(test)]
pub(crate) mod tests;

pub use rule::{Demand, OwnersTest, Rule, When};

use crate::registry::{List, Registry, Served};
use banjia_types::{AccountId, Place, Problem, Timestamp, VerdictKind};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// A policy, checked and compiled.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) id: Arc<str>,
    pub(crate) version: u32,
    /// `id@version`, as the ledger and the wire show it.
    pub(crate) label: Arc<str>,
    pub(crate) set: RuleSet,
    pub(crate) title: Title,
    pub(crate) zone: Tz,
    pub(crate) list: Arc<List>,
    pub(crate) phases: Phases,
    pub(crate) unknown: Unknown,
    pub(crate) differ: Differ,
    pub(crate) fact_age_max: Option<Duration>,
    pub(crate) owners: Option<OwnersTest>,
    pub(crate) streams: Streams,
    pub(crate) demand: Option<Demand>,
    pub(crate) appeal: Option<String>,
    pub(crate) link: Option<String>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) exemptions: Vec<Exemption>,
    /// Every moment at which time alone may change a verdict, in order.
    pub(crate) moments: Vec<Timestamp>,
    text: Arc<str>,
    hash: [u8; 32],
}

/// The set of rules that a policy belongs to. Sets are kept apart, because each has its own
/// retention in the audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleSet {
    /// What a provider decides for itself.
    #[default]
    Policy,
    /// What sanctions law demands.
    Sanctions,
}

impl RuleSet {
    /// The name used in policies and the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Sanctions => "sanctions",
        }
    }
}

/// A policy's name for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Title {
    /// The English name.
    pub en: String,
    /// The Chinese name.
    pub zh: String,
}

/// The timetable for callers who are not served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// From this moment on they get notices.
    pub notice: Option<Timestamp>,
    /// Periods in which some of their requests are refused, in order and without overlap.
    pub brownouts: Vec<Brownout>,
    /// From this moment on they are refused. `None` for a policy that never blocks.
    pub block: Option<Timestamp>,
}

/// A phase of the timetable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Verdicts are counted, and callers see nothing.
    Observe,
    /// Callers who are not served get notices.
    Notice,
    /// Some of their requests are refused.
    Brownout,
    /// All of their requests are refused.
    Block,
}

/// One brownout: a rehearsal of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brownout {
    /// When it begins.
    pub from: Timestamp,
    /// When it ends, exclusive.
    pub until: Timestamp,
    /// The share that it refuses.
    pub share: BrownoutShare,
}

/// The share that a brownout refuses, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrownoutShare {
    /// This share of the requests, by the hash of each.
    Requests(u32),
    /// All requests in this share of the time, in slices that differ between accounts.
    Time(u32),
}

/// The verdict on a caller about whom nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// The same as for a caller who is not served.
    #[default]
    Block,
    /// It is served, with notices from the notice date on.
    Notice,
    /// It is served.
    Allow,
}

/// Which fact decides if facts differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Differ {
    /// One fact that is not served is enough.
    #[default]
    Stricter,
    /// The request's address if its country is known, else the account's record.
    Network,
    /// The account's record if it has any fact, else the request's address.
    Account,
}

/// What happens to a stream that began before the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Streams {
    /// It may finish.
    #[default]
    Finish,
    /// It ends this long after the block begins, with an error event.
    EndAfter(Duration),
}

/// An account that is served although a rule refuses it, for a limited time and with a responsible
/// person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemption {
    /// The name of the exemption.
    pub id: String,
    /// The account.
    pub account: AccountId,
    /// The responsible person.
    pub owner: String,
    /// The reason.
    pub reason: String,
    /// When it begins.
    pub from: Timestamp,
    /// When it ends, exclusive.
    pub until: Timestamp,
}

impl Policy {
    /// Reads a policy. Its list is looked up in `registries`.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn parse(text: &str, registries: &[Registry]) -> Result<Self, Vec<Problem>> {
        check::parse(text, registries)
    }

    /// A policy that serves exactly the callers on `list`, from the beginning of time. It decides
    /// what a destination vendor's list means for a caller. `unknown` is the verdict on a caller
    /// without any known fact.
    pub fn of_list(list: Arc<List>, unknown: Unknown) -> Self {
        let text: Arc<str> = format!("# the list {} alone\n", list.id).into();
        let phases = Phases { notice: None, brownouts: Vec::new(), block: Some(Timestamp(i64::MIN)) };
        Self {
            id: list.id.as_str().into(),
            version: 0,
            label: list.id.as_str().into(),
            set: RuleSet::Policy,
            title: Title::default(),
            zone: Tz::UTC,
            list,
            phases,
            unknown,
            differ: Differ::Stricter,
            fact_age_max: None,
            owners: None,
            streams: Streams::Finish,
            demand: None,
            appeal: None,
            link: None,
            rules: Vec::new(),
            exemptions: Vec::new(),
            moments: Vec::new(),
            hash: Sha256::digest(text.as_bytes()).into(),
            text,
        }
    }

    /// The policy's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The policy's version.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// `id@version`.
    pub const fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// The set of rules that the policy belongs to.
    pub const fn set(&self) -> RuleSet {
        self.set
    }

    /// The policy's name for people.
    pub const fn title(&self) -> &Title {
        &self.title
    }

    /// The time zone of its dates.
    pub const fn zone(&self) -> Tz {
        self.zone
    }

    /// The list of places that are served.
    pub const fn list(&self) -> &Arc<List> {
        &self.list
    }

    /// The timetable.
    pub const fn phases(&self) -> &Phases {
        &self.phases
    }

    /// What happens to streams that began before the block.
    pub const fn streams(&self) -> Streams {
        self.streams
    }

    /// Where to appeal: an address or a page, as the operator wrote it.
    pub fn appeal(&self) -> Option<&str> {
        self.appeal.as_deref()
    }

    /// The page with more information.
    pub fn link(&self) -> Option<&str> {
        self.link.as_deref()
    }

    /// The exceptions, in the order in which they are tried.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The text it was read from.
    pub const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The SHA-256 of the text.
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The number of the world's countries and territories that are not served, and the number of
    /// all of them.
    pub fn unserved_places(&self) -> (usize, usize) {
        let all: Vec<Place> = crate::country::countries().map(|row| row.code.into()).collect();
        (all.iter().filter(|place| self.list.serves(**place) != Served::Yes).count(), all.len())
    }

    /// The phase at `at`.
    pub fn phase(&self, at: Timestamp) -> Phase {
        if self.phases.block.is_some_and(|block| at >= block) {
            return Phase::Block;
        }
        if self.brownout(at).is_some() {
            return Phase::Brownout;
        }
        if self.phases.notice.is_some_and(|notice| at >= notice) { Phase::Notice } else { Phase::Observe }
    }

    pub(crate) fn brownout(&self, at: Timestamp) -> Option<&Brownout> {
        self.phases.brownouts.iter().find(|brownout| brownout.from <= at && at < brownout.until)
    }

    /// The text of the same policy with other dates and the next version.
    ///
    /// # Errors
    /// What is wrong with the new text.
    pub fn redated(&self, dates: &[(&str, &str)], registries: &[Registry]) -> Result<String, Vec<Problem>> {
        raw::redated(self, dates, registries)
    }
}

/// The strictest verdict of a phase on a caller who is not served.
pub(crate) const fn kind_of(phase: Phase) -> VerdictKind {
    match phase {
        Phase::Observe => VerdictKind::Allow,
        Phase::Notice => VerdictKind::Notice,
        Phase::Brownout => VerdictKind::Brownout,
        Phase::Block => VerdictKind::Block,
    }
}

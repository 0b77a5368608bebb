//! The dated rules, read from TOML.
//!
//! Rules: a policy has an id, a version and a zone; its text's SHA-256 is its identity in the audit; all problems of a text
//! are reported at once, each with its place and what to do. It is an allow list with dates: who is not served is told from
//! `notice` on, meets `brownouts`, and is refused from `block` on. Before `notice` it only observes.
//!
//! Why phases belong to the policy and exceptions to `[[rule]]`: a reader sees the timetable on one screen, and each
//! exception with its reason below it.

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

/// Which set of rules a policy belongs to. Sets are kept apart: they have retentions of their own in the audit.
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
    /// In English.
    pub en: String,
    /// In Chinese.
    pub zh: String,
}

/// The timetable for those who are not served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// From here on they are told.
    pub notice: Option<Timestamp>,
    /// Times in which some of their requests are refused, in order and apart.
    pub brownouts: Vec<Brownout>,
    /// From here on they are refused. None: a policy that never blocks.
    pub block: Option<Timestamp>,
}

/// Where in the timetable a moment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Verdicts are counted and nobody is told.
    Observe,
    /// Those who are not served are told.
    Notice,
    /// Some of their requests are refused.
    Brownout,
    /// They are refused.
    Block,
}

/// One rehearsal of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brownout {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// What is refused.
    pub share: BrownoutShare,
}

/// What a brownout refuses, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrownoutShare {
    /// This share of the requests, by the draw of each.
    Requests(u32),
    /// All requests in this share of the time, in slices that differ from account to account.
    Time(u32),
}

/// What a caller of whom nothing is known comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// The same as one who is not served.
    #[default]
    Block,
    /// It is served, and told from the notice date on.
    Notice,
    /// It is served.
    Allow,
}

/// What decides when facts differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Differ {
    /// One fact that is not served is enough.
    #[default]
    Stricter,
    /// The request's address, when its country is known; else the account's record.
    Network,
    /// The account's record, when it says anything; else the request's address.
    Account,
}

/// What becomes of a stream that began before the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Streams {
    /// It may end.
    #[default]
    Finish,
    /// It ends this long after the moment, with an error event.
    EndAfter(Duration),
}

/// An account that is served although a rule says otherwise: for a time, with somebody who answers for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemption {
    /// Its name.
    pub id: String,
    /// Whom it helps.
    pub account: AccountId,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

impl Policy {
    /// Reads a policy. `registries` are where its list is looked for.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn parse(text: &str, registries: &[Registry]) -> Result<Self, Vec<Problem>> {
        check::parse(text, registries)
    }

    /// The policy that serves exactly who is on `list`, from the beginning of time: what a destination vendor's list means
    /// for a caller. `unknown` says what a caller without any known fact comes to.
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

    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its version.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// `id@version`.
    pub const fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// Which set of rules it belongs to.
    pub const fn set(&self) -> RuleSet {
        self.set
    }

    /// Its name for people.
    pub const fn title(&self) -> &Title {
        &self.title
    }

    /// The zone of its dates.
    pub const fn zone(&self) -> Tz {
        self.zone
    }

    /// The list of those who are served.
    pub const fn list(&self) -> &Arc<List> {
        &self.list
    }

    /// The timetable.
    pub const fn phases(&self) -> &Phases {
        &self.phases
    }

    /// What becomes of streams.
    pub const fn streams(&self) -> Streams {
        self.streams
    }

    /// Where to appeal, as the operator wrote it: an address or a page.
    pub fn appeal(&self) -> Option<&str> {
        self.appeal.as_deref()
    }

    /// The page that tells more.
    pub fn link(&self) -> Option<&str> {
        self.link.as_deref()
    }

    /// The exceptions, in the order in which they are tried.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The text that it was read from.
    pub const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The SHA-256 of the text.
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// How many of the world's countries and territories are not served, and how many there are.
    pub fn unserved_places(&self) -> (usize, usize) {
        let all: Vec<Place> = crate::country::countries().map(|row| row.code.into()).collect();
        (all.iter().filter(|place| self.list.serves(**place) != Served::Yes).count(), all.len())
    }

    /// Where in the timetable a moment is.
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

    /// The same policy with other dates and the next version, as text: what re-dating writes.
    ///
    /// # Errors
    /// What is wrong with the new text.
    pub fn redated(&self, dates: &[(&str, &str)], registries: &[Registry]) -> Result<String, Vec<Problem>> {
        raw::redated(self, dates, registries)
    }
}

/// The strictest of a phase for somebody who is not served.
pub(crate) const fn kind_of(phase: Phase) -> VerdictKind {
    match phase {
        Phase::Observe => VerdictKind::Allow,
        Phase::Notice => VerdictKind::Notice,
        Phase::Brownout => VerdictKind::Brownout,
        Phase::Block => VerdictKind::Block,
    }
}

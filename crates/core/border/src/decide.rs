//! The verdict for one caller at one time.
//!
//! Rules, in this order: an exemption in force; the policy's own rules, the first that fits; then the list. A caller is
//! served when what is known of it is served: the strictest fact counts unless the policy says which one does. A caller of
//! whom nothing is known is not served unless the policy says so. Every verdict names the rule that made it. Nothing here
//! allocates, so that it can be asked for every request.
//!
//! Why one function and no object: the same call serves a request, a dry run over last month, an audit a year later, and
//! the check of a destination vendor.

use crate::country::Lang;
use crate::facts::{FactKind, Facts};
use crate::policy::{BrownoutShare, Demand, Differ, Exemption, Phase, Policy, Unknown, kind_of};
use crate::registry::Served;
use banjia_types::hash::hash_parts;
use banjia_types::{Place, Timestamp, VerdictKind};
use std::borrow::Cow;
use std::time::Duration;

/// Brownouts by time refuse in slices of this length.
pub const SLICE: Duration = Duration::from_mins(5);

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is known of the caller.
    pub facts: &'a Facts,
    /// Exemptions beside those in the policy's text.
    pub granted: &'a [Exemption],
    /// The moment.
    pub at: Timestamp,
    /// A number that stands for the request, equally likely over all of its range: brownouts by requests look at it.
    pub draw: u64,
    /// Whether the policy is paused: then it only observes.
    pub is_paused: bool,
}

impl<'a> Question<'a> {
    /// A question without exemptions, for a policy in force.
    pub const fn of(facts: &'a Facts, at: Timestamp) -> Self {
        Self { facts, granted: &[], at, draw: 0, is_paused: false }
    }
}

/// A policy's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the caller is served.
    pub kind: VerdictKind,
    /// The rule that decided.
    pub rule: RuleRef,
    /// Where in its timetable the policy is.
    pub phase: Phase,
    /// The next moment at which time alone may change this.
    pub until: Option<Timestamp>,
}

/// Which rule decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleRef {
    /// Every fact that counts is served by the list.
    Served,
    /// Nothing is known of the caller.
    Unknown,
    /// This fact is not served by the list.
    List(FactKind),
    /// A rule of the policy, by its place.
    Rule(usize),
    /// An exemption of the policy's text, by its place.
    Exemption(usize),
    /// An exemption beside the text, by its place in [`Question::granted`].
    Granted(usize),
}

impl RuleRef {
    /// The rule's name: `list.network`, `rule hk-carriers`, `exemption 7`.
    pub fn name<'p>(self, policy: &'p Policy, granted: &'p [Exemption]) -> Cow<'p, str> {
        match self {
            Self::Served => "served".into(),
            Self::Unknown => "unknown".into(),
            Self::List(FactKind::Network) => "list.network".into(),
            Self::List(FactKind::Residence) => "list.residence".into(),
            Self::List(FactKind::Billing) => "list.billing".into(),
            Self::List(FactKind::Owners) => "list.owners".into(),
            Self::Rule(at) => policy.rules.get(at).map_or("rule".into(), |rule| rule.id.as_str().into()),
            Self::Exemption(at) => named_exemption(policy.exemptions.get(at)),
            Self::Granted(at) => named_exemption(granted.get(at)),
        }
    }

    /// The legal demand behind it, if one is recorded.
    pub fn demand(self, policy: &Policy) -> Option<&Demand> {
        match self {
            Self::Rule(at) => policy.rules.get(at)?.demand.as_ref(),
            Self::List(_) | Self::Unknown => policy.demand.as_ref(),
            Self::Served | Self::Exemption(_) | Self::Granted(_) => None,
        }
    }
}

fn named_exemption(exemption: Option<&Exemption>) -> Cow<'_, str> {
    exemption.map_or("exemption".into(), |exemption| format!("exemption.{}", exemption.id).into())
}

/// Judges one caller. Pure: the same question gets the same verdict.
pub fn decide(policy: &Policy, question: &Question<'_>) -> Verdict {
    let (rule, outcome) = rule_of(policy, question);
    let mut phase = policy.phase(question.at);
    let mut kind = match outcome {
        Outcome::Fixed(kind) => kind,
        Outcome::Timetable => timetable(policy, question, phase),
        Outcome::NoticeAtMost => timetable(policy, question, phase).min(VerdictKind::Notice),
    };
    if matches!(outcome, Outcome::NoticeAtMost) && phase == Phase::Block {
        kind = VerdictKind::Notice;
    }
    if question.is_paused {
        (kind, phase) = (VerdictKind::Allow, Phase::Observe);
    }
    Verdict { kind, rule, phase, until: until(policy, question) }
}

/// Judges by several policies: the strictest verdict, and the place of the policy that gave it. The first wins a tie.
pub fn decide_all<'p>(policies: impl IntoIterator<Item = (&'p Policy, Question<'p>)>) -> Option<(usize, Verdict)> {
    let mut strictest: Option<(usize, Verdict)> = None;
    let mut until: Option<Timestamp> = None;
    for (at, (policy, question)) in policies.into_iter().enumerate() {
        let verdict = decide(policy, &question);
        until = [until, verdict.until].into_iter().flatten().min();
        if strictest.is_none_or(|(_, other)| verdict.kind > other.kind) {
            strictest = Some((at, verdict));
        }
    }
    strictest.map(|(at, verdict)| (at, Verdict { until, ..verdict }))
}

/// What a rule says.
#[derive(Clone, Copy)]
enum Outcome {
    Fixed(VerdictKind),
    /// What the timetable says of somebody who is not served.
    Timetable,
    /// The same, but never worse than a notice.
    NoticeAtMost,
}

fn rule_of(policy: &Policy, question: &Question<'_>) -> (RuleRef, Outcome) {
    let allow = Outcome::Fixed(VerdictKind::Allow);
    if let Some(at) = exempt(&policy.exemptions, question) {
        return (RuleRef::Exemption(at), allow);
    }
    if let Some(at) = exempt(question.granted, question) {
        return (RuleRef::Granted(at), allow);
    }
    let fits = |rule: &crate::policy::Rule| rule.is_on(question.at) && rule.when.holds(question.facts, &policy.list);
    if let Some(at) = policy.rules.iter().position(fits) {
        let verdict = policy.rules.get(at).and_then(|rule| rule.verdict);
        return (RuleRef::Rule(at), verdict.map_or(Outcome::Timetable, Outcome::Fixed));
    }
    match by_list(policy, question) {
        Standing::Served => (RuleRef::Served, allow),
        Standing::Not(kind) => (RuleRef::List(kind), Outcome::Timetable),
        Standing::Unknown => match policy.unknown {
            Unknown::Allow => (RuleRef::Unknown, allow),
            Unknown::Notice => (RuleRef::Unknown, Outcome::NoticeAtMost),
            Unknown::Block => (RuleRef::Unknown, Outcome::Timetable),
        },
    }
}

fn exempt(exemptions: &[Exemption], question: &Question<'_>) -> Option<usize> {
    if exemptions.is_empty() {
        return None;
    }
    let account = &question.facts.account.as_ref()?.id;
    let is_on = |e: &Exemption| e.account == *account && e.from <= question.at && question.at < e.until;
    exemptions.iter().position(is_on)
}

/// How the list stands to a caller.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Served,
    Not(FactKind),
    Unknown,
}

fn by_list(policy: &Policy, question: &Question<'_>) -> Standing {
    let network = || by_place(policy, question, FactKind::Network);
    match policy.differ {
        Differ::Stricter => join(network(), by_account(policy, question)),
        Differ::Network => or_else(network(), || by_account(policy, question)),
        Differ::Account => or_else(by_account(policy, question), network),
    }
}

fn by_account(policy: &Policy, question: &Question<'_>) -> Standing {
    if question.facts.account.is_none() {
        return Standing::Unknown;
    }
    let residence = by_place(policy, question, FactKind::Residence);
    let billing = by_place(policy, question, FactKind::Billing);
    join(join(residence, billing), by_owners(policy, question))
}

fn by_place(policy: &Policy, question: &Question<'_>, kind: FactKind) -> Standing {
    let Some(place) = question.facts.place(kind) else { return Standing::Unknown };
    if is_stale(policy, question, kind) {
        return Standing::Unknown;
    }
    if serves(policy, place) { Standing::Served } else { Standing::Not(kind) }
}

/// Owners say nothing about where somebody is served; they can only take service away.
fn by_owners(policy: &Policy, question: &Question<'_>) -> Standing {
    let Some(test) = &policy.owners else { return Standing::Unknown };
    if is_stale(policy, question, FactKind::Owners) {
        return Standing::Unknown;
    }
    match test.holds(question.facts, &policy.list) {
        Some(true) => Standing::Not(FactKind::Owners),
        Some(false) | None => Standing::Unknown,
    }
}

fn serves(policy: &Policy, place: Place) -> bool {
    policy.list.serves(place) == Served::Yes
}

fn is_stale(policy: &Policy, question: &Question<'_>, kind: FactKind) -> bool {
    let Some(age_max) = policy.fact_age_max else { return false };
    question.facts.provenance(kind).is_some_and(|(_, as_of)| question.at.since(as_of) > age_max)
}

const fn join(one: Standing, other: Standing) -> Standing {
    match (one, other) {
        (Standing::Not(_), _) | (_, Standing::Unknown) => one,
        _ => other,
    }
}

fn or_else(one: Standing, other: impl FnOnce() -> Standing) -> Standing {
    if one == Standing::Unknown { other() } else { one }
}

fn timetable(policy: &Policy, question: &Question<'_>, phase: Phase) -> VerdictKind {
    if phase != Phase::Brownout {
        return kind_of(phase);
    }
    let Some(brownout) = policy.brownout(question.at) else { return VerdictKind::Notice };
    let is_dark = match brownout.share {
        BrownoutShare::Requests(share) => is_in(question.draw, share),
        BrownoutShare::Time(share) => {
            let slice = question.at.since(brownout.from).as_millis() / SLICE.as_millis();
            let account = question.facts.account.as_ref().map_or("", |account| account.id.as_str());
            is_in(hash_parts(&[account.as_bytes(), policy.id.as_bytes(), &slice.to_le_bytes()]), share)
        }
    };
    if is_dark { VerdictKind::Brownout } else { VerdictKind::Notice }
}

/// Whether a draw falls into the first `share` millionths of all draws.
fn is_in(draw: u64, share: u32) -> bool {
    u128::from(draw) * 1_000_000 < u128::from(share) << 64
}

fn until(policy: &Policy, question: &Question<'_>) -> Option<Timestamp> {
    let at = question.at;
    let next = policy.moments.get(policy.moments.partition_point(|moment| *moment <= at)).copied();
    let slice =
        policy.brownout(at).filter(|brownout| matches!(brownout.share, BrownoutShare::Time(_))).map(|brownout| {
            let slices = at.since(brownout.from).as_millis() / SLICE.as_millis() + 1;
            brownout.from + SLICE * u32::try_from(slices).unwrap_or(u32::MAX)
        });
    let granted = question.granted.iter().flat_map(|e| [e.from, e.until]).filter(|moment| *moment > at);
    next.into_iter().chain(slice).chain(granted).min()
}

/// The words for a verdict that people see in lists.
pub const fn in_words(kind: VerdictKind, lang: Lang) -> &'static str {
    match (kind, lang) {
        (VerdictKind::Allow, Lang::En) => "served",
        (VerdictKind::Allow, Lang::Zh) => "提供服务",
        (VerdictKind::Notice, Lang::En) => "served, with notice",
        (VerdictKind::Notice, Lang::Zh) => "提供服务，已通知",
        (VerdictKind::Brownout, Lang::En) => "refused for now (brownout)",
        (VerdictKind::Brownout, Lang::Zh) => "暂时拒绝（演练）",
        (VerdictKind::Block, Lang::En) => "refused",
        (VerdictKind::Block, Lang::Zh) => "拒绝",
    }
}

#[cfg(test)]
mod tests;

//! The verdict for one caller at one time.
//!
//! # Rules, in this order
//! 1. An exemption that is in force.
//! 2. The first of the policy's own rules that matches.
//! 3. The list.
//!
//! # Rules of the list
//! - A caller is served if the known facts about it are served. The strictest fact counts, unless
//!   the policy names the one that does.
//! - A caller about whom nothing is known is not served, unless the policy says otherwise.
//!
//! Every verdict names the rule that made it. Nothing here allocates, because it runs for every
//! request.
//!
//! # Why one function and no object
//! The same call serves a request, a dry run over last month, an audit a year later, and the check
//! of a destination vendor.

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

/// The input of a decision.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The facts about the caller.
    pub facts: &'a Facts,
    /// Exemptions in addition to those in the policy's text.
    pub granted: &'a [Exemption],
    /// The moment.
    pub at: Timestamp,
    /// A number that represents the request, uniformly distributed. Brownouts by requests compare
    /// it with their share.
    pub draw: u64,
    /// Whether the policy is paused. A paused policy only observes.
    pub is_paused: bool,
}

impl<'a> Question<'a> {
    /// A question without exemptions, for a policy that is not paused.
    pub const fn of(facts: &'a Facts, at: Timestamp) -> Self {
        Self { facts, granted: &[], at, draw: 0, is_paused: false }
    }
}

/// The answer of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the caller is served.
    pub kind: VerdictKind,
    /// The rule that decided.
    pub rule: RuleRef,
    /// The phase of the policy's timetable.
    pub phase: Phase,
    /// The next moment at which time alone may change this.
    pub until: Option<Timestamp>,
}

/// The rule that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleRef {
    /// The list serves every fact that counts.
    Served,
    /// Nothing is known about the caller.
    Unknown,
    /// The list does not serve this fact.
    List(FactKind),
    /// A rule of the policy, by its index.
    Rule(usize),
    /// An exemption of the policy's text, by its index.
    Exemption(usize),
    /// An additional exemption, by its index in [`Question::granted`].
    Granted(usize),
}

impl RuleRef {
    /// The rule's name, for example `list.network`, `hk-carriers`, `exemption.7`.
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

    /// The legal demand behind the rule, if one is recorded.
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

/// Decides about one caller. The same question always gets the same verdict.
pub fn decide(policy: &Policy, question: &Question<'_>) -> Verdict {
    let (rule, outcome) = rule_of(policy, question);
    let mut phase = policy.phase(question.at);
    let mut kind = match outcome {
        RuleEffect::Fixed(kind) => kind,
        RuleEffect::Timetable => timetable(policy, question, phase),
        RuleEffect::NoticeAtMost => timetable(policy, question, phase).min(VerdictKind::Notice),
    };
    if matches!(outcome, RuleEffect::NoticeAtMost) && phase == Phase::Block {
        kind = VerdictKind::Notice;
    }
    if question.is_paused {
        (kind, phase) = (VerdictKind::Allow, Phase::Observe);
    }
    Verdict { kind, rule, phase, until: until(policy, question) }
}

/// Decides by several policies. Returns the strictest verdict and the index of its policy; the
/// first one wins a tie.
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

/// The effect of a rule.
#[derive(Clone, Copy)]
enum RuleEffect {
    Fixed(VerdictKind),
    /// The verdict that the timetable has for callers who are not served.
    Timetable,
    /// The same, but at most a notice.
    NoticeAtMost,
}

fn rule_of(policy: &Policy, question: &Question<'_>) -> (RuleRef, RuleEffect) {
    let allow = RuleEffect::Fixed(VerdictKind::Allow);
    if let Some(at) = exempt(&policy.exemptions, question) {
        return (RuleRef::Exemption(at), allow);
    }
    if let Some(at) = exempt(question.granted, question) {
        return (RuleRef::Granted(at), allow);
    }
    let fits = |rule: &crate::policy::Rule| rule.is_on(question.at) && rule.when.holds(question.facts, &policy.list);
    if let Some(at) = policy.rules.iter().position(fits) {
        let verdict = policy.rules.get(at).and_then(|rule| rule.verdict);
        return (RuleRef::Rule(at), verdict.map_or(RuleEffect::Timetable, RuleEffect::Fixed));
    }
    match by_list(policy, question) {
        ListAnswer::Served => (RuleRef::Served, allow),
        ListAnswer::Not(kind) => (RuleRef::List(kind), RuleEffect::Timetable),
        ListAnswer::Unknown => match policy.unknown {
            Unknown::Allow => (RuleRef::Unknown, allow),
            Unknown::Notice => (RuleRef::Unknown, RuleEffect::NoticeAtMost),
            Unknown::Block => (RuleRef::Unknown, RuleEffect::Timetable),
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

/// Whether the list serves a caller.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ListAnswer {
    Served,
    Not(FactKind),
    Unknown,
}

fn by_list(policy: &Policy, question: &Question<'_>) -> ListAnswer {
    let network = || by_place(policy, question, FactKind::Network);
    match policy.differ {
        Differ::Stricter => join(network(), by_account(policy, question)),
        Differ::Network => or_else(network(), || by_account(policy, question)),
        Differ::Account => or_else(by_account(policy, question), network),
    }
}

fn by_account(policy: &Policy, question: &Question<'_>) -> ListAnswer {
    if question.facts.account.is_none() {
        return ListAnswer::Unknown;
    }
    let residence = by_place(policy, question, FactKind::Residence);
    let billing = by_place(policy, question, FactKind::Billing);
    join(join(residence, billing), by_owners(policy, question))
}

fn by_place(policy: &Policy, question: &Question<'_>, kind: FactKind) -> ListAnswer {
    let Some(place) = question.facts.place(kind) else { return ListAnswer::Unknown };
    if is_stale(policy, question, kind) {
        return ListAnswer::Unknown;
    }
    if serves(policy, place) { ListAnswer::Served } else { ListAnswer::Not(kind) }
}

/// Owners never make a caller served. They can only take service away.
fn by_owners(policy: &Policy, question: &Question<'_>) -> ListAnswer {
    let Some(test) = &policy.owners else { return ListAnswer::Unknown };
    if is_stale(policy, question, FactKind::Owners) {
        return ListAnswer::Unknown;
    }
    match test.holds(question.facts, &policy.list) {
        Some(true) => ListAnswer::Not(FactKind::Owners),
        Some(false) | None => ListAnswer::Unknown,
    }
}

fn serves(policy: &Policy, place: Place) -> bool {
    policy.list.serves(place) == Served::Yes
}

fn is_stale(policy: &Policy, question: &Question<'_>, kind: FactKind) -> bool {
    let Some(age_max) = policy.fact_age_max else { return false };
    question.facts.provenance(kind).is_some_and(|(_, as_of)| question.at.since(as_of) > age_max)
}

const fn join(one: ListAnswer, other: ListAnswer) -> ListAnswer {
    match (one, other) {
        (ListAnswer::Not(_), _) | (_, ListAnswer::Unknown) => one,
        _ => other,
    }
}

fn or_else(one: ListAnswer, other: impl FnOnce() -> ListAnswer) -> ListAnswer {
    if one == ListAnswer::Unknown { other() } else { one }
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

/// Whether `draw` lies in the first `share` millionths of its range.
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

/// The words for a verdict in lists for people.
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

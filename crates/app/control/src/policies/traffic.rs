//! What a policy would do to recorded traffic.

use super::PolicyError;
use banjia_border::affected::{self as counted, Affected, DailyTraffic, Inquiry};
use banjia_border::facts::AccountFacts;
use banjia_border::policy::{Exemption, Policy};
use banjia_store::{Period, Store, TrafficRow};
use banjia_types::{AccountId, Place, Timestamp, VerdictKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

/// How many days of traffic are judged before a policy is put in force.
pub(super) const GUARD_DAYS: u32 = 30;

/// Finds the record of an account. `None` if the configuration does not know it.
pub type FindRecord<'a> = dyn Fn(&AccountId) -> Option<Arc<AccountFacts>> + 'a;

/// Recorded traffic in the form of the border's core.
pub fn seen(rows: Vec<TrafficRow>) -> Vec<DailyTraffic> {
    rows.into_iter()
        .map(|row| DailyTraffic {
            account: row.account,
            key: row.key,
            network: row.network,
            differs: row.network_differs,
            asn: row.asn,
            day: row.day,
            requests: row.requests,
            first: row.first,
            last: row.last,
            sample: row.sample,
        })
        .collect()
}

async fn recorded(store: &Store, since: Duration, to: Timestamp) -> Result<Vec<DailyTraffic>, PolicyError> {
    Ok(seen(store.traffic(Period { from: to - since, to: to + Duration::from_millis(1) }).await?))
}

/// Of the last days' requests, how many a policy would refuse, and how many there were. Accounts'
/// records are not looked at.
pub(super) async fn refused(store: &Store, policy: &Policy, to: Timestamp) -> Result<(u64, u64), PolicyError> {
    let seen = recorded(store, DAY * GUARD_DAYS, to).await?;
    let granted = store.exemptions().await?;
    let inquiry = Inquiry { policy, granted: &granted, at: policy.phases().block.unwrap_or(to) };
    let refused = seen.iter().filter(|seen| inquiry.verdict(seen, None).0.refuses()).map(|seen| seen.requests);
    Ok((refused.sum(), seen.iter().map(|seen| seen.requests).sum()))
}

/// The account and the place of recorded requests. `None` if unknown.
pub type Origin = (Option<AccountId>, Option<Place>);

/// Verdicts for the requests of one account from one place.
#[derive(Debug, Default)]
pub struct OriginEffect {
    /// How many requests were recorded.
    pub requests: u64,
    /// The days on which they came.
    pub days: BTreeSet<Timestamp>,
    /// The verdict of the version in force; `None` if there is none.
    pub before: Option<VerdictKind>,
    /// The verdict of the policy that is tried.
    pub after: Option<VerdictKind>,
    /// The rule behind `after`.
    pub rule: String,
}

/// What a policy would do to recorded traffic, beside what the version in force does.
#[derive(Debug, Default)]
pub struct Effect {
    /// Verdicts by account and place.
    pub origins: BTreeMap<Origin, OriginEffect>,
}

/// Sums of an [`Effect`], in requests unless they say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EffectSums {
    /// Recorded requests.
    pub requests: u64,
    /// Refused by the policy that is tried.
    pub refused: u64,
    /// Refused by it, and served now.
    pub newly_refused: u64,
    /// Refused now, and served by it.
    pub newly_served: u64,
    /// Accounts with refused requests. Requests without an account count as one account.
    pub accounts_refused: usize,
}

impl Effect {
    /// Adds up all accounts and places.
    pub fn sums(&self) -> EffectSums {
        let refuses = |kind: Option<VerdictKind>| kind.is_some_and(VerdictKind::refuses);
        let sum = |pick: &dyn Fn(&OriginEffect) -> bool| -> u64 {
            self.origins.values().filter(|origin| pick(origin)).map(|origin| origin.requests).sum()
        };
        let refused = self.origins.iter().filter(|(_, origin)| refuses(origin.after));
        let accounts: BTreeSet<_> = refused.map(|((account, _), _)| account).collect();
        EffectSums {
            requests: sum(&|_| true),
            refused: sum(&|origin| refuses(origin.after)),
            newly_refused: sum(&|origin| refuses(origin.after) && !refuses(origin.before)),
            newly_served: sum(&|origin| refuses(origin.before) && !refuses(origin.after)),
            accounts_refused: accounts.len(),
        }
    }
}

/// The traffic that a question is about: the requests of `since` before `now`.
#[derive(Clone, Copy, Debug)]
pub struct Recorded {
    /// How far back.
    pub since: Duration,
    /// The end of the period: the time of the question.
    pub now: Timestamp,
}

/// Judges recorded traffic as of `at` by `policy` and by the version of it that is in force.
///
/// # Errors
/// The database, or a policy in force that cannot be read.
pub async fn effect(
    store: &Store,
    policy: &Policy,
    at: Timestamp,
    recorded: Recorded,
    record: &FindRecord<'_>,
) -> Result<Effect, PolicyError> {
    let row = super::find_in_force(store, policy.id()).await?;
    let present = row.as_ref().map(super::parse).transpose()?;
    let granted = store.exemptions().await?;
    let seen = self::recorded(store, recorded.since, recorded.now).await?;
    Ok(judge((policy, present.as_ref()), &granted, at, &seen, record))
}

fn judge(
    (policy, present): (&Policy, Option<&Policy>),
    granted: &[Exemption],
    at: Timestamp,
    seen: &[DailyTraffic],
    record: &FindRecord<'_>,
) -> Effect {
    let mut effect = Effect::default();
    for seen in seen {
        let account = seen.account.as_ref();
        let facts = account.map(|id| record(id).unwrap_or_else(|| Arc::new(AccountFacts::of(id.clone()))));
        let (after, rule) = Inquiry { policy, granted, at }.verdict(seen, facts.as_ref());
        let before = present.map(|policy| Inquiry { policy, granted, at }.verdict(seen, facts.as_ref()).0);
        let origin = effect.origins.entry((seen.account.clone(), seen.network)).or_default();
        origin.requests += seen.requests;
        origin.days.insert(seen.day);
        (origin.before, origin.after) = (before, Some(after));
        origin.rule = rule.name(policy, granted).into_owned();
    }
    effect
}

/// The accounts that a policy hits, each with the evidence from recorded traffic.
///
/// # Errors
/// The database cannot be read or written.
pub async fn affected(
    store: &Store,
    policy: &Policy,
    recorded: Recorded,
    record: &FindRecord<'_>,
) -> Result<Vec<Affected>, PolicyError> {
    let granted = store.exemptions().await?;
    let seen = self::recorded(store, recorded.since, recorded.now).await?;
    let at = policy.phases().block.unwrap_or(recorded.now).max(Timestamp(0));
    Ok(counted::affected(Inquiry { policy, granted: &granted, at }, &seen, record))
}

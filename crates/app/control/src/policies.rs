//! Use cases of the border's policies: put in force, paused, given other dates.
//!
//! - A policy that would refuse nearly everybody raises [`Doubt`]s. It is put in force only if the
//!   caller confirms them.
//! - Every change is audited with the person who made it.
//! - [`traffic`] says what a policy would do to recorded requests.

pub mod traffic;

pub use traffic::{affected, effect, seen};

use banjia_border::audit::Hash;
use banjia_border::policy::Policy;
use banjia_border::registry::{diff, embedded};
use banjia_store::{Actor, Changed, PolicyRow, PolicyState, Store, StoreError};
use banjia_types::{Place, Problem, Timestamp};
use std::fmt;

/// A policy that would refuse more than this share of recorded traffic raises a doubt.
const REFUSED_SHARE_MAX: f64 = 0.9;

/// Why a use case of a policy was not carried out. The text is for people.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The database cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored text of a policy cannot be parsed by this version.
    #[error("the policy {id}@{version} cannot be read: {}", joined(.problems))]
    Unreadable {
        /// The id of the policy.
        id: String,
        /// The version of the policy.
        version: u32,
        /// Everything that is wrong with its text.
        problems: Vec<Problem>,
    },
    /// No policy of that id was ever stored.
    #[error("there is no policy {0:?}")]
    Missing(String),
    /// The policy exists in no version that is in force.
    #[error("no version of a policy {0:?} is in force")]
    NotInForce(String),
    /// A use case that needs the policy in force found none.
    #[error("no policy is in force")]
    NoneInForce,
    /// A use case that needs one policy in force found several.
    #[error("several policies are in force ({})", .0.join(", "))]
    SeveralInForce(Vec<String>),
    /// The same version is stored with another text. The value is the label, `id@version`.
    #[error("{0} is there with another text; a changed policy needs another version")]
    OtherText(String),
    /// Somebody else changed the policy at the same moment.
    #[error("the policy {0:?} was changed by somebody else at this moment; look at it and say it again")]
    Overtaken(String),
    /// The new dates contradict the policy.
    #[error("these dates do not fit the policy: {}", joined(.0))]
    UnfitDates(Vec<Problem>),
}

fn joined(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Parses a stored policy.
///
/// # Errors
/// [`PolicyError::Unreadable`].
pub fn parse(row: &PolicyRow) -> Result<Policy, PolicyError> {
    Policy::parse(&row.text, embedded()).map_err(|problems| PolicyError::Unreadable {
        id: row.id.clone(),
        version: row.version,
        problems,
    })
}

/// A reason to look twice before a policy is put in force. The text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The policy's list serves no place at all.
    ServesNoPlace {
        /// How many countries and territories there are.
        places: usize,
    },
    /// The policy would refuse nearly all recorded requests.
    RefusesTraffic {
        /// How many recorded requests it would refuse.
        refused: u64,
        /// How many requests were recorded.
        requests: u64,
    },
    /// Many places that the version in force serves would lose service at once.
    DropsPlaces(Vec<Place>),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServesNoPlace { places } => {
                write!(f, "Its list serves none of {places} countries and territories: everybody would be refused.")
            }
            Self::RefusesTraffic { refused, requests } => {
                let share = *refused as f64 / *requests as f64 * 100.0;
                let days = traffic::GUARD_DAYS;
                write!(f, "It would refuse {refused} of {requests} requests of the last {days} days ({share:.1} %).")
            }
            Self::DropsPlaces(lost) => {
                let places: Vec<_> = lost.iter().map(ToString::to_string).collect();
                write!(f, "{} places would lose service at once: {}.", places.len(), places.join(" "))
            }
        }
    }
}

/// Result of [`activate`].
#[derive(Debug)]
pub struct Activation {
    /// The doubts that the policy raised, also if they were confirmed.
    pub doubts: Vec<Doubt>,
    /// What was done.
    pub outcome: ActivationOutcome,
}

/// What [`activate`] did.
#[derive(Debug)]
pub enum ActivationOutcome {
    /// The policy is in force. The version before it is retired.
    InForce,
    /// The same version was in force already.
    WasInForce,
    /// Nothing was changed, because there are doubts that nobody confirmed.
    NotConfirmed,
    /// Nothing was changed, for this reason.
    Refused(PolicyError),
}

/// Puts a policy in force, unless it raises doubts and `is_confirmed` is false.
///
/// # Errors
/// The database, or a policy in force that cannot be read.
pub async fn activate(
    store: &Store,
    policy: &Policy,
    is_confirmed: bool,
    by: Actor<'_>,
) -> Result<Activation, PolicyError> {
    let doubts = doubts(store, policy, by.at).await?;
    if !doubts.is_empty() && !is_confirmed {
        return Ok(Activation { doubts, outcome: ActivationOutcome::NotConfirmed });
    }
    let outcome = match put(store, policy, by).await {
        Ok(Changed::Already) => ActivationOutcome::WasInForce,
        Ok(_) => ActivationOutcome::InForce,
        Err(error) => ActivationOutcome::Refused(error),
    };
    Ok(Activation { doubts, outcome })
}

/// Returns what speaks against putting a policy in force without a second look.
async fn doubts(store: &Store, policy: &Policy, at: Timestamp) -> Result<Vec<Doubt>, PolicyError> {
    let mut doubts = Vec::new();
    let (unserved, places) = policy.unserved_places();
    if unserved == places {
        doubts.push(Doubt::ServesNoPlace { places });
    }
    let (refused, requests) = traffic::refused(store, policy, at).await?;
    if requests > 0 && refused as f64 > REFUSED_SHARE_MAX * requests as f64 {
        doubts.push(Doubt::RefusesTraffic { refused, requests });
    }
    if let Some(row) = find_in_force(store, policy.id()).await? {
        let diff = diff(parse(&row)?.list(), policy.list());
        if diff.is_steep() {
            doubts.push(Doubt::DropsPlaces(diff.removed));
        }
    }
    Ok(doubts)
}

/// Writes a version of a policy and puts it in force without looking for doubts.
///
/// # Errors
/// The database, or [`PolicyError::OtherText`].
pub async fn put(store: &Store, policy: &Policy, by: Actor<'_>) -> Result<Changed, PolicyError> {
    same_text(policy, store.activate_policy(&row(policy, by), by).await?)
}

fn row(policy: &Policy, by: Actor<'_>) -> PolicyRow {
    PolicyRow {
        id: policy.id().to_owned(),
        version: policy.version(),
        hash: Hash(policy.hash()).to_string(),
        rule_set: policy.set().as_str().to_owned(),
        text: policy.text().to_string(),
        state: PolicyState::Active,
        changed_at: by.at,
    }
}

fn same_text(policy: &Policy, done: Changed) -> Result<Changed, PolicyError> {
    match done {
        Changed::OtherText => Err(PolicyError::OtherText(policy.label().to_string())),
        Changed::Overtaken => Err(PolicyError::Overtaken(policy.id().to_owned())),
        Changed::Done | Changed::Already | Changed::Missing => Ok(done),
    }
}

/// Every stored version of every policy.
///
/// # Errors
/// The database, or a policy that cannot be read.
pub async fn all(store: &Store) -> Result<Vec<(PolicyRow, Policy)>, PolicyError> {
    let rows = store.policies().await?;
    rows.into_iter().map(|row| parse(&row).map(|policy| (row, policy))).collect()
}

/// The text of the newest version of a policy, also if it cannot be parsed.
///
/// # Errors
/// The database, or [`PolicyError::Missing`].
pub async fn text(store: &Store, id: &str) -> Result<String, PolicyError> {
    let row = store.policies().await?.into_iter().find(|row| row.id == id);
    Ok(row.ok_or_else(|| PolicyError::Missing(id.to_owned()))?.text)
}

/// Pauses, resumes or retires a policy. Returns false if it was in that state already.
///
/// # Errors
/// The database, or [`PolicyError::NotInForce`].
pub async fn set_state(store: &Store, id: &str, state: PolicyState, by: Actor<'_>) -> Result<bool, PolicyError> {
    match store.set_policy_state(id, state, by).await? {
        Changed::Missing => Err(PolicyError::NotInForce(id.to_owned())),
        done => Ok(done != Changed::Already),
    }
}

/// The version of a policy that is in force.
///
/// # Errors
/// The database, [`PolicyError::NotInForce`], or a policy that cannot be read.
pub async fn in_force(store: &Store, id: &str) -> Result<Policy, PolicyError> {
    parse(&row_in_force(store, id).await?)
}

async fn row_in_force(store: &Store, id: &str) -> Result<PolicyRow, PolicyError> {
    find_in_force(store, id).await?.ok_or_else(|| PolicyError::NotInForce(id.to_owned()))
}

/// The version of a policy that is in force, if there is one. There is at most one.
async fn find_in_force(store: &Store, id: &str) -> Result<Option<PolicyRow>, StoreError> {
    Ok(store.policies_in_force().await?.into_iter().find(|row| row.id == id))
}

/// The one policy in force.
///
/// # Errors
/// The database, none or several policies in force, or a policy that cannot be read.
pub async fn only_in_force(store: &Store) -> Result<Policy, PolicyError> {
    match store.policies_in_force().await?.as_slice() {
        [] => Err(PolicyError::NoneInForce),
        [row] => parse(row),
        several => Err(PolicyError::SeveralInForce(several.iter().map(|row| row.id.clone()).collect())),
    }
}

/// New dates for a policy, as people write them, in the policy's zone. `None` keeps the present date.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewDates<'a> {
    /// From when on callers that will not be served are told.
    pub notice: Option<&'a str>,
    /// From when on they are refused.
    pub block: Option<&'a str>,
}

/// Gives a policy other dates: makes the next version and puts it in force.
///
/// # Errors
/// The database, [`PolicyError::NotInForce`], dates that do not fit, or a policy that cannot be read.
pub async fn redate(store: &Store, id: &str, dates: NewDates<'_>, by: Actor<'_>) -> Result<Policy, PolicyError> {
    let given = [("notice", dates.notice), ("block", dates.block)];
    let given: Vec<_> = given.into_iter().filter_map(|(key, date)| Some((key, date?))).collect();
    let row = row_in_force(store, id).await?;
    let from = row.version;
    let text = parse(&row)?.redated(&given, embedded()).map_err(PolicyError::UnfitDates)?;
    let policy = parse(&PolicyRow { text, ..row })?;
    same_text(&policy, store.redate_policy(&self::row(&policy, by), from, by).await?)?;
    Ok(policy)
}

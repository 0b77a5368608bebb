//! Replay: recorded requests, asked again, of another target or of the one that answered them.
//!
//! Rules: a question that is recorded is not asked again, so a run that was killed is simply run again; an answer is written before
//! the next look at what is to be asked; every question of a run is counted once: recorded before, answered, refused, or skipped
//! with a reason. A refusal that tells of the request is an answer and is recorded; one that tells of the moment (our key, the
//! balance, the pace, the load, a broken connection) is not, so the next run asks it again. Where our key, the balance or the
//! model itself was refused, or the region, nothing more is asked of that target. Nothing is retried within a run.
//!
//! - [`ReplayJob::plan`] says what would be asked and what it may cost
//! - [`ReplayJob::run`] asks

mod cost;
mod reader;
mod run;

pub use cost::Known;

use crate::side_request::{NotSent, Question, Reply};
use banjia_store::{EncryptionKey, Period, Store, StoreError};
use banjia_types::{Money, RouteName, Target};
use reader::{Reader, Step};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;

/// Which recorded requests are asked again, and of whom.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Requests of this route.
    pub route: RouteName,
    /// Requests that were accepted in this period.
    pub period: Period,
    /// Only requests that this target answered.
    pub source: Option<Target>,
    /// Who is asked once: the answer is a capture of the replay leg.
    pub target: Option<Target>,
    /// How often whoever answered is asked again, to know its noise: captures of the repeat leg.
    pub repeats: u32,
    /// Only the first so many requests, in the order in which they were recorded.
    pub requests_max: Option<u64>,
}

/// Recorded requests, to be asked again.
#[derive(Clone)]
pub struct ReplayJob {
    /// Where they are recorded, and where answers go.
    pub store: Store,
    /// The key of the captures.
    pub key: EncryptionKey,
    /// Which ones, and of whom.
    pub wanted: Wanted,
}

impl fmt::Debug for ReplayJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// Bounds of a run.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Questions under way at once; at least one.
    pub at_once_max: usize,
    /// What the answers may cost, those recorded by earlier runs included. A question whose price is unknown, or in another
    /// currency, is then not asked.
    pub spend_max: Option<Money>,
}

/// What would be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Recorded requests.
    pub requests: u64,
    /// Questions that are recorded already.
    pub recorded: u64,
    /// Questions that are not asked, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Questions that would be asked, by target.
    pub questions: BTreeMap<Target, u64>,
    /// What those that are recorded have cost.
    pub spent: Vec<Money>,
    /// What the others would cost with as many tokens as were recorded.
    pub about: Vec<Money>,
    /// Of these, questions of which that is unknown.
    pub about_unknown: u64,
    /// What they would cost with the longest answers that may come.
    pub at_most: Vec<Money>,
    /// Of these, questions of which that is unknown.
    pub at_most_unknown: u64,
}

impl Plan {
    /// Questions that would be asked.
    pub fn to_ask(&self) -> u64 {
        self.questions.values().sum()
    }
}

/// What came of a run so far. Every question is in exactly one of `recorded`, `answered`, `refused` and `skipped`, or under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Questions that were looked at.
    pub questions: u64,
    /// Questions that are asked at this moment; none when a run has ended.
    pub under_way: u64,
    /// Recorded by an earlier run.
    pub recorded: u64,
    /// Asked and answered.
    pub answered: u64,
    /// Asked and refused, by class; those without a class the gateway itself could not put into the vendor's words.
    pub refused: BTreeMap<String, u64>,
    /// Of the refused ones, those that are not recorded, because they may go otherwise at another time.
    pub again: u64,
    /// Not asked, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// What the answers of this run cost.
    pub spent: Vec<Money>,
    /// Whether it was told to stop before its end.
    pub is_stopped: bool,
}

impl Sums {
    /// Questions that were asked and have ended.
    pub fn asked(&self) -> u64 {
        self.answered + self.refused.values().sum::<u64>()
    }

    /// Questions that were not asked.
    pub fn not_asked(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// Whether every question is in one place.
    pub fn adds_up(&self) -> bool {
        self.questions == self.recorded + self.asked() + self.not_asked() + self.under_way
    }
}

impl ReplayJob {
    /// What a run would ask, and what it may cost. `known` says what is known of a target.
    ///
    /// # Errors
    /// The database, or a text that the key does not open.
    pub async fn plan(&self, known: impl Fn(&Target) -> Known) -> Result<Plan, StoreError> {
        let mut plan = Plan::default();
        let mut reader = Reader::new(self);
        while let Some(steps) = reader.next().await? {
            for step in steps {
                match step {
                    Step::Recorded(cost) => {
                        plan.recorded += 1;
                        crate::moves::add_up(&mut plan.spent, cost);
                    }
                    Step::Skipped(why) => *plan.skipped.entry(why.to_owned()).or_default() += 1,
                    Step::Ask(asking) => {
                        let known = known(&asking.target);
                        match known.about(&asking.capture) {
                            Some(about) => crate::moves::add_up(&mut plan.about, [about]),
                            None => plan.about_unknown += 1,
                        }
                        match known.at_most(&asking.capture) {
                            Some(most) => crate::moves::add_up(&mut plan.at_most, [most]),
                            None => plan.at_most_unknown += 1,
                        }
                        *plan.questions.entry(asking.target).or_default() += 1;
                    }
                }
            }
        }
        plan.requests = reader.requests();
        Ok(plan)
    }

    /// Asks what is not recorded, and records the answers. `plan` tells what earlier runs have spent. `tell` hears of the sums
    /// whenever they have changed; when it breaks, nothing more is asked and those under way may end.
    ///
    /// # Errors
    /// The database, or a text that the key does not open. What was answered before is recorded.
    pub async fn run<F, Fut>(
        &self,
        (plan, bounds): (&Plan, Bounds),
        known: impl Fn(&Target) -> Known,
        ask: F,
        mut tell: impl FnMut(&Sums) -> ControlFlow<()>,
    ) -> Result<Sums, StoreError>
    where
        F: Fn(Question) -> Fut,
        Fut: Future<Output = Result<Reply, NotSent>> + Send + 'static,
    {
        let mut run = run::Run::new(self, &plan.spent, bounds);
        let mut reader = Reader::new(self);
        while let Some(steps) = reader.next().await? {
            for step in steps {
                run.take(step, &known, &ask).await?;
                if tell(run.sums()).is_break() {
                    return run.end(true, tell).await;
                }
            }
        }
        run.end(false, tell).await
    }
}

#[cfg(test)]
mod tests;

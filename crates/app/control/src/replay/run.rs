//! Asking, with bounds, and counting.

use super::reader::{Asking, Step};
use super::{Bounds, Known, ReplayJob, Sums};
use crate::moves::add_up;
use crate::side_request::{NotSent, Question, Reply};
use banjia_store::{Capture, StoreError};
use banjia_types::{ErrorClass, Money, Outcome, Target};
use std::collections::HashMap;
use std::future::Future;
use std::ops::ControlFlow;
use tokio::task::{Id, JoinSet};

/// Why a question is not asked when the money is used up.
const SPENT: &str = "the money for it is used up (--spend-max)";

type Ended = Result<Reply, NotSent>;

/// A run under way.
pub(super) struct Run<'r> {
    replay: &'r ReplayJob,
    at_once_max: usize,
    purse: SpendBound,
    /// Targets of which nothing more is asked, and why.
    closed: HashMap<Target, String>,
    asking: JoinSet<Ended>,
    under_way: HashMap<Id, (Asking, Money)>,
    sums: Sums,
}

impl<'r> Run<'r> {
    pub(super) fn new(replay: &'r ReplayJob, spent: &[Money], bounds: Bounds) -> Self {
        let of_currency = |max: Money| spent.iter().find(|it| it.currency == max.currency).map_or(0, |it| it.micros);
        Self {
            replay,
            at_once_max: bounds.at_once_max.max(1),
            purse: SpendBound { max: bounds.spend_max, spent: bounds.spend_max.map_or(0, of_currency), under_way: 0 },
            closed: HashMap::new(),
            asking: JoinSet::new(),
            under_way: HashMap::new(),
            sums: Sums::default(),
        }
    }

    pub(super) const fn sums(&self) -> &Sums {
        &self.sums
    }

    /// Counts one question, and asks it where it is to be asked.
    pub(super) async fn take<F, Fut>(
        &mut self,
        step: Step,
        known: impl Fn(&Target) -> Known,
        ask: &F,
    ) -> Result<(), StoreError>
    where
        F: Fn(Question) -> Fut,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        self.sums.questions += 1;
        let asking = match step {
            Step::Recorded(_) => {
                self.sums.recorded += 1;
                return Ok(());
            }
            Step::Skipped(why) => {
                self.skip(why);
                return Ok(());
            }
            Step::Ask(asking) => asking,
        };
        // This question is counted but not yet in any place, so that the sums are told only when it is.
        while self.asking.len() >= self.at_once_max {
            self.settle().await?;
        }
        let expected = match self.purse.expect(&known(&asking.target), &asking.capture) {
            Ok(expected) => expected,
            Err(why) => {
                self.skip(why);
                return Ok(());
            }
        };
        // Those under way may turn out to be cheaper than expected.
        while !self.purse.holds(expected) && !self.asking.is_empty() {
            self.settle().await?;
        }
        if let Some(why) = self.closed.get(&asking.target).cloned() {
            self.skip(&why);
        } else if self.purse.holds(expected) {
            self.begin(asking, expected, ask);
        } else {
            self.skip(SPENT);
        }
        Ok(())
    }

    /// Lets those under way end.
    pub(super) async fn end(
        mut self,
        is_stopped: bool,
        mut tell: impl FnMut(&Sums) -> ControlFlow<()>,
    ) -> Result<Sums, StoreError> {
        self.sums.is_stopped = is_stopped;
        while !self.asking.is_empty() {
            self.settle().await?;
            match tell(&self.sums) {
                // Nothing more begins in either case.
                ControlFlow::Continue(()) | ControlFlow::Break(()) => {}
            }
        }
        Ok(self.sums)
    }

    fn skip(&mut self, why: &str) {
        *self.sums.skipped.entry(why.to_owned()).or_default() += 1;
    }

    fn begin<F, Fut>(&mut self, asking: Asking, expected: Money, ask: &F)
    where
        F: Fn(Question) -> Fut,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        let question = Question {
            route: asking.capture.route.clone(),
            target: asking.target.clone(),
            endpoint: asking.capture.endpoint.clone(),
            body: asking.capture.request.clone(),
            account: asking.capture.account.clone(),
            network: asking.network,
        };
        let id = self.asking.spawn(ask(question)).id();
        self.purse.under_way = self.purse.under_way.saturating_add(expected.micros);
        self.sums.under_way += 1;
        self.under_way.insert(id, (asking, expected));
    }

    /// Waits until at least one has ended, and writes all that have.
    async fn settle(&mut self) -> Result<(), StoreError> {
        let mut captures = Vec::new();
        let mut next = self.asking.join_next_with_id().await;
        while let Some(ended) = next {
            let (id, ended) = match ended {
                Ok((id, ended)) => (id, ended),
                Err(error) => (error.id(), Err(NotSent(format!("asking it broke: {error}")))),
            };
            if let Some((asking, expected)) = self.under_way.remove(&id) {
                self.sums.under_way -= 1;
                self.purse.under_way = self.purse.under_way.saturating_sub(expected.micros);
                captures.extend(self.count(&asking, ended));
            }
            next = self.asking.try_join_next_with_id();
        }
        self.replay.store.write_captures(&captures, &self.replay.key).await?;
        Ok(())
    }

    /// Counts an end; what is to be recorded of it.
    fn count(&mut self, asking: &Asking, ended: Ended) -> Option<Capture> {
        let reply = match ended {
            Ok(reply) => reply,
            Err(NotSent(why)) => {
                self.skip(&why);
                return None;
            }
        };
        if let Some(cost) = reply.cost {
            add_up(&mut self.sums.spent, [cost]);
            self.purse.spend(cost);
        }
        if reply.outcome == Outcome::Answered {
            self.sums.answered += 1;
        } else {
            let class = reply.class.map_or("unsupported", ErrorClass::as_str);
            *self.sums.refused.entry(class.to_owned()).or_default() += 1;
            if reply.may_differ_later {
                self.sums.again += 1;
                self.close(&asking.target, &reply);
                return None;
            }
        }
        Some(capture_of(asking, reply))
    }

    /// Where every further question would be refused alike, none is asked.
    fn close(&mut self, target: &Target, reply: &Reply) {
        let what = match reply.class {
            Some(ErrorClass::Auth) => "the key",
            Some(ErrorClass::Quota) => "the balance or quota",
            Some(ErrorClass::Region) => "the region",
            Some(ErrorClass::ModelGone) => "the model",
            _ => return,
        };
        let said = reply.said.as_deref().unwrap_or("nothing more");
        let why = || format!("{target} refuses {what}, so nothing more is asked of it: {said}");
        self.closed.entry(target.clone()).or_insert_with(why);
    }
}

fn capture_of(asking: &Asking, reply: Reply) -> Capture {
    let from = &asking.capture;
    Capture {
        id: from.id.clone(),
        leg: asking.leg,
        number: asking.number,
        at: from.at,
        account: from.account.clone(),
        route: from.route.clone(),
        target: asking.target.clone(),
        endpoint: from.endpoint.clone(),
        stream: from.stream,
        client: from.client.clone(),
        request: from.request.clone(),
        answer: reply.answer,
        outcome: reply.outcome,
        class: reply.class,
        usage: reply.usage,
        cost: reply.cost,
        first_content_ms: None,
        total_ms: reply.total_ms,
        redactions: from.redactions.saturating_add(reply.redactions),
    }
}

/// What may still be spent.
struct SpendBound {
    max: Option<Money>,
    /// In millionths of the bound's currency.
    spent: i64,
    under_way: i64,
}

impl SpendBound {
    /// What a question is expected to cost, in the bound's currency; why it cannot be said.
    fn expect(&self, known: &Known, capture: &Capture) -> Result<Money, &'static str> {
        let Some(max) = self.max else { return Ok(NOTHING) };
        let Some(price) = &known.price else { return Err("its price is not known, and there is a bound on money") };
        if price.currency != max.currency {
            return Err("its price is in another currency than the bound on money");
        }
        Ok(known.about(capture).or_else(|| known.at_most(capture)).unwrap_or(Money { micros: 1, ..max }))
    }

    fn holds(&self, expected: Money) -> bool {
        let wanted = self.spent.saturating_add(self.under_way).saturating_add(expected.micros);
        self.max.is_none_or(|max| wanted <= max.micros)
    }

    fn spend(&mut self, cost: Money) {
        if self.max.is_some_and(|max| max.currency == cost.currency) {
            self.spent = self.spent.saturating_add(cost.micros);
        }
    }
}

/// Without a bound nothing is held back.
const NOTHING: Money = Money { micros: 0, currency: banjia_types::Currency::Usd };

//! Whether a target is well, from what happened to the requests it was sent.
//!
//! A [`Breaker`] is *closed* (well), *open* (unwell, asked only when nothing else is left) or wants a *probe* (its time is
//! over; one request may show whether it is well again). Beside that a target may be *resting*: it asked to be left alone,
//! or its account is out of order, and the next requests would only repeat that.
//!
//! Rules:
//!
//! - Only failures that speak of the target count ([`ErrorClass::is_unhealthy`]): a wrong request says nothing about a
//!   vendor. A stream that broke counts, and so does a first content that came too late.
//! - It opens after a run of failures, or when their share within a window is too high. A run catches the vendor that is
//!   gone; a share catches the one that fails every other time.
//! - It stays open twice as long each time its probe fails, up to a ceiling. One probe that succeeds closes it.
//! - One probe at a time. A probe whose end is never told is forgotten after a while, so that a lost message cannot lock a
//!   target out.
//! - Threads may report out of order: no span is ever negative, and none lasts longer than twice
//!   its length.

use banjia_types::{ErrorClass, Moment};
use std::time::Duration;

/// When a target counts as unwell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthRules {
    /// Failures in a row that open the breaker.
    pub failures_in_row: u32,
    /// Percentage of failures within the window that opens it.
    pub failure_percent: u32,
    /// Requests within the window below which a percentage says nothing.
    pub window_requests_min: u32,
    /// The window.
    pub window: Duration,
    /// How long it stays open at first.
    pub open_first: Duration,
    /// How long it stays open at most.
    pub open_max: Duration,
    /// A first content later than this counts as a failure; `None` counts none.
    pub slow_first_content: Option<Duration>,
    /// A probe whose end is not told within this time is forgotten.
    pub probe_within: Duration,
    /// How long a target rests whose account is out of order, or that asks for a pause without saying how long.
    pub rest: Duration,
    /// The longest rest that a vendor may ask for.
    pub rest_max: Duration,
}

impl Default for HealthRules {
    fn default() -> Self {
        Self {
            failures_in_row: 5,
            failure_percent: 50,
            window_requests_min: 20,
            window: Duration::from_secs(30),
            open_first: Duration::from_secs(5),
            open_max: Duration::from_mins(2),
            slow_first_content: None,
            probe_within: Duration::from_mins(2),
            rest: Duration::from_secs(10),
            rest_max: Duration::from_mins(1),
        }
    }
}

/// What one request showed of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// Content began (or a whole answer came) after this time.
    Answered {
        /// From sending to first content.
        first_content: Duration,
    },
    /// It failed before content.
    Failed {
        /// How.
        class: ErrorClass,
        /// The pause that the vendor asked for.
        retry_after: Option<Duration>,
    },
    /// The stream broke after content had begun, or fell silent.
    Broken,
    /// The client left before anything was shown. Ends a probe, proves nothing.
    Abandoned,
}

/// How a target stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Well.
    Closed,
    /// Unwell.
    Open {
        /// When a probe is due.
        until: Moment,
    },
    /// To be left alone.
    Resting {
        /// Until when.
        until: Moment,
    },
    /// One request may show whether it is well again.
    Probe,
}

/// What a target's requests have shown so far. One per target, shared by all requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Breaker {
    in_row: u32,
    window_start: Moment,
    requests: u32,
    failures: u32,
    /// While open: since when, and for how long.
    open: Option<(Moment, Duration)>,
    probe_since: Option<Moment>,
    rest: Option<(Moment, Duration)>,
}

impl Breaker {
    /// A target of which nothing is known; it counts as well.
    pub fn new() -> Self {
        Self::default()
    }

    /// How the target stands now.
    pub fn standing(&self, rules: &HealthRules, now: Moment) -> Standing {
        if let Some((since, span)) = self.open {
            if let Some(until) = left(since, span, now) {
                return Standing::Open { until };
            }
            return match self.probe_since.and_then(|since| left(since, rules.probe_within, now)) {
                Some(until) => Standing::Open { until },
                None => Standing::Probe,
            };
        }
        match self.rest.and_then(|(since, span)| left(since, span, now)) {
            Some(until) => Standing::Resting { until },
            None => Standing::Closed,
        }
    }

    /// A request is being sent to the target. Takes the probe when one is due.
    pub fn begin(&mut self, rules: &HealthRules, now: Moment) {
        if self.standing(rules, now) == Standing::Probe {
            self.probe_since = Some(now);
        }
    }

    /// Takes in what a request showed.
    pub fn observe(&mut self, seen: Observation, rules: &HealthRules, now: Moment) {
        match seen {
            Observation::Answered { first_content } => {
                self.rest = None;
                if rules.slow_first_content.is_some_and(|slow| first_content > slow) {
                    self.failure(rules, now);
                } else {
                    self.success(rules, now);
                }
            }
            Observation::Failed { class, retry_after } => self.refused(class, retry_after, rules, now),
            Observation::Broken => self.failure(rules, now),
            Observation::Abandoned => self.probe_since = None,
        }
    }

    fn refused(&mut self, class: ErrorClass, retry_after: Option<Duration>, rules: &HealthRules, now: Moment) {
        match class {
            ErrorClass::Overload | ErrorClass::Server => {
                if let Some(asked) = retry_after {
                    self.rest = Some((now, asked.min(rules.rest_max)));
                }
                self.failure(rules, now);
            }
            // It answers, so it is alive; but the next request would hear the same.
            ErrorClass::Rate | ErrorClass::Quota | ErrorClass::Auth | ErrorClass::ModelGone | ErrorClass::Region => {
                self.success(rules, now);
                self.rest = Some((now, retry_after.unwrap_or(rules.rest).min(rules.rest_max)));
            }
            ErrorClass::Context | ErrorClass::Content | ErrorClass::BadRequest => self.success(rules, now),
        }
    }

    fn success(&mut self, rules: &HealthRules, now: Moment) {
        self.count(rules, now);
        self.in_row = 0;
        if self.open.is_some_and(|(since, span)| left(since, span, now).is_none()) {
            *self = Self::default();
        }
    }

    fn failure(&mut self, rules: &HealthRules, now: Moment) {
        self.count(rules, now);
        self.failures += 1;
        self.in_row = self.in_row.saturating_add(1);
        if let Some((since, span)) = self.open {
            // While it is open, late failures of earlier requests say nothing new.
            if left(since, span, now).is_none() {
                self.open = Some((now, span.saturating_mul(2).min(rules.open_max)));
                self.probe_since = None;
            }
            return;
        }
        let many = self.requests >= rules.window_requests_min
            && u64::from(self.failures) * 100 >= u64::from(self.requests) * u64::from(rules.failure_percent);
        if self.in_row >= rules.failures_in_row || many {
            *self =
                Self { open: Some((now, rules.open_first.min(rules.open_max))), rest: self.rest, ..Self::default() };
        }
    }

    /// Counts a request in the window, beginning a new one when the old is over.
    fn count(&mut self, rules: &HealthRules, now: Moment) {
        if self.requests == 0 || now.since(self.window_start) >= rules.window || now < self.window_start {
            (self.window_start, self.requests, self.failures) = (now, 0, 0);
        }
        self.requests = self.requests.saturating_add(1);
    }
}

/// The end of a span that began at `since`, while it lasts. It is over if `now` is earlier than
/// `since` by more than the span.
fn left(since: Moment, span: Duration, now: Moment) -> Option<Moment> {
    let until = since + span;
    (now < until && since <= now + span).then_some(until)
}

#[cfg(test)]
mod tests;

//! Whether a target is healthy, judged by the outcomes of the requests sent to it.
//!
//! A [`Breaker`] is *closed* (healthy), *open* (unhealthy, asked only if nothing else is left) or
//! due for a *probe* (its open time is over, and one request may show whether it is healthy again).
//! A target may also be *resting*: it asked for a pause, or its account is blocked, and the next
//! request would get the same answer.
//!
//! # Trip conditions
//! - Only failures of the target count ([`ErrorClass::is_unhealthy`]). A bad request shows nothing
//!   about a vendor.
//! - A stream that broke counts as a failure, and so does a first content that came too late.
//! - The breaker opens after a number of failures in a row, or if their share within a window is
//!   too high. The first catches a vendor that is down, the second one that fails every other time.
//!
//! # Recovery
//! - Each probe that fails doubles the open time, up to a ceiling. One probe that succeeds closes
//!   the breaker.
//! - Only one probe runs at a time. A probe without a reported outcome is forgotten after a while,
//!   so that a lost message cannot lock a target out.
//!
//! # Clock
//! Threads may report out of order. No span is ever negative, and none lasts longer than twice its
//! length.

use banjia_types::{ErrorClass, Moment};
use std::time::Duration;

/// When a target counts as unhealthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthRules {
    /// Number of failures in a row that opens the breaker.
    pub failures_in_row: u32,
    /// Percentage of failures within the window that opens the breaker.
    pub failure_percent: u32,
    /// The percentage counts only with at least this many requests in the window.
    pub window_requests_min: u32,
    /// Length of the window.
    pub window: Duration,
    /// How long the breaker stays open the first time.
    pub open_first: Duration,
    /// The longest time that the breaker stays open.
    pub open_max: Duration,
    /// A first content later than this counts as a failure. `None` counts none.
    pub slow_first_content: Option<Duration>,
    /// A probe without an outcome within this time is forgotten.
    pub probe_within: Duration,
    /// How long a target rests whose account is blocked, or that asks for a pause without a length.
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

/// What one request showed about its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// Content began, or a whole response arrived.
    Answered {
        /// Time from sending to the first content.
        first_content: Duration,
    },
    /// The request failed before content.
    Failed {
        /// The class of the error.
        class: ErrorClass,
        /// The pause that the vendor asked for.
        retry_after: Option<Duration>,
    },
    /// The stream broke or stalled after content had begun.
    Broken,
    /// The client left before the outcome was known. This ends a probe and proves nothing.
    Abandoned,
}

/// The state of a target's breaker at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// The target is healthy.
    Closed,
    /// The target is unhealthy.
    Open {
        /// The moment when a probe is due.
        until: Moment,
    },
    /// The target asked for a pause, or its account is blocked.
    Resting {
        /// The moment when the pause ends.
        until: Moment,
    },
    /// One request may test whether the target is healthy again.
    Probe,
}

/// The circuit breaker of one target, shared by all requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Breaker {
    in_row: u32,
    window_start: Moment,
    requests: u32,
    failures: u32,
    /// Set while the breaker is open: the start and the length of that time.
    open: Option<(Moment, Duration)>,
    probe_since: Option<Moment>,
    rest: Option<(Moment, Duration)>,
}

impl Breaker {
    /// Creates the breaker of a target about which nothing is known. It is closed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the state at `now`.
    pub fn state(&self, rules: &HealthRules, now: Moment) -> BreakerState {
        if let Some((since, span)) = self.open {
            if let Some(until) = left(since, span, now) {
                return BreakerState::Open { until };
            }
            return match self.probe_since.and_then(|since| left(since, rules.probe_within, now)) {
                Some(until) => BreakerState::Open { until },
                None => BreakerState::Probe,
            };
        }
        match self.rest.and_then(|(since, span)| left(since, span, now)) {
            Some(until) => BreakerState::Resting { until },
            None => BreakerState::Closed,
        }
    }

    /// Must be called when a request is sent to the target. Takes the probe if one is due.
    pub fn begin(&mut self, rules: &HealthRules, now: Moment) {
        if self.state(rules, now) == BreakerState::Probe {
            self.probe_since = Some(now);
        }
    }

    /// Records what a request showed.
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
            // The target answers, so it is alive; but the next request would get the same answer.
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
            // While the breaker is open, late failures of earlier requests show nothing new.
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

    /// Counts a request in the window. Begins a new window if the old one is over.
    fn count(&mut self, rules: &HealthRules, now: Moment) {
        if self.requests == 0 || now.since(self.window_start) >= rules.window || now < self.window_start {
            (self.window_start, self.requests, self.failures) = (now, 0, 0);
        }
        self.requests = self.requests.saturating_add(1);
    }
}

/// The end of a span that began at `since`, or `None` if the span is over. It is also over if `now`
/// is earlier than `since` by more than the span.
fn left(since: Moment, span: Duration, now: Moment) -> Option<Moment> {
    let until = since + span;
    (now < until && since <= now + span).then_some(until)
}

#[cfg(test)]
mod tests;

//! How much an account or a key may use: requests and tokens per minute, and concurrent requests.
//!
//! Rates are a GCRA (a leaky bucket, stored as one moment). It is exact, takes one number per
//! bucket, and has no windows whose edges let twice the rate through. Before a request its tokens
//! are reserved by an estimate; after it they are settled with the vendor's count. A request that
//! used more than its estimate leaves a debt, and later requests wait for it.
//!
//! # Rules
//! - A request takes everything it needs or nothing. One that is refused for its tokens has not
//!   used up a request.
//! - A refusal names the limit and how long to wait, or `None` if waiting does not help.
//! - Over any span a bucket lets through at most its rate times the span plus its burst (a property
//!   test).
//! - Clock readings that arrive out of order neither grant nor take anything for good. A bucket is
//!   never more than full, and never emptier than the debts that were settled on it.

mod bucket;
#[cfg(test)]
mod tests;

pub use bucket::{Bucket, Remaining, Taken};

use banjia_types::Moment;
use std::fmt;
use std::time::Duration;

/// The limits of one key or account. `None` is no limit, and 0 lets nothing through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitRules {
    /// Requests per minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens per minute, prompt and response together.
    pub tokens_per_minute: Option<u32>,
    /// Concurrent requests.
    pub concurrency_max: Option<u32>,
}

/// The limit that refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Requests per minute.
    Requests,
    /// Tokens per minute.
    Tokens,
    /// Concurrent requests.
    Concurrency,
}

impl Limit {
    /// The word for it in error messages and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Concurrency => "concurrency",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a request may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The request may begin, and what it needs was taken. [`Limiter::finish`] must be called once
    /// when it ends.
    Granted,
    /// The request may not begin, and nothing was taken.
    Refused {
        /// The limit that refused it.
        by: Limit,
        /// When a retry may help. `None` if it never will, or if that depends on when other
        /// requests end.
        retry_after: Option<Duration>,
    },
}

/// The limits of one key or account, and how much of them is used.
#[derive(Clone, Debug)]
pub struct Limiter {
    rules: LimitRules,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    in_flight: u32,
}

impl Limiter {
    /// Creates a limiter of which nothing is used.
    pub fn new(rules: LimitRules) -> Self {
        Self {
            rules,
            requests: rules.requests_per_minute.map(Bucket::per_minute),
            tokens: rules.tokens_per_minute.map(Bucket::per_minute),
            in_flight: 0,
        }
    }

    /// The limits that this limiter enforces.
    pub const fn rules(&self) -> &LimitRules {
        &self.rules
    }

    /// Applies a changed configuration.
    ///
    /// - A limit with the same figure keeps its use.
    /// - A limit with a new figure begins full.
    /// - Requests in flight are still counted.
    #[must_use]
    pub fn with_rules(&self, rules: LimitRules) -> Self {
        let mut changed = Self::new(rules);
        changed.in_flight = self.in_flight;
        if rules.requests_per_minute == self.rules.requests_per_minute {
            changed.requests.clone_from(&self.requests);
        }
        if rules.tokens_per_minute == self.rules.tokens_per_minute {
            changed.tokens.clone_from(&self.tokens);
        }
        changed
    }

    /// Asks for one request with `tokens` reserved. With 0 (no estimate) only a debt refuses.
    pub fn admit(&mut self, tokens: u32, now: Moment) -> Admission {
        if self.rules.concurrency_max.is_some_and(|max| self.in_flight >= max) {
            return Admission::Refused { by: Limit::Concurrency, retry_after: None };
        }
        if let Some(Taken::No { retry_after }) = self.tokens.as_ref().map(|bucket| bucket.would_take(tokens, now)) {
            return Admission::Refused { by: Limit::Tokens, retry_after };
        }
        if let Some(Taken::No { retry_after }) = self.requests.as_mut().map(|bucket| bucket.take(1, now)) {
            return Admission::Refused { by: Limit::Requests, retry_after };
        }
        if let Some(bucket) = &mut self.tokens {
            bucket.settle(0, u64::from(tokens), now);
        }
        self.in_flight = self.in_flight.saturating_add(1);
        Admission::Granted
    }

    /// Ends a granted request. `reserved` is the amount given to [`Limiter::admit`], and `used` is
    /// the vendor's count.
    pub fn finish(&mut self, reserved: u32, used: u64, now: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(bucket) = &mut self.tokens {
            bucket.settle(u64::from(reserved), used, now);
        }
    }

    /// Returns everything that was taken by a granted request that never began, because another
    /// limit refused it.
    pub fn undo(&mut self, reserved: u32, now: Moment) {
        self.finish(reserved, 0, now);
        if let Some(bucket) = &mut self.requests {
            bucket.settle(1, 0, now);
        }
    }

    /// Number of requests in flight.
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// What remains of the requests, for `x-ratelimit-*-requests`.
    pub fn requests(&self, now: Moment) -> Option<Remaining> {
        self.requests.as_ref().map(|bucket| bucket.remaining(now))
    }

    /// What remains of the tokens, for `x-ratelimit-*-tokens`.
    pub fn tokens(&self, now: Moment) -> Option<Remaining> {
        self.tokens.as_ref().map(|bucket| bucket.remaining(now))
    }
}

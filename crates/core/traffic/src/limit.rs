//! How much an account or a key may use: requests and tokens a minute, requests at once.
//!
//! Rates are a GCRA (a bucket that leaks evenly, kept as one moment): exact, without windows whose edges let twice the rate
//! through, and eight bytes a bucket. Tokens are reserved with an estimate before a request and settled with the vendor's
//! count after it; a request that used more than its estimate leaves a debt that later ones wait for.
//!
//! Rules:
//!
//! - Nothing is taken unless everything can be taken: a request refused for its tokens has not used up a request.
//! - A refusal says which limit, and how long to wait; `None` where waiting never helps.
//! - Over any span a bucket lets no more through than its rate times the span plus its burst (property test).
//! - Readings of the clock that arrive out of order give nothing away and take nothing for good: a
//!   bucket is never fuller than full nor emptier than the debts that were settled on it.

mod bucket;
#[cfg(test)]
mod tests;

pub use bucket::{Bucket, Remaining, Taken};

use banjia_types::Moment;
use std::fmt;
use std::time::Duration;

/// The limits of one key or account; `None` is no limit. A limit of 0 lets nothing through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitRules {
    /// Requests a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute, prompt and answer together.
    pub tokens_per_minute: Option<u32>,
    /// Requests under way at once.
    pub concurrency_max: Option<u32>,
}

/// Which limit refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Requests a minute.
    Requests,
    /// Tokens a minute.
    Tokens,
    /// Requests under way at once.
    Concurrency,
}

impl Limit {
    /// The name used in error messages and metrics.
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
    /// It may, and what it needs has been taken. [`Limiter::finish`] must be called once when it ends.
    Granted,
    /// It may not, and nothing has been taken.
    Refused {
        /// Which limit.
        by: Limit,
        /// When asking again may help; `None` when it never will, or when it depends on other requests' ends.
        retry_after: Option<Duration>,
    },
}

/// The limits of one key or account and what is used of them.
#[derive(Clone, Debug)]
pub struct Limiter {
    rules: LimitRules,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    under_way: u32,
}

impl Limiter {
    /// A limiter of which nothing is used.
    pub fn new(rules: LimitRules) -> Self {
        Self {
            rules,
            requests: rules.requests_per_minute.map(Bucket::per_minute),
            tokens: rules.tokens_per_minute.map(Bucket::per_minute),
            under_way: 0,
        }
    }

    /// The rules it was made with.
    pub const fn rules(&self) -> &LimitRules {
        &self.rules
    }

    /// New rules from a changed configuration. What is used stays used where a limit keeps its figure; a limit with a new
    /// figure begins full; requests under way are still counted.
    #[must_use]
    pub fn with_rules(&self, rules: LimitRules) -> Self {
        let mut changed = Self::new(rules);
        changed.under_way = self.under_way;
        if rules.requests_per_minute == self.rules.requests_per_minute {
            changed.requests.clone_from(&self.requests);
        }
        if rules.tokens_per_minute == self.rules.tokens_per_minute {
            changed.tokens.clone_from(&self.tokens);
        }
        changed
    }

    /// Asks for one request with `tokens` reserved (0 when no estimate is made: then only a debt refuses).
    pub fn admit(&mut self, tokens: u32, now: Moment) -> Admission {
        if self.rules.concurrency_max.is_some_and(|max| self.under_way >= max) {
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
        self.under_way = self.under_way.saturating_add(1);
        Admission::Granted
    }

    /// A granted request ended: `reserved` as it was asked for, `used` as the vendor counted.
    pub fn finish(&mut self, reserved: u32, used: u64, now: Moment) {
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(bucket) = &mut self.tokens {
            bucket.settle(u64::from(reserved), used, now);
        }
    }

    /// A granted request never began (another limit refused it): everything is given back.
    pub fn undo(&mut self, reserved: u32, now: Moment) {
        self.finish(reserved, 0, now);
        if let Some(bucket) = &mut self.requests {
            bucket.settle(1, 0, now);
        }
    }

    /// Requests under way.
    pub const fn under_way(&self) -> u32 {
        self.under_way
    }

    /// What is left of the requests, for `x-ratelimit-*-requests`.
    pub fn requests(&self, now: Moment) -> Option<Remaining> {
        self.requests.as_ref().map(|bucket| bucket.room(now))
    }

    /// What is left of the tokens, for `x-ratelimit-*-tokens`.
    pub fn tokens(&self, now: Moment) -> Option<Remaining> {
        self.tokens.as_ref().map(|bucket| bucket.room(now))
    }
}

//! One rate: a GCRA, stored as the moment at which its bucket is full again.

use banjia_types::Moment;
use std::time::Duration;

const NANOS_PER_MINUTE: i128 = 60_000_000_000;

/// Whether an amount was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The amount was taken.
    Yes,
    /// The amount was not there, and nothing was taken.
    No {
        /// When the amount will be there. `None` if the bucket is too small for it.
        retry_after: Option<Duration>,
    },
}

/// What remains in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// The amount in a full bucket.
    pub limit: u32,
    /// The amount that remains, rounded down.
    pub left: u32,
    /// How long until the bucket is full again.
    pub full_in: Duration,
}

impl Remaining {
    /// `full_in` as OpenAI writes it in `x-ratelimit-reset-*`: `17ms`, `1.5s`, `6m0s`.
    pub fn reset_text(&self) -> String {
        // Rounded up to a millisecond: a client that waits this long must not come too early.
        let part = u64::from(self.full_in.subsec_nanos().div_ceil(1_000_000));
        let millis = self.full_in.as_secs().saturating_mul(1_000).saturating_add(part);
        // This runs for every response, so only the form that is needed is formatted.
        match (millis / 60_000, millis % 60_000) {
            (0, rest @ 1..1_000) => format!("{rest}ms"),
            (0, rest) => seconds(rest),
            (minutes, rest) => format!("{minutes}m{}", seconds(rest)),
        }
    }
}

/// Formats milliseconds as seconds, without trailing zeros.
fn seconds(millis: u64) -> String {
    match (millis / 1_000, millis % 1_000) {
        (whole, 0) => format!("{whole}s"),
        (whole, part) => format!("{whole}.{}s", format!("{part:03}").trim_end_matches('0')),
    }
}

/// A rate with a burst. All figures are exact: they are nanoseconds in 128 bits, so neither a high
/// rate nor a distant moment is rounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    limit: u32,
    /// The moment on the monotonic clock when the bucket is full again, in nanoseconds times
    /// `limit`. With that factor one unit is a whole number at any rate.
    full_at: i128,
}

impl Bucket {
    /// Creates a bucket with `limit` units per minute and a burst of the same size. 0 lets nothing
    /// through.
    pub const fn per_minute(limit: u32) -> Self {
        Self { limit, full_at: i128::MIN }
    }

    /// Takes `amount` if the bucket holds it.
    pub fn take(&mut self, amount: u32, now: Moment) -> Taken {
        let taken = self.would_take(amount, now);
        if taken == Taken::Yes {
            self.settle(0, u64::from(amount), now);
        }
        taken
    }

    /// Whether [`Bucket::take`] would succeed.
    pub fn would_take(&self, amount: u32, now: Moment) -> Taken {
        if amount > self.limit || self.limit == 0 {
            return Taken::No { retry_after: None };
        }
        let missing = self.used(now) + i128::from(amount) * NANOS_PER_MINUTE - self.whole();
        if missing <= 0 {
            return Taken::Yes;
        }
        Taken::No { retry_after: Some(nanos(missing, self.limit)) }
    }

    /// Replaces a reserved amount with the used one. Using more may leave a debt; using less gives
    /// the rest back.
    pub fn settle(&mut self, reserved: u64, used: u64, now: Moment) {
        let change = (i128::from(used) - i128::from(reserved)) * NANOS_PER_MINUTE;
        self.full_at = self.moment(now) + self.used(now) + change;
    }

    /// What remains in the bucket.
    pub fn remaining(&self, now: Moment) -> Remaining {
        let left = (self.whole() - self.used(now)).max(0) / NANOS_PER_MINUTE;
        let full_in = if self.limit == 0 { Duration::ZERO } else { nanos(self.used(now), self.limit) };
        Remaining { limit: self.limit, left: u32::try_from(left).unwrap_or(self.limit), full_in }
    }

    /// The content of a full bucket, in the unit of `full_at`.
    fn whole(&self) -> i128 {
        i128::from(self.limit) * NANOS_PER_MINUTE
    }

    /// How much is missing from a full bucket. More than its content if there is a debt.
    fn used(&self, now: Moment) -> i128 {
        self.full_at.saturating_sub(self.moment(now)).max(0)
    }

    fn moment(&self, now: Moment) -> i128 {
        i128::from(now.0) * 1_000_000 * i128::from(self.limit)
    }
}

/// Converts nanoseconds times `limit` to a duration, rounded up to a nanosecond.
fn nanos(scaled: i128, limit: u32) -> Duration {
    let whole = (scaled + i128::from(limit) - 1) / i128::from(limit);
    Duration::from_nanos(u64::try_from(whole).unwrap_or(u64::MAX))
}

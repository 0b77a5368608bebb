//! A moment, as milliseconds since 1970 in UTC.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z. Core functions take it as an argument; only the outer
/// layers read the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time from `earlier` to this moment. Zero if `earlier` is not earlier, since clocks step
    /// back.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The UTC date of this moment. 1970-01-01 for moments outside the calendar's range.
    pub fn date(self) -> NaiveDate {
        DateTime::from_timestamp_millis(self.0).map(|t| t.date_naive()).unwrap_or_default()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_millis())
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_millis(self.0) {
            Some(time) => write!(f, "{}", time.format("%Y-%m-%dT%H:%M:%S%.3fZ")),
            None => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_rfc_3339_and_never_runs_backwards() {
        let cut = Timestamp(1_720_483_200_000);
        assert_eq!(cut.to_string(), "2024-07-09T00:00:00.000Z");
        assert_eq!(cut.date().to_string(), "2024-07-09");
        assert_eq!(cut.since(cut + Duration::from_secs(1)), Duration::ZERO);
        assert_eq!((cut + Duration::from_secs(2)).since(cut), Duration::from_secs(2));
        assert_eq!((cut + Duration::MAX).0, i64::MAX);
    }
}

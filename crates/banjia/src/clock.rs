//! The wall clock of commands and of the gateway's background tasks, for dates. No span is measured
//! with it: that is what `Instant` is for.

use banjia_types::Timestamp;
use chrono::{NaiveDate, Utc};

/// The present date and time.
pub(crate) fn now() -> Timestamp {
    Timestamp::from(Utc::now())
}

/// Today's date in UTC.
pub(crate) fn today() -> NaiveDate {
    Utc::now().date_naive()
}

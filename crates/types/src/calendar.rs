//! Conversion between dates in a time zone and moments.
//!
//! # Rules
//! - Every date has a zone, and means its first moment there.
//! - A time that the zone's clocks skip is the first moment after the gap. A time that they show
//!   twice is the earlier one, since whoever must be gone by a date is gone by its earliest
//!   reading. So a date always gives exactly one moment.
//! - Policies and moves use the same rules.

use crate::Timestamp;
use chrono::{Days, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

/// The longest gap that is looked through: zones have skipped a whole day.
const GAP_MINUTES_MAX: i64 = 36 * 60;
/// Years that a date may lie in.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2200;

/// Reads `2024-07-09` or `2024-07-09T10:00`, in local time.
///
/// # Errors
/// What is wrong with the text.
pub fn read(text: &str) -> Result<NaiveDateTime, String> {
    let wrong =
        || format!("a date is written \"2024-07-09\" or \"2024-07-09T10:00\", in the zone of the text; found {text:?}");
    let local = match text.split_once('T') {
        None => text.parse::<NaiveDate>().ok().and_then(|date| date.and_hms_opt(0, 0, 0)),
        Some(_) => ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()),
    }
    .ok_or_else(wrong)?;
    if YEARS.contains(&chrono::Datelike::year(&local.date())) { Ok(local) } else { Err(wrong()) }
}

/// The moment of a local time in `zone`.
pub fn moment(local: NaiveDateTime, zone: Tz) -> Timestamp {
    for minute in 0..=GAP_MINUTES_MAX {
        let Some(candidate) = local.checked_add_signed(TimeDelta::minutes(minute)) else { break };
        if let Some(found) = zone.from_local_datetime(&candidate).earliest() {
            return Timestamp(found.timestamp_millis());
        }
    }
    // No zone skips more than a day; if one ever did, its standard reading in UTC is still a
    // moment.
    Timestamp(local.and_utc().timestamp_millis())
}

/// What is odd about a local time, as a sentence: clocks skip it, or show it twice.
pub fn oddity(local: NaiveDateTime, zone: Tz) -> Option<String> {
    let shown = local.format("%Y-%m-%d %H:%M");
    let at = moment(local, zone);
    match zone.from_local_datetime(&local) {
        LocalResult::Single(_) => None,
        LocalResult::None => Some(format!("clocks in {zone} skip {shown}; {} is meant", show(at, zone))),
        LocalResult::Ambiguous(..) => {
            Some(format!("clocks in {zone} show {shown} twice; the earlier, {}, is meant", show(at, zone)))
        }
    }
}

/// What the clocks of `zone` show at a moment.
pub fn local(at: Timestamp, zone: Tz) -> NaiveDateTime {
    chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default().with_timezone(&zone).naive_local()
}

/// The local date of a moment in `zone`.
pub fn date(at: Timestamp, zone: Tz) -> NaiveDate {
    chrono::DateTime::from_timestamp_millis(at.0)
        .map_or_else(NaiveDate::default, |at| at.with_timezone(&zone).date_naive())
}

/// The local hour `hour` on the day `days_before` the day of `at`.
pub fn days_before(at: Timestamp, zone: Tz, days_before: u32, hour: u32) -> Timestamp {
    let day = date(at, zone).checked_sub_days(Days::new(u64::from(days_before))).unwrap_or_default();
    moment(day.and_hms_opt(hour.min(23), 0, 0).unwrap_or_default(), zone)
}

/// A moment as people of a zone write it: `2024-07-09 00:00 CST`.
pub fn show(at: Timestamp, zone: Tz) -> String {
    match chrono::DateTime::from_timestamp_millis(at.0) {
        Some(utc) => utc.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z").to_string(),
        None => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, zone: Tz) -> String {
        moment(read(text).unwrap(), zone).to_string()
    }

    #[test]
    fn a_date_is_its_first_moment_in_the_zone() {
        assert_eq!(at("2024-07-09", Tz::Asia__Shanghai), "2024-07-08T16:00:00.000Z");
        assert_eq!(at("2024-07-09", Tz::America__Los_Angeles), "2024-07-09T07:00:00.000Z");
        assert_eq!(at("2024-07-09T10:30", Tz::UTC), "2024-07-09T10:30:00.000Z");
        let cut = moment(read("2024-07-09").unwrap(), Tz::Asia__Shanghai);
        assert_eq!(show(cut, Tz::Asia__Shanghai), "2024-07-09 00:00 CST");
        assert_eq!(local(cut, Tz::UTC), read("2024-07-08T16:00").unwrap());
    }

    #[test]
    fn skipped_and_doubled_times_have_one_moment() {
        // Clocks in Berlin went from 02:00 to 03:00 on 31 March 2024 and from 03:00 back to 02:00
        // on 27 October.
        assert_eq!(at("2024-03-31T02:30", Tz::Europe__Berlin), "2024-03-31T01:00:00.000Z");
        assert_eq!(at("2024-10-27T02:30", Tz::Europe__Berlin), "2024-10-27T00:30:00.000Z");
        // Midnight did not exist in Beirut on 31 March 2024, and Samoa had no 30 December 2011 at
        // all.
        assert_eq!(at("2024-03-31", Tz::Asia__Beirut), "2024-03-30T22:00:00.000Z");
        assert_eq!(at("2011-12-30", Tz::Pacific__Apia), "2011-12-30T10:00:00.000Z");
    }

    #[test]
    fn days_are_counted_on_the_calendar_and_not_in_hours() {
        let cut = moment(read("2024-11-05").unwrap(), Tz::America__New_York);
        assert_eq!(days_before(cut, Tz::America__New_York, 7, 9).to_string(), "2024-10-29T13:00:00.000Z");
        assert_eq!(days_before(cut, Tz::America__New_York, 1, 9).to_string(), "2024-11-04T14:00:00.000Z");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for bad in [
            "",
            "tomorrow",
            "2024-13-01",
            "2024-02-30",
            "2024-07-09 10:00",
            "2024-07-09T25:00",
            "9999-01-01",
            "1999-12-31",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}

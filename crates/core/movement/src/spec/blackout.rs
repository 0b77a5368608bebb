//! Times in which no step forward is made.
//!
//! # Rules
//! - A weekly blackout follows the wall clock of the zone, on both sides of a change of clocks.
//! - If its end is not after its begin, it runs over midnight, into the day after each of its days.
//! - A dated blackout is two moments.

use banjia_types::Timestamp;
use banjia_types::calendar;
use chrono::{Datelike as _, Days, NaiveTime, Weekday};
use chrono_tz::Tz;

/// A time without steps forward. Steps back, the reaction to a block and dates are never delayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blackout {
    /// Every week, on these days.
    Weekly {
        /// The days on which it begins.
        days: Vec<Weekday>,
        /// When it begins, on the wall clock.
        from: NaiveTime,
        /// When it ends, exclusive. `None` is the end of the day.
        until: Option<NaiveTime>,
        /// The reason, for people.
        reason: String,
    },
    /// Once.
    Dated {
        /// When it begins.
        from: Timestamp,
        /// When it ends, exclusive.
        until: Timestamp,
        /// The reason, for people.
        reason: String,
    },
}

impl Blackout {
    /// Whether `at` lies in the blackout.
    pub fn holds(&self, at: Timestamp, zone: Tz) -> bool {
        let (days, from, until) = match self {
            Self::Dated { from, until, .. } => return *from <= at && at < *until,
            Self::Weekly { days, from, until, .. } => (days, *from, *until),
        };
        let local = calendar::local(at, zone);
        let begins_on = |day: chrono::NaiveDate| days.contains(&day.weekday());
        let (today, time) = (local.date(), local.time());
        match until {
            None => begins_on(today) && from <= time,
            Some(until) if from < until => begins_on(today) && from <= time && time < until,
            Some(until) => {
                let yesterday = today.checked_sub_days(Days::new(1)).unwrap_or(today);
                (begins_on(today) && from <= time) || (begins_on(yesterday) && time < until)
            }
        }
    }

    /// The reason, as its author wrote it.
    pub fn reason(&self) -> &str {
        match self {
            Self::Weekly { reason, .. } | Self::Dated { reason, .. } => reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(blackout: &Blackout, zone: Tz, local: &str) -> bool {
        blackout.holds(calendar::moment(calendar::read(local).unwrap(), zone), zone)
    }

    #[test]
    fn a_weekly_blackout_follows_the_wall_clock() {
        let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
        let nights = Blackout::Weekly {
            days: vec![Weekday::Fri],
            from: time("18:00"),
            until: Some(time("09:00")),
            reason: String::new(),
        };
        // 15 January 2027 is a Friday; 29 October 2027 too, two days before clocks in Berlin go
        // back.
        for zone in [Tz::Asia__Shanghai, Tz::Europe__Berlin, Tz::America__New_York] {
            for (local, expected) in [
                ("2027-01-15T17:59", false),
                ("2027-01-15T18:00", true),
                ("2027-01-16T08:59", true),
                ("2027-01-16T09:00", false),
                ("2027-01-15T03:00", false),
                ("2027-10-29T18:00", true),
                ("2027-10-30T08:59", true),
            ] {
                assert_eq!(held(&nights, zone, local), expected, "{local} in {zone}");
            }
        }
        let days =
            Blackout::Weekly { days: vec![Weekday::Sun], from: time("00:00"), until: None, reason: String::new() };
        assert!(
            held(&days, Tz::Europe__Berlin, "2027-10-31T00:00") && held(&days, Tz::Europe__Berlin, "2027-10-31T23:59")
        );
        assert!(!held(&days, Tz::Europe__Berlin, "2027-11-01T00:00"));
    }
}

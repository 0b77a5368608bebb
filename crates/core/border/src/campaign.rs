//! Who is told what, when.
//!
//! Rules: the steps are days before the block, at one hour of the policy's zone; a campaign that begins late sends the
//! nearest step that is due and not all that it missed; a step is one notice to one account in one round, and a new date
//! begins a new round; a notice whose result nobody saw is `unknown` and is never sent again by itself, because a second
//! mail is worse than a list for a person to look at; who has unsubscribed is told only by a campaign whose notices the law or
//! the contract demands, and what is therefore not sent is a notice in a state of its own.

use crate::policy::Policy;
use banjia_types::Timestamp;
use banjia_types::calendar;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The hour of the policy's zone at which notices go out.
pub const HOUR: u32 = 10;
/// Times between attempts after a temporary refusal.
const BACK_OFF: [Duration; 4] =
    [Duration::from_mins(5), Duration::from_mins(30), Duration::from_hours(2), Duration::from_hours(6)];

/// One step of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Step {
    /// Two weeks before.
    #[serde(rename = "T-14")]
    TwoWeeks,
    /// A week before.
    #[serde(rename = "T-7")]
    Week,
    /// The day before.
    #[serde(rename = "T-1")]
    Day,
    /// The day itself.
    #[serde(rename = "T")]
    Now,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::TwoWeeks, Self::Week, Self::Day, Self::Now];

    /// The name used in lists and mails.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TwoWeeks => "T-14",
            Self::Week => "T-7",
            Self::Day => "T-1",
            Self::Now => "T",
        }
    }

    /// The step of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == name)
    }

    /// Days before the block.
    const fn days(self) -> u32 {
        match self {
            Self::TwoWeeks => 14,
            Self::Week => 7,
            Self::Day => 1,
            Self::Now => 0,
        }
    }

    /// When it is due; the last one when the block begins, not hours later.
    pub fn at(self, policy: &Policy) -> Option<Timestamp> {
        let block = policy.phases().block?;
        Some(match self {
            Self::Now => block,
            _ => calendar::days_before(block, policy.zone(), self.days(), HOUR),
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The step that is to be sent at a moment: the last one whose time has come. None before the first, and none for a policy
/// that never blocks.
pub fn due(policy: &Policy, now: Timestamp) -> Option<Step> {
    Step::ALL.into_iter().rev().find(|step| step.at(policy).is_some_and(|at| at <= now))
}

/// Where a notice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    /// It is written down that it will be sent; the mail may be under way.
    Intended,
    /// The mail server took it.
    Sent,
    /// The mail server refused it for now.
    Retrying,
    /// The mail server refused it for good.
    Refused,
    /// Nobody knows whether it was taken.
    Unknown,
    /// It was taken and came back.
    Bounced,
    /// It was not sent: the account has unsubscribed, and nothing demands that it is told.
    Unsubscribed,
}

impl NoticeState {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Intended, Self::Sent, Self::Retrying, Self::Refused, Self::Unknown, Self::Bounced, Self::Unsubscribed];

    /// The name used in the database and in lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Sent => "sent",
            Self::Retrying => "retrying",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Bounced => "bounced",
            Self::Unsubscribed => "unsubscribed",
        }
    }
}

/// What a mail server said of one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It took it.
    Taken,
    /// Refused for now, before it could have been taken.
    Later(String),
    /// Refused for good.
    Never(String),
    /// The connection ended after the mail was given and before the answer.
    Lost(String),
}

/// Where a notice stands after an attempt, what was said, and when it is tried again. `attempts` counts this one.
pub fn settle(delivery: Delivery, attempts: u32, now: Timestamp) -> (NoticeState, String, Option<Timestamp>) {
    match delivery {
        Delivery::Taken => (NoticeState::Sent, String::new(), None),
        Delivery::Never(said) => (NoticeState::Refused, said, None),
        Delivery::Lost(said) => (NoticeState::Unknown, said, None),
        Delivery::Later(said) => match BACK_OFF.get(attempts.saturating_sub(1) as usize) {
            Some(pause) => (NoticeState::Retrying, said, Some(now + *pause)),
            None => (NoticeState::Refused, format!("given up after {attempts} attempts: {said}"), None),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::embedded;

    fn policy() -> Policy {
        Policy::parse(include_str!("../policies/openai-2024.toml"), embedded()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        calendar::moment(calendar::read(text).unwrap(), chrono_tz::Tz::Asia__Shanghai)
    }

    #[test]
    fn a_step_is_due_from_its_morning_until_the_next() {
        for (when, step) in [
            ("2024-06-25T09:59", None),
            ("2024-06-25T10:00", Some(Step::TwoWeeks)),
            ("2024-07-02T09:59", Some(Step::TwoWeeks)),
            ("2024-07-02T10:00", Some(Step::Week)),
            ("2024-07-08T10:00", Some(Step::Day)),
            ("2024-07-08T23:59", Some(Step::Day)),
            ("2024-07-09T00:00", Some(Step::Now)),
            ("2025-01-01", Some(Step::Now)),
        ] {
            assert_eq!(due(&policy(), at(when)), step, "{when}");
        }
    }

    #[test]
    fn notices_keep_their_hour_when_the_zones_clocks_change() {
        let text = policy().text().replace("Asia/Shanghai", "America/New_York").replace("2024-07-", "2024-11-");
        let policy = Policy::parse(&text.replace("2024-06-25", "2024-10-20"), embedded()).unwrap();
        let hours: Vec<_> = Step::ALL.iter().map(|step| step.at(&policy).unwrap().to_string()).collect();
        // Clocks there went back on 3 November: ten in the morning is 14:00 in UTC before and 15:00 after.
        let wanted = [
            "2024-10-26T14:00:00.000Z",
            "2024-11-02T14:00:00.000Z",
            "2024-11-08T15:00:00.000Z",
            "2024-11-09T05:00:00.000Z",
        ];
        assert_eq!(hours, wanted);
    }

    #[test]
    fn another_date_moves_every_step() {
        let later = policy().redated(&[("block", "2024-07-16")], embedded()).unwrap();
        let later = Policy::parse(&later, embedded()).unwrap();
        assert_eq!(due(&later, at("2024-07-09T10:00")), Some(Step::Week));
        assert_eq!(due(&later, at("2024-07-01")), None);
    }

    #[test]
    fn only_what_was_certainly_not_taken_is_tried_again() {
        let now = Timestamp(0);
        assert_eq!(settle(Delivery::Taken, 1, now).0, NoticeState::Sent);
        assert_eq!(settle(Delivery::Lost(String::new()), 1, now), (NoticeState::Unknown, String::new(), None));
        assert_eq!(settle(Delivery::Never("550".into()), 1, now).0, NoticeState::Refused);
        let (state, _, again) = settle(Delivery::Later("451".into()), 1, now);
        assert_eq!((state, again), (NoticeState::Retrying, Some(now + Duration::from_mins(5))));
        let (state, said, again) = settle(Delivery::Later("451".into()), 5, now);
        assert_eq!((state, again), (NoticeState::Refused, None));
        assert!(said.contains("given up after 5 attempts"));
    }
}

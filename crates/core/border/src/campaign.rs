//! Which notices are due, and when.
//!
//! # Rules
//! - The steps are days before the block, at one hour of the policy's zone.
//! - A campaign that begins late sends the latest step that is due, not all that it missed.
//! - A step is one notice to one account in one round. A new date begins a new round.
//! - A notice without a known result is `unknown` and is never sent again by itself. A second mail
//!   is worse than a list for a person to look at.
//! - An account that has unsubscribed gets a notice only if the law or the contract demands it. A
//!   notice that is therefore not sent has a state of its own.

use crate::policy::Policy;
use banjia_types::Timestamp;
use banjia_types::calendar;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The hour of the policy's zone at which notices go out.
pub const HOUR: u32 = 10;
/// Pauses between attempts after a temporary refusal.
const BACK_OFF: [Duration; 4] =
    [Duration::from_mins(5), Duration::from_mins(30), Duration::from_hours(2), Duration::from_hours(6)];

/// One step of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Step {
    /// Two weeks before the block.
    #[serde(rename = "T-14")]
    TwoWeeks,
    /// A week before the block.
    #[serde(rename = "T-7")]
    Week,
    /// The day before the block.
    #[serde(rename = "T-1")]
    Day,
    /// The start of the block.
    #[serde(rename = "T")]
    Now,
}

impl Step {
    /// Every step, in order.
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

    /// The step with this name.
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

    /// When the step is due. The last one is due when the block begins, not at the hour of notices.
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

/// The step to send at `now`: the last one whose time has come. `None` before the first, and for a
/// policy that never blocks.
pub fn due(policy: &Policy, now: Timestamp) -> Option<Step> {
    Step::ALL.into_iter().rev().find(|step| step.at(policy).is_some_and(|at| at <= now))
}

/// The state of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    /// The intent to send it is recorded. The mail may be on its way.
    Intended,
    /// The mail server accepted it.
    Sent,
    /// The mail server rejected it temporarily.
    Retrying,
    /// The mail server rejected it for good.
    Refused,
    /// It is unknown whether the mail server accepted it.
    Unknown,
    /// It was accepted and bounced later.
    Bounced,
    /// It was not sent: the account has unsubscribed, and the notice is not mandatory.
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

/// The mail server's answer for one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The mail server accepted it.
    Taken,
    /// A temporary rejection, before it could have been accepted.
    Later(String),
    /// A permanent rejection.
    Never(String),
    /// The connection ended after the mail was sent and before the answer.
    Lost(String),
}

/// The state of a notice after an attempt, the server's message, and the time of the next attempt.
/// `attempts` includes this one.
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
    fn notices_keep_their_hour_across_clock_changes() {
        let text = policy().text().replace("Asia/Shanghai", "America/New_York").replace("2024-07-", "2024-11-");
        let policy = Policy::parse(&text.replace("2024-06-25", "2024-10-20"), embedded()).unwrap();
        let hours: Vec<_> = Step::ALL.iter().map(|step| step.at(&policy).unwrap().to_string()).collect();
        // Clocks there went back on 3 November: ten in the morning is 14:00 in UTC before and 15:00
        // after.
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
    fn only_certain_rejections_are_retried() {
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

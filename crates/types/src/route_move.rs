//! What a gateway must know of a move to send one route's requests the right way.
//!
//! A move is decided elsewhere; its course is the part of the decision that a request meets. It is a plain value, so that
//! the core that decides moves and the core that orders targets need not know each other.

use crate::{Money, RouteName, Stage, Target, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A part of a whole in ten-thousandths: 500 is 5 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(u16);

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(10_000);

    /// So many ten-thousandths; more than all is all.
    pub const fn of(ten_thousandths: u16) -> Self {
        if ten_thousandths > Self::ALL.0 { Self::ALL } else { Self(ten_thousandths) }
    }

    /// The nearest share to a number between 0 and 1; none for a number outside, or for no number.
    pub fn of_fraction(fraction: f64) -> Option<Self> {
        (0.0..=1.0).contains(&fraction).then(|| Self((fraction * f64::from(Self::ALL.0)).round() as u16))
    }

    /// In ten-thousandths.
    pub const fn ten_thousandths(self) -> u16 {
        self.0
    }

    /// Whether the thing with this draw is in the share. A draw that is in a share is in every larger one too, so a growing
    /// canary keeps the conversations that it has.
    pub const fn holds(self, draw: u64) -> bool {
        draw % (Self::ALL.0 as u64) < self.0 as u64
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}%"),
            _ if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            _ => write!(f, "{whole}.{part:02}%"),
        }
    }
}

/// Who asked a vendor, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrafficKind {
    /// A caller: this answer was given to somebody.
    Live,
    /// The source, asked the same again, to know its own noise.
    Repeat,
    /// The destination, asked a copy that no caller sees.
    Shadow,
    /// A target, asked a recorded request later.
    Replay,
}

impl TrafficKind {
    /// Every leg.
    pub const ALL: [Self; 4] = [Self::Live, Self::Repeat, Self::Shadow, Self::Replay];

    /// The name used in captures and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Repeat => "repeat",
            Self::Shadow => "shadow",
            Self::Replay => "replay",
        }
    }
}

impl fmt::Display for TrafficKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How one route moves at present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteMove {
    /// The move's id.
    pub of: String,
    /// The route that moves.
    pub route: RouteName,
    /// Where the move stands.
    pub stage: Stage,
    /// Who is left.
    pub source: Target,
    /// Where it goes: the destination, or the second destination after the first one failed.
    pub destination: Target,
    /// The other qualified destination, asked when the first one fails.
    pub second: Option<Target>,
    /// The part of the conversations that the destination answers. All from `live` on.
    pub share: Share,
    /// From this moment on nothing is sent to the source, on any leg.
    pub source_until: Option<Timestamp>,
    /// Nothing is sent to the source any more, whatever the time is: it refused us, or the move is sealed.
    pub is_source_dead: bool,
    /// The part of the exchanges that is recorded.
    pub record: Share,
    /// The part of the recorded exchanges for which the source is asked once more.
    pub repeat: Share,
    /// The part of the recorded exchanges of which the destination gets a copy.
    pub shadow: Share,
    /// What repeats and shadows together may still cost, in each currency; none is without a bound.
    pub spend_left: Vec<Money>,
    /// A drill under way.
    pub rehearsal: Option<Rehearsal>,
}

/// A drill: for this part of the conversations the source's leg answers its true region block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// Which part.
    pub share: Share,
    /// Until when.
    pub until: Timestamp,
}

impl RouteMove {
    /// Whether the source may be asked at this moment, on any leg.
    pub fn may_ask_source(&self, now: Timestamp) -> bool {
        !self.is_source_dead && self.stage != Stage::Sealed && self.source_until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_share_keeps_what_it_has_and_prints_as_percent() {
        let draws = 0..40_000_u64;
        assert!(draws.clone().all(|draw| !Share::NONE.holds(draw) && Share::ALL.holds(draw)));
        assert!(draws.clone().all(|draw| !Share::of(500).holds(draw) || Share::of(2_500).holds(draw)));
        assert_eq!(draws.filter(|&draw| Share::of(500).holds(draw)).count(), 2_000);
        let said = [500, 50, 5, 10_000, 20_000].map(|part| Share::of(part).to_string());
        assert_eq!(said, ["5%", "0.5%", "0.05%", "100%", "100%"]);
        assert_eq!((Share::of_fraction(0.05), Share::of_fraction(1.5)), (Some(Share::of(500)), None));
        assert_eq!(Share::of_fraction(f64::NAN), None);
    }
}

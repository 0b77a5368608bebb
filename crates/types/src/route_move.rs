//! The part of a move that a gateway needs to route the requests of one route.
//!
//! Moves are decided elsewhere. A route move is the part of that decision that a request meets. It
//! is a plain value, so that the core that decides moves and the core that orders targets need not
//! know each other.

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

    /// The share of this many ten-thousandths, at most all.
    pub const fn of(ten_thousandths: u16) -> Self {
        if ten_thousandths > Self::ALL.0 { Self::ALL } else { Self(ten_thousandths) }
    }

    /// The nearest share to a number between 0 and 1. `None` for a number outside, and for NaN.
    pub fn of_fraction(fraction: f64) -> Option<Self> {
        (0.0..=1.0).contains(&fraction).then(|| Self((fraction * f64::from(Self::ALL.0)).round() as u16))
    }

    /// The share in ten-thousandths.
    pub const fn ten_thousandths(self) -> u16 {
        self.0
    }

    /// Whether the item with this hash is in the share. An item that is in a share is in every
    /// larger one too, so a growing canary keeps its conversations.
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

/// The reason for a request to a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrafficKind {
    /// For a caller, who got the response.
    Live,
    /// The same request to the source again, to measure its noise.
    Repeat,
    /// A copy for the destination. No caller sees the response.
    Shadow,
    /// A recorded request, sent to a target later.
    Replay,
}

impl TrafficKind {
    /// Every kind.
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
    /// The present stage of the move.
    pub stage: Stage,
    /// The source target.
    pub source: Target,
    /// The destination target: the destination, or the second one after the first failed.
    pub destination: Target,
    /// The other destination, asked if the first one fails.
    pub second: Option<Target>,
    /// The share of the conversations that the destination answers. All from `live` on.
    pub share: Share,
    /// From this moment on nothing is sent to the source, for any traffic kind.
    pub source_until: Option<Timestamp>,
    /// True if nothing is sent to the source any more, whatever the time is: it blocked our region,
    /// or the move is sealed.
    pub is_source_dead: bool,
    /// The share of the exchanges that is recorded.
    pub record: Share,
    /// The share of the recorded exchanges for which the source is asked again.
    pub repeat: Share,
    /// The share of the recorded exchanges of which the destination gets a copy.
    pub shadow: Share,
    /// The rest of the budget of repeats and shadows, by currency. A currency that is not listed
    /// has no limit.
    pub spend_left: Vec<Money>,
    /// The running rehearsal.
    pub rehearsal: Option<Rehearsal>,
}

/// A rehearsal: for a share of the conversations, calls to the source get its real region block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The share of the conversations.
    pub share: Share,
    /// When it ends.
    pub until: Timestamp,
}

impl RouteMove {
    /// A route on its way from `source` to `destination`: nothing is recorded, copied or rehearsed,
    /// no conversation has moved, and no date is set.
    pub fn new(of: &str, route: RouteName, stage: Stage, (source, destination): (Target, Target)) -> Self {
        Self {
            of: of.to_owned(),
            route,
            stage,
            source,
            destination,
            second: None,
            share: Share::NONE,
            source_until: None,
            is_source_dead: false,
            record: Share::NONE,
            repeat: Share::NONE,
            shadow: Share::NONE,
            spend_left: Vec::new(),
            rehearsal: None,
        }
    }

    /// Whether the source may be asked at this moment, for any traffic kind.
    pub fn may_ask_source(&self, now: Timestamp) -> bool {
        !self.is_source_dead && self.stage != Stage::Sealed && self.source_until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_share_keeps_its_items() {
        let draws = 0..40_000_u64;
        assert!(draws.clone().all(|draw| !Share::NONE.holds(draw) && Share::ALL.holds(draw)));
        assert!(draws.clone().all(|draw| !Share::of(500).holds(draw) || Share::of(2_500).holds(draw)));
        assert_eq!(draws.filter(|&draw| Share::of(500).holds(draw)).count(), 2_000);
    }

    #[test]
    fn a_share_prints_as_percent() {
        let texts = [500, 50, 5, 10_000, 20_000].map(|part| Share::of(part).to_string());
        assert_eq!(texts, ["5%", "0.5%", "0.05%", "100%", "100%"]);
    }

    #[test]
    fn a_share_of_a_fraction_is_within_bounds() {
        assert_eq!((Share::of_fraction(0.05), Share::of_fraction(1.5)), (Some(Share::of(500)), None));
        assert_eq!(Share::of_fraction(f64::NAN), None);
    }
}

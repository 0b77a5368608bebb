//! Sets whose truth is known.

use rand::RngExt;
use rand::rngs::StdRng;

/// How answers come about. A request is settled or open: to a settled one a side always answers the
/// same, to an open one it throws dice each time. Both sides pass the same part of both kinds, up
/// to the drop.
#[derive(Clone, Copy)]
pub(crate) struct Model {
    pub(crate) pairs: usize,
    /// How often the source passes.
    pub(crate) source: f64,
    /// How much less often the destination does.
    pub(crate) drop: f64,
    /// The part of the requests that are settled.
    pub(crate) settled: f64,
    /// The part of the settled ones on which both sides are settled alike.
    pub(crate) alike: f64,
    /// How often the source is asked.
    pub(crate) asked: u32,
    /// How often the destination is asked.
    pub(crate) answers: u32,
}

impl Model {
    /// The variance of one pair's difference when the destination passes a part of `kept` of what
    /// it otherwise would.
    pub(crate) fn variance(&self, kept: f64) -> f64 {
        let (p, rs, rd) = (self.source, f64::from(self.asked), f64::from(self.answers));
        let (one, q) = (p * (1.0 - p), p * kept);
        let open = one / rs + q * (1.0 - q) / rd;
        let settled = one + p * kept * (1.0 - kept) / rd + kept * kept * one - 2.0 * self.alike * kept * one;
        (1.0 - self.settled) * open + self.settled * settled
    }

    pub(crate) fn kept(&self) -> f64 {
        1.0 - self.drop / self.source
    }
}

/// One set: each pair's mean scores.
pub(crate) fn paired(model: &Model, dice: &mut StdRng, into: &mut Vec<(f64, f64)>) {
    into.clear();
    let kept = model.kept();
    for _ in 0..model.pairs {
        let is_settled = dice.random_bool(model.settled);
        let own = dice.random_bool(model.source);
        let other = if dice.random_bool(model.alike) { own } else { dice.random_bool(model.source) };
        let (mut source, mut destination) = (0_u32, 0_u32);
        for _ in 0..model.asked {
            source += u32::from(if is_settled { own } else { dice.random_bool(model.source) });
        }
        for _ in 0..model.answers {
            let passes = if is_settled { other } else { dice.random_bool(model.source) };
            destination += u32::from(passes && dice.random_bool(kept));
        }
        into.push((f64::from(source) / f64::from(model.asked), f64::from(destination) / f64::from(model.answers)));
    }
}

/// One set of agreements: the source takes the first of two options with `first`, the destination
/// with `other`. The scores are the source's agreement with itself and the destination's with it,
/// as the relative axes form them.
pub(crate) fn options(
    pairs: usize,
    first: f64,
    other: f64,
    asked: usize,
    dice: &mut StdRng,
    into: &mut Vec<(f64, f64)>,
) {
    into.clear();
    for _ in 0..pairs {
        let took = (0..asked).filter(|_| dice.random_bool(first)).count() as f64;
        let asked = asked as f64;
        let own = (took * (took - 1.0) + (asked - took) * (asked - took - 1.0)) / (asked * (asked - 1.0));
        let across = if dice.random_bool(other) { took } else { asked - took } / asked;
        into.push((own, across));
    }
}

/// One set of times: requests are slow or fast on both sides, and each answer varies by itself;
/// `slower` is the ratio of all quantiles.
pub(crate) fn times(pairs: usize, slower: f64, dice: &mut StdRng) -> Vec<(f64, f64)> {
    (0..pairs)
        .map(|_| {
            let request = 0.5 * normal(dice);
            let mut time = |factor: f64| 800.0 * factor * (request + 0.4 * normal(dice)).exp();
            (time(1.0), time(slower))
        })
        .collect()
}

/// A standard normal number (Box and Muller, 1958).
fn normal(dice: &mut StdRng) -> f64 {
    let (one, other) = (1.0 - dice.random::<f64>(), dice.random::<f64>());
    (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
}

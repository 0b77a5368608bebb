//! What the traffic seen cost, and would cost elsewhere, in both currencies.

use super::{Facts, Rate};
use crate::survey::{RouteUse, TargetUse};
use banjia_types::{Currency, Money, Price};
use serde::Serialize;

/// What a cost is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The figures of the ledger.
    Recorded,
    /// The tokens seen, at the known price.
    Computed,
    /// Nothing: no price or no tokens are known.
    Unknown,
}

/// A cost over the period seen. Reasoning tokens are part of the response and charged as such.
/// Cached tokens have their own price if the price list has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// In renminbi. `None` if unknown.
    pub cny: Option<Money>,
    /// In US dollars. `None` if unknown.
    pub usd: Option<Money>,
    /// What the cost is computed from.
    pub basis: Basis,
    /// Number of requests it covers: those whose tokens or costs are known.
    pub requests: u64,
}

impl Cost {
    const UNKNOWN: Self = Self { cny: None, usd: None, basis: Basis::Unknown, requests: 0 };

    /// The cost in renminbi, for comparison.
    pub fn micros(&self) -> Option<i64> {
        self.cny.map(|cny| cny.micros)
    }
}

/// The cost of the route today: the recorded one if it is known for all requests of its source,
/// else computed.
pub(super) fn before(used: &RouteUse, source: Option<&TargetUse>, facts: Option<&Facts>, rate: &Rate) -> Cost {
    match source {
        Some(source) if source.priced > 0 && source.priced == source.counted && used.targets.len() == 1 => {
            let cny = source.micros.iter().map(|(currency, micros)| to_cny(i128::from(*micros), *currency, rate)).sum();
            both(cny, Basis::Recorded, source.priced, rate)
        }
        _ => at(used, facts.and_then(|facts| facts.price.as_ref()), rate),
    }
}

/// The cost of the tokens seen at a price. Each bin is charged at the tier of its requests.
pub(super) fn at(used: &RouteUse, price: Option<&Price>, rate: &Rate) -> Cost {
    let counted = used.counted().requests;
    let Some(price) = price.filter(|price| !price.tiers.is_empty() && counted > 0) else { return Cost::UNKNOWN };
    let mut sum = 0_i128;
    for bin in used.bins.values().filter(|bin| bin.requests > 0) {
        let (prompt, answer) = (bin.usage.prompt / bin.requests, bin.usage.completion / bin.requests);
        let fits = |tier: &&banjia_types::PriceTier| {
            tier.input_below.is_none_or(|bound| prompt < bound) && tier.output_below.is_none_or(|bound| answer < bound)
        };
        let tiers = price.tiers.iter().find(fits).or(price.tiers.last()).into_iter();
        let tiers =
            tiers.map(|tier| banjia_types::PriceTier { input_below: None, output_below: None, ..*tier }).collect();
        sum += i128::from(Price { currency: price.currency, tiers }.cost(&bin.usage).micros);
    }
    both(to_cny(sum, price.currency, rate), Basis::Computed, counted, rate)
}

/// Computes with floats on the way. Both figures are estimates to six digits, and neither is
/// booked.
fn to_cny(micros: i128, currency: Currency, rate: &Rate) -> f64 {
    match currency {
        Currency::Cny => micros as f64,
        Currency::Usd => micros as f64 * rate.cny_per_usd,
    }
}

fn both(cny: f64, basis: Basis, requests: u64, rate: &Rate) -> Cost {
    let money = |micros: f64, currency| Some(Money { micros: micros.round() as i64, currency });
    Cost { cny: money(cny, Currency::Cny), usd: money(cny / rate.cny_per_usd, Currency::Usd), basis, requests }
}

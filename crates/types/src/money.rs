//! Money as whole micro-units, and prices per million tokens. Never floats, because a ledger must
//! add up.

use crate::Usage;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A currency that a vendor bills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Renminbi.
    Cny,
    /// US dollar.
    Usd,
}

impl Currency {
    /// The ISO 4217 code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cny => "CNY",
            Self::Usd => "USD",
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount in millionths of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Millionths of the currency's unit.
    pub micros: i64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// Whether the true amount exceeds the largest one that can be stored.
    pub const fn is_saturated(&self) -> bool {
        self.micros == i64::MAX
    }

    /// This amount plus `micros`, limited to the largest one that can be stored.
    #[must_use]
    pub const fn plus(self, micros: i64) -> Self {
        Self { micros: self.micros.saturating_add(micros), currency: self.currency }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.micros < 0 { "-" } else { "" };
        // A sum that did not fit ends at the largest number. It must not be taken for an amount
        // that was counted.
        let bound = if self.is_saturated() { "more than " } else { "" };
        let abs = self.micros.unsigned_abs();
        write!(f, "{bound}{sign}{}.{:06} {}", abs / 1_000_000, abs % 1_000_000, self.currency)
    }
}

/// The largest amount that is read, in whole units of a currency.
const UNITS_MAX: i64 = 1_000_000_000_000;

/// Reads `200 CNY` or `12.50 USD`.
impl FromStr for Money {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text).ok_or_else(|| format!("{text:?} is no amount of money; write \"200 CNY\" or \"12.50 USD\""))
    }
}

fn read(text: &str) -> Option<Money> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (amount, code) = text.split_once(' ')?;
    let currency = [Currency::Cny, Currency::Usd].into_iter().find(|currency| currency.as_str() == code)?;
    let (whole, part) = amount.split_once('.').unwrap_or((amount, "0"));
    if !digits(whole) || !digits(part) || part.len() > 6 {
        return None;
    }
    let whole = whole.parse::<i64>().ok().filter(|units| *units <= UNITS_MAX)?;
    let part: i64 = format!("{part:0<6}").parse().ok()?;
    Some(Money { micros: whole * 1_000_000 + part, currency })
}

/// The price of a model, in millionths of `currency` per million tokens. The first tier whose
/// bounds hold is charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// The currency of every tier.
    pub currency: Currency,
    /// Tiers in the order in which they are tried; the last one has no bounds in a well-formed
    /// price.
    pub tiers: Vec<PriceTier>,
}

/// One tier of a price. Bounds are exclusive upper limits in tokens; `None` means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceTier {
    /// The tier applies if the prompt has fewer tokens than this.
    pub input_below: Option<u64>,
    /// The tier applies if the response has fewer tokens than this (some vendors have tiers by
    /// output too).
    pub output_below: Option<u64>,
    /// Price of a million prompt tokens.
    pub input: i64,
    /// Price of a million completion tokens.
    pub output: i64,
    /// Price of a million prompt tokens from the vendor's cache. `None` charges them as `input`.
    pub cached: Option<i64>,
}

impl Price {
    /// The cost of `usage`, rounded up to a whole micro-unit, because an estimate must not be too
    /// low. A price without tiers costs 0.
    pub fn cost(&self, usage: &Usage) -> Money {
        let fits = |t: &&PriceTier| {
            t.input_below.is_none_or(|n| usage.prompt < n) && t.output_below.is_none_or(|n| usage.completion < n)
        };
        let micros = self.tiers.iter().find(fits).or(self.tiers.last()).map_or(0, |tier| {
            let cached = usage.cached.min(usage.prompt);
            let of = |tokens: u64, rate: i64| i128::from(tokens).saturating_mul(i128::from(rate));
            let total = of(usage.prompt - cached, tier.input)
                .saturating_add(of(cached, tier.cached.unwrap_or(tier.input)))
                .saturating_add(of(usage.completion, tier.output));
            saturated(total.saturating_add(999_999) / 1_000_000)
        });
        Money { micros, currency: self.currency }
    }
}

/// The number, limited to the range of 64 bits.
fn saturated(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(prompt: u64, completion: u64, cached: u64) -> Usage {
        Usage { prompt, completion, cached, ..Usage::default() }
    }

    #[test]
    fn cost_takes_the_first_tier_that_fits_both_bounds() {
        // glm-4.7 of the 2026-09 price page: 2/8, then 3/14 from 200 output tokens, then 4/16 from
        // 32K input.
        let tier = |input_below, output_below, input, output| PriceTier {
            input_below,
            output_below,
            input,
            output,
            cached: None,
        };
        let price = Price {
            currency: Currency::Cny,
            tiers: vec![
                tier(Some(32_000), Some(200), 2_000_000, 8_000_000),
                tier(Some(32_000), None, 3_000_000, 14_000_000),
                tier(None, None, 4_000_000, 16_000_000),
            ],
        };
        assert_eq!(price.cost(&usage(1_000, 100, 0)).micros, 2_800);
        assert_eq!(price.cost(&usage(1_000, 200, 0)).micros, 5_800);
        assert_eq!(price.cost(&usage(40_000, 10, 0)).micros, 160_160);
    }

    #[test]
    fn cached_tokens_have_their_own_rate() {
        let tier = PriceTier { input: 8_000_000, output: 28_000_000, cached: Some(2_000_000), ..PriceTier::default() };
        let price = Price { currency: Currency::Usd, tiers: vec![tier] };
        assert_eq!(price.cost(&usage(10, 0, 10)).micros, 20);
    }

    #[test]
    fn a_part_of_a_micro_unit_is_rounded_up() {
        let odd = Price { currency: Currency::Usd, tiers: vec![PriceTier { input: 1, ..PriceTier::default() }] };
        assert_eq!(odd.cost(&usage(1, 0, 0)).micros, 1);
    }

    #[test]
    fn a_price_without_tiers_costs_nothing() {
        assert_eq!(Price { currency: Currency::Usd, tiers: vec![] }.cost(&usage(9, 9, 0)).micros, 0);
    }

    #[test]
    fn a_cost_that_does_not_fit_saturates_visibly() {
        let tier = |rate| PriceTier { input: rate, output: rate, cached: Some(rate), ..PriceTier::default() };
        let price = |rate| Price { currency: Currency::Cny, tiers: vec![tier(rate)] };
        let most = usage(u64::MAX, u64::MAX, u64::MAX / 2);
        let cost = price(i64::MAX).cost(&most);
        assert_eq!((cost.micros, cost.plus(1).micros), (i64::MAX, i64::MAX));
        assert_eq!(cost.to_string(), "more than 9223372036854.775807 CNY");
        assert_eq!(price(i64::MIN).cost(&most).micros, i64::MIN);
    }

    #[test]
    fn amounts_are_read_and_slips_are_not() {
        assert_eq!("200 CNY".parse(), Ok(Money { micros: 200_000_000, currency: Currency::Cny }));
        assert_eq!("12.5 USD".parse(), Ok(Money { micros: 12_500_000, currency: Currency::Usd }));
        for bad in ["", "200", "200CNY", "-1 CNY", "1.2345678 USD", "1 EUR", ". USD", "9999999999999 USD"] {
            assert!(bad.parse::<Money>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn money_prints_with_six_decimals_and_its_currency() {
        assert_eq!(Money { micros: -1_250_000, currency: Currency::Cny }.to_string(), "-1.250000 CNY");
    }
}

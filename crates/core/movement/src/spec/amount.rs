//! Spans of time and amounts of money as people write them.

use banjia_types::{Currency, Money};
use std::time::Duration;

/// The longest span that a move may speak of.
const SPAN_MAX: Duration = Duration::from_hours(24 * 366);
/// The largest amount, in whole units of a currency.
const UNITS_MAX: i64 = 1_000_000_000_000;

/// Reads `90s`, `30m`, `2h` or `7d`.
pub(super) fn span(text: &str) -> Option<Duration> {
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let (unit, seconds) = units.into_iter().find(|(unit, _)| text.ends_with(*unit))?;
    let count: u64 = digits(text.strip_suffix(unit)?)?.parse().ok()?;
    Some(Duration::from_secs(count.checked_mul(seconds)?)).filter(|span| *span <= SPAN_MAX)
}

/// Reads `200 CNY` or `12.50 USD`.
pub(super) fn money(text: &str) -> Option<Money> {
    let (amount, code) = text.split_once(' ')?;
    let currency = [Currency::Cny, Currency::Usd].into_iter().find(|currency| currency.as_str() == code)?;
    let (whole, part) = amount.split_once('.').unwrap_or((amount, "0"));
    let whole: i64 = digits(whole)?.parse().ok().filter(|units| *units <= UNITS_MAX)?;
    let part: i64 = format!("{:0<6}", digits(part).filter(|part| part.len() <= 6)?).parse().ok()?;
    Some(Money { micros: whole * 1_000_000 + part, currency })
}

fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_amounts_are_read_and_slips_are_not() {
        assert_eq!(span("90s"), Some(Duration::from_secs(90)));
        assert_eq!(span("7d"), Some(Duration::from_hours(168)));
        assert_eq!(money("200 CNY"), Some(Money { micros: 200_000_000, currency: Currency::Cny }));
        assert_eq!(money("12.5 USD"), Some(Money { micros: 12_500_000, currency: Currency::Usd }));
        for bad in ["", "m", "-5m", "1.5h", "5 m", "99999d", "18446744073709551615d", "5分"] {
            assert_eq!(span(bad), None, "{bad:?}");
        }
        for bad in ["", "200", "200CNY", "-1 CNY", "1.2345678 USD", "1 EUR", ". USD", "9999999999999 USD"] {
            assert_eq!(money(bad), None, "{bad:?}");
        }
    }
}

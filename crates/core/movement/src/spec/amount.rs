//! Durations as people write them.

use std::time::Duration;

/// The longest duration that a move may contain.
const SPAN_MAX: Duration = Duration::from_hours(24 * 366);

/// Reads `90s`, `30m`, `2h` or `7d`.
pub fn span(text: &str) -> Option<Duration> {
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let (unit, seconds) = units.into_iter().find(|(unit, _)| text.ends_with(*unit))?;
    let count: u64 = digits(text.strip_suffix(unit)?)?.parse().ok()?;
    Some(Duration::from_secs(count.checked_mul(seconds)?)).filter(|span| *span <= SPAN_MAX)
}

fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_mistakes_are_refused() {
        assert_eq!(span("90s"), Some(Duration::from_secs(90)));
        assert_eq!(span("7d"), Some(Duration::from_hours(168)));
        for bad in ["", "m", "-5m", "1.5h", "5 m", "99999d", "18446744073709551615d", "5分"] {
            assert_eq!(span(bad), None, "{bad:?}");
        }
    }
}

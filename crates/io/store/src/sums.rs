//! Sums that never fail.
//!
//! Rules:
//! - SQLite's `SUM` ends in an error when it leaves 64 bits, and adding two columns first turns
//!   them into a float. One row with 2^63 - 1 tokens would take every total with it, so no
//!   statement sums a stored number directly.
//! - A sum is made of two: of the upper and of the lower 32 bits. Both fit for 2^31 rows. They are
//!   joined in 128 bits.
//! - What does not fit into the result ends at the largest number, which every reader shows as it
//!   is.

use banjia_types::Usage;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

/// The two columns of a sum: `wide_sum!("cost_micros")`. Without rows, or with nothing but nulls,
/// both are 0.
macro_rules! wide_sum {
    ($number:literal) => {
        concat!("COALESCE(SUM(", $number, " >> 32), 0), COALESCE(SUM(", $number, " & 4294967295), 0)")
    };
}
pub(crate) use wide_sum;

/// Reads the columns of one [`wide_sum`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WideSum {
    upper: i64,
    lower: i64,
}

impl WideSum {
    pub(crate) const fn new(upper: i64, lower: i64) -> Self {
        Self { upper, lower }
    }

    /// Reads the sum whose two columns begin at `column`.
    pub(crate) fn at(row: &SqliteRow, column: usize) -> Result<Self, sqlx::Error> {
        Ok(Self { upper: row.try_get(column)?, lower: row.try_get(column + 1)? })
    }

    fn joined(self) -> i128 {
        (i128::from(self.upper) << 32) + i128::from(self.lower)
    }

    /// The sum, or the nearest number that fits.
    pub(crate) fn signed(self) -> i64 {
        let sum = self.joined();
        i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
    }

    /// The sum of numbers that are never negative, or the nearest number that fits.
    pub(crate) fn count(self) -> u64 {
        let sum = self.joined();
        u64::try_from(sum).unwrap_or(if sum < 0 { 0 } else { u64::MAX })
    }
}

/// A stored number that is never negative. One that is was not written by us, and counts nothing.
pub(crate) fn count(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

/// The stored counts of one request; `None` if the vendor reported none, or more than a request can
/// have used: older versions stored every count as it was reported.
pub(crate) fn usage(
    prompt: Option<i64>,
    completion: Option<i64>,
    cached: Option<i64>,
    reasoning: Option<i64>,
) -> Option<Usage> {
    let number = |stored: Option<i64>| u64::try_from(stored.unwrap_or(0)).unwrap_or(u64::MAX);
    let usage = Usage {
        prompt: number(prompt),
        completion: number(completion),
        cached: number(cached),
        reasoning: number(reasoning),
    };
    (prompt.is_some() && usage.is_plausible()).then_some(usage)
}

/// SQL condition: the cost of a row is known. It is not if it was computed from counts that cannot
/// be true (as in [`usage`]).
macro_rules! has_plausible_usage {
    () => {
        "(COALESCE(prompt_tokens, 0) BETWEEN 0 AND 5120000000 AND COALESCE(completion_tokens, 0) BETWEEN 0 AND 5120000000)"
    };
}
pub(crate) use has_plausible_usage;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Location, Store};

    #[test]
    fn the_statement_and_the_type_have_one_bound() {
        let bound = format!("AND {}", Usage::REQUEST_TOKENS_MAX);
        assert_eq!(has_plausible_usage!().matches(&bound).count(), 2);
    }

    #[tokio::test]
    async fn sums_are_exact_as_long_as_they_fit() {
        const SQL: &str = concat!("SELECT ", wide_sum!("value"), " FROM json_each($1)");
        let store = Store::open(&Location::Temporary).await.unwrap();
        for numbers in [
            vec![],
            vec![0],
            vec![-1],
            vec![1, -1, 7],
            vec![i64::MAX],
            vec![i64::MAX, -1],
            vec![i64::MIN, i64::MAX],
            vec![4_294_967_295, 4_294_967_296, -4_294_967_296],
            vec![i64::MAX; 9],
            vec![i64::MIN; 9],
        ] {
            let row =
                sqlx::query(SQL).bind(serde_json::to_string(&numbers).unwrap()).fetch_one(&store.read).await.unwrap();
            let sum = WideSum::at(&row, 0).unwrap();
            let exact: i128 = numbers.iter().map(|number| i128::from(*number)).sum();
            assert_eq!(i128::from(sum.signed()), exact.clamp(i64::MIN.into(), i64::MAX.into()), "{numbers:?}");
            assert_eq!(i128::from(sum.count()), exact.clamp(0, u64::MAX.into()), "{numbers:?}");
        }
    }
}

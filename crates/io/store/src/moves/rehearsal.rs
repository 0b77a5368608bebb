//! What the ledger says of a drill: the requests of a route by why they went where they went.

use crate::query::{Latency, Period, Spread};
use crate::unreadable::readable;
use crate::{Store, StoreError, rows};
use banjia_types::{Outcome, RouteName, Target};
use std::time::Duration;

/// Requests of one reason that one target ended in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonCount {
    /// The last target that was tried.
    pub target: Option<Target>,
    /// How they ended.
    pub outcome: Outcome,
    /// How many.
    pub requests: u64,
}

impl Store {
    /// The requests of a route in a period that have this reason, by target and outcome.
    pub async fn count_by_reason(
        &self,
        route: &RouteName,
        reason: &str,
        period: Period,
    ) -> Result<Vec<ReasonCount>, StoreError> {
        const SQL: &str = "SELECT vendor, model, outcome, COUNT(*) FROM ledger WHERE route = $1 AND reason = $2 \
             AND accepted_at >= $3 AND accepted_at < $4 GROUP BY vendor, model, outcome ORDER BY vendor, model, outcome";
        let found: Vec<(Option<String>, Option<String>, String, i64)> = sqlx::query_as(SQL)
            .bind(route.as_str())
            .bind(reason)
            .bind(period.from.0)
            .bind(period.to.0)
            .fetch_all(&self.read)
            .await
            .map_err(StoreError::sql("count requests by their reason"))?;
        let count = |(vendor, model, outcome, requests): (Option<String>, Option<String>, String, i64)| {
            let (target, outcome) = (rows::target(vendor, model), rows::outcome(&outcome)?);
            Ok(ReasonCount { target, outcome, requests: requests.cast_unsigned() })
        };
        Ok(readable("ends of requests of a rehearsal", found.into_iter().map(count)))
    }

    /// Times of a route's answers in a period: of those with this reason, and of the others.
    pub async fn latency_by_reason(
        &self,
        route: &RouteName,
        reason: &str,
        period: Period,
    ) -> Result<(Latency, Latency), StoreError> {
        const SQL: &str = "WITH told AS (SELECT COALESCE(reason = $2, 0) AS is_its, first_content_ms, \
              CAST(ended_at - accepted_at AS INTEGER) AS total_ms FROM ledger WHERE route = $1 AND outcome = 'answered' \
              AND accepted_at >= $3 AND accepted_at < $4), \
             span AS (SELECT is_its, 0 AS whole, first_content_ms AS ms FROM told WHERE first_content_ms IS NOT NULL \
              UNION ALL SELECT is_its, 1, total_ms FROM told), \
             ranked AS (SELECT is_its, whole, ms, ROW_NUMBER() OVER (PARTITION BY is_its, whole ORDER BY ms) AS place, \
              COUNT(*) OVER (PARTITION BY is_its, whole) AS n FROM span) \
             SELECT is_its, whole, n, MAX(ms) FILTER (WHERE place = (n * 50 + 99) / 100), \
             MAX(ms) FILTER (WHERE place = (n * 95 + 99) / 100), MAX(ms) FILTER (WHERE place = (n * 99 + 99) / 100), \
             MAX(ms) FROM ranked GROUP BY is_its, whole, n";
        let found: Vec<(bool, bool, i64, i64, i64, i64, i64)> = sqlx::query_as(SQL)
            .bind(route.as_str())
            .bind(reason)
            .bind(period.from.0)
            .bind(period.to.0)
            .fetch_all(&self.read)
            .await
            .map_err(StoreError::sql("rank the times of answers by their reason"))?;
        let (mut its, mut others) = (Latency::default(), Latency::default());
        for (is_its, is_whole, n, p50, p95, p99, max) in found {
            let ms = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
            let (p50, p95, p99, max) = (ms(p50), ms(p95), ms(p99), ms(max));
            let of = if is_its { &mut its } else { &mut others };
            let place = if is_whole { &mut of.total } else { &mut of.first_content };
            *place = Spread { count: n.cast_unsigned(), p50, p95, p99, max };
        }
        Ok((its, others))
    }
}

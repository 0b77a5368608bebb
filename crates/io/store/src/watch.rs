//! How the targets of a route do: over callers' requests, and over those that no caller saw.
//!
//! Rules: a target that failed a request counts as failing even when another one answered it
//! afterwards; a target that answered after a retry does not; what the request itself was to blame
//! for (a bad request, forbidden content) is no failure of the target. Times are those of whole
//! answers only, by nearest rank: copies that nobody waits for are not streamed, so the time to the
//! first content could not be compared.

use crate::query::Period;
use crate::sums::{count, has_plausible_usage, wide_sum};
use crate::{Row, Store, StoreError, rows};
use banjia_types::{Money, RouteName, Target};
use sqlx::sqlite::SqliteConnection;

/// One target over a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetStats {
    /// Which.
    pub target: Target,
    /// Requests that it was asked, on every leg.
    pub requests: u64,
    /// Of these, those that it failed.
    pub errors: u64,
    /// The 95th percentile of the time to the end of an answer, in milliseconds; none without an
    /// answer.
    pub total_p95_ms: Option<u64>,
}

/// Writes which targets failed the requests of a batch.
pub(crate) async fn insert_failures(batch: &[Row], into: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    const SQL: &str = "INSERT INTO target_failure (accepted_at, request_id, place, route, vendor, model, class) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
    for row in batch {
        for (place, (target, class)) in (0_i64..).zip(&row.failures) {
            sqlx::query(SQL)
                .bind(row.accepted_at.0)
                .bind(row.request_id.to_string())
                .bind(place)
                .bind(row.route.as_ref().map(RouteName::as_str))
                .bind(target.vendor.as_str())
                .bind(target.model.as_str())
                .bind(class.as_str())
                .execute(&mut *into)
                .await?;
        }
    }
    Ok(())
}

impl Store {
    /// How each target of a route did in a period, in the order of their names.
    pub async fn watch(&self, route: &RouteName, period: Period) -> Result<Vec<TargetStats>, StoreError> {
        // One line for each target that a request was asked at: the one that ended it, and those
        // that failed before.
        const SQL: &str = "WITH ended AS (SELECT accepted_at, request_id, vendor, model, outcome, \
              class NOT IN ('bad_request', 'content') AS is_its_fault, CAST(ended_at - accepted_at AS INTEGER) AS ms FROM ledger \
              WHERE route = $1 AND accepted_at >= $2 AND accepted_at < $3 AND vendor IS NOT NULL), \
             asked AS ( \
              SELECT vendor, model, outcome IN ('refused', 'failed') AND COALESCE(is_its_fault, 0) AS is_error, \
               CASE outcome WHEN 'answered' THEN ms END AS ms FROM ended \
              UNION ALL SELECT DISTINCT f.vendor, f.model, 1, NULL FROM target_failure AS f \
               JOIN ended AS e ON e.accepted_at = f.accepted_at AND e.request_id = f.request_id \
               WHERE f.route = $1 AND f.accepted_at >= $2 AND f.accepted_at < $3 \
               AND f.class NOT IN ('bad_request', 'content') AND (f.vendor <> e.vendor OR f.model <> e.model) \
              UNION ALL SELECT vendor, model, outcome <> 'answered' AND COALESCE(class NOT IN ('bad_request', 'content'), 1), \
               CASE outcome WHEN 'answered' THEN CAST(total_ms AS INTEGER) END FROM capture \
               WHERE route = $1 AND accepted_at >= $2 AND accepted_at < $3 AND leg <> 'live'), \
             ranked AS (SELECT vendor, model, is_error, ms, \
              ROW_NUMBER() OVER (PARTITION BY vendor, model ORDER BY ms NULLS LAST) AS place, \
              COUNT(ms) OVER (PARTITION BY vendor, model) AS timed FROM asked) \
             SELECT vendor, model, COUNT(*), SUM(is_error), MAX(ms) FILTER (WHERE place = (timed * 95 + 99) / 100) \
             FROM ranked GROUP BY vendor, model ORDER BY vendor, model";
        let found: Vec<(String, String, i64, i64, Option<i64>)> = sqlx::query_as(SQL)
            .bind(route.as_str())
            .bind(period.from.0)
            .bind(period.to.0)
            .fetch_all(&self.read)
            .await
            .map_err(StoreError::sql("see how targets do"))?;
        let watched = |(vendor, model, requests, errors, p95): (String, String, i64, i64, Option<i64>)| TargetStats {
            target: Target { vendor: vendor.into(), model: model.into() },
            requests: requests.cast_unsigned(),
            errors: errors.cast_unsigned(),
            total_p95_ms: p95.map(count),
        };
        Ok(found.into_iter().map(watched).collect())
    }

    /// Returns the cost of targets on a route in a period, on every leg or only on those that no
    /// caller saw, in each currency.
    pub async fn spent(
        &self,
        route: &RouteName,
        target: &Target,
        period: Period,
        with_callers: bool,
    ) -> Result<Vec<Money>, StoreError> {
        const SQL: &str = concat!(
            "SELECT currency, ",
            wide_sum!("micros"),
            " FROM ( \
              SELECT currency, cost_micros AS micros FROM ledger WHERE route = $1 AND vendor = $2 AND model = $3 \
               AND accepted_at >= $4 AND accepted_at < $5 AND currency IS NOT NULL AND $6 AND ",
            has_plausible_usage!(),
            " UNION ALL SELECT currency, cost_micros FROM capture WHERE route = $1 AND vendor = $2 AND model = $3 \
               AND accepted_at >= $4 AND accepted_at < $5 AND currency IS NOT NULL AND leg <> 'live' AND ",
            has_plausible_usage!(),
            ") \
             GROUP BY currency ORDER BY currency"
        );
        let found: Vec<(String, i64, i64)> = sqlx::query_as(SQL)
            .bind(route.as_str())
            .bind(target.vendor.as_str())
            .bind(target.model.as_str())
            .bind(period.from.0)
            .bind(period.to.0)
            .bind(with_callers)
            .fetch_all(&self.read)
            .await
            .map_err(StoreError::sql("add up what a target cost"))?;
        Ok(rows::amounts("costs of a target", found))
    }
}

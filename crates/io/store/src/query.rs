//! Questions to the ledger.
//!
//! Rules: readers never hold the writer up; a period is half open; percentiles are nearest rank, so
//! each is a time that really happened. What is still in the writer's queue is not seen: flush
//! first when that matters. No number and no row, whatever it holds, makes a question fail: sums
//! are wide, and rows that cannot be read are left out and counted.

use crate::rows::{self, level, target};
use crate::sums::{WideSum, has_plausible_usage, wide_sum};
use crate::unreadable::{LeftOut, readable};
use crate::{Row, Store, StoreError};
use banjia_types::{LossLevel, Money, RequestId, Tally, Target, Timestamp, Usage};
use sqlx::Row as _;
use std::time::Duration;

const MINUTE_MS: i64 = 60_000;

/// From a moment (included) to another (not included).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

impl Period {
    /// All of time.
    pub const ALWAYS: Self = Self { from: Timestamp(0), to: Timestamp(i64::MAX - MINUTE_MS) };

    /// The whole minutes that the period touches.
    fn minutes(self) -> (i64, i64) {
        let to = self.to.0.saturating_add(MINUTE_MS - 1);
        (self.from.0 - self.from.0.rem_euclid(MINUTE_MS), to - to.rem_euclid(MINUTE_MS))
    }
}

/// Sums of one target. `target` is `None` for requests that never reached one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSum {
    /// The target.
    pub target: Option<Target>,
    /// Ends by outcome; `accepted` is their sum here, since acceptances know no target.
    pub tally: Tally,
    /// Requests sent to vendors, the retries included.
    pub attempts: u64,
    /// Tokens that vendors counted.
    pub usage: Usage,
}

/// How often a parameter was lost on a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LossCount {
    /// The target.
    pub target: Option<Target>,
    /// The parameter, as the client named it.
    pub param: String,
    /// How much of it was lost.
    pub level: LossLevel,
    /// In how many requests.
    pub requests: u64,
}

/// Times of one target, over answered requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// The target.
    pub target: Option<Target>,
    /// From acceptance to the first content.
    pub first_content: Spread,
    /// From acceptance to the end.
    pub total: Spread,
}

/// Percentiles of some times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// How many times there are.
    pub count: u64,
    /// Half are at most this.
    pub p50: Duration,
    /// 95 of 100 are at most this.
    pub p95: Duration,
    /// 99 of 100 are at most this.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// A process that ended without closing the ledger: what it had accepted and not written is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// When that process began to write.
    pub started_at: Timestamp,
    /// When it wrote last: the gap begins here.
    pub last_flush_at: Timestamp,
    /// When the next start found it: the gap ends here at the latest.
    pub found_at: Timestamp,
    /// Requests that were open at the last write. Those accepted after it are unknown.
    pub open_requests: u64,
    /// Since when its writes had failed, so that the database has nothing of what was accepted from
    /// then on. `None` if they had not, as far as is known.
    pub writes_failed_at: Option<Timestamp>,
    /// Accepted requests that were in memory only and are lost, as of the last note of that
    /// process.
    pub unwritten_requests: u64,
}

impl Store {
    /// Acceptances and ends by the minute of acceptance, for the whole minutes that the period
    /// touches. A minute whose [`Tally::missing`] is not zero has open requests, or lost some.
    pub async fn tally(&self, period: Period) -> Result<Vec<(Timestamp, Tally)>, StoreError> {
        const SQL: &str = concat!(
            "SELECT minute, ",
            wide_sum!("accepted"),
            ", ",
            wide_sum!("answered"),
            ", ",
            wide_sum!("refused"),
            ", ",
            wide_sum!("failed"),
            ", ",
            wide_sum!("abandoned"),
            " FROM ( SELECT minute, requests AS accepted, 0 AS answered, 0 AS refused, 0 AS failed, 0 AS abandoned \
            FROM accepted WHERE minute >= $1 AND minute < $2 \
            UNION ALL SELECT accepted_at - accepted_at % 60000, 0, \
            COUNT(*) FILTER (WHERE outcome = 'answered'), COUNT(*) FILTER (WHERE outcome = 'refused'), \
            COUNT(*) FILTER (WHERE outcome = 'failed'), COUNT(*) FILTER (WHERE outcome = 'abandoned') \
            FROM ledger WHERE accepted_at >= $1 AND accepted_at < $2 GROUP BY 1 \
            ) AS books GROUP BY minute ORDER BY minute"
        );
        let (from, to) = period.minutes();
        let failed = || StoreError::sql("add up the ledger by minute");
        let rows = sqlx::query(SQL).bind(from).bind(to).fetch_all(&self.read).await.map_err(failed())?;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<(Timestamp, Tally), sqlx::Error> {
            let sum = |place| Ok::<_, sqlx::Error>(WideSum::at(row, place)?.count());
            Ok((Timestamp(row.try_get(0)?), tally([sum(1)?, sum(3)?, sum(5)?, sum(7)?, sum(9)?])))
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())
    }

    /// Sums by target, the most used first.
    pub async fn by_target(&self, period: Period) -> Result<Vec<TargetSum>, StoreError> {
        const SQL: &str = concat!(
            "SELECT vendor, model, COUNT(*) AS ends, \
            COUNT(*) FILTER (WHERE outcome = 'answered'), COUNT(*) FILTER (WHERE outcome = 'refused'), \
            COUNT(*) FILTER (WHERE outcome = 'failed'), COUNT(*) FILTER (WHERE outcome = 'abandoned'), \
            ",
            wide_sum!("attempts"),
            ", ",
            wide_sum!("prompt_tokens"),
            ", ",
            wide_sum!("completion_tokens"),
            ", ",
            wide_sum!("cached_tokens"),
            ", ",
            wide_sum!("reasoning_tokens"),
            " FROM ledger WHERE accepted_at >= $1 AND accepted_at < $2 \
            GROUP BY vendor, model ORDER BY ends DESC, vendor, model"
        );
        let failed = || StoreError::sql("add up the ledger by target");
        let rows =
            sqlx::query(SQL).bind(period.from.0).bind(period.to.0).fetch_all(&self.read).await.map_err(failed())?;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<TargetSum, sqlx::Error> {
            let count = |place: usize| row.try_get::<i64, _>(place).map(i64::cast_unsigned);
            let sum = |place| Ok::<_, sqlx::Error>(WideSum::at(row, place)?.count());
            Ok(TargetSum {
                target: target(row.try_get(0)?, row.try_get(1)?),
                tally: tally([count(2)?, count(3)?, count(4)?, count(5)?, count(6)?]),
                attempts: sum(7)?,
                usage: Usage { prompt: sum(9)?, completion: sum(11)?, cached: sum(13)?, reasoning: sum(15)? },
            })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())
    }

    /// What was lost on which target, and how often.
    pub async fn losses(&self, period: Period) -> Result<Vec<LossCount>, StoreError> {
        type Counts = (Option<String>, Option<String>, String, String, i64);
        const SQL: &str = "SELECT vendor, model, COALESCE(loss.value ->> 'param', '') AS param, \
            COALESCE(loss.value ->> 'level', '') AS level, COUNT(*) AS requests \
            FROM ledger, json_each(CASE WHEN json_valid(ledger.losses) THEN ledger.losses ELSE '[]' END) AS loss \
            WHERE loss.type = 'object' AND accepted_at >= $1 AND accepted_at < $2 \
            GROUP BY vendor, model, param, level ORDER BY vendor, model, requests DESC, param, level";
        let rows: Vec<Counts> = sqlx::query_as(SQL)
            .bind(period.from.0)
            .bind(period.to.0)
            .fetch_all(&self.read)
            .await
            .map_err(StoreError::sql("count the losses"))?;
        let read = |(vendor, model, param, name, requests): Counts| {
            let (target, level) = (target(vendor, model), level(&name)?);
            Ok(LossCount { target, param, level, requests: requests.cast_unsigned() })
        };
        Ok(readable("losses in the ledger", rows.into_iter().map(read)))
    }

    /// Times by target, over answered requests.
    pub async fn latency(&self, period: Period) -> Result<Vec<Latency>, StoreError> {
        type Times = (Option<String>, Option<String>, i64, i64, i64, i64, i64, i64);
        const SQL: &str = "WITH span AS ( \
            SELECT vendor, model, 0 AS whole, CAST(first_content_ms AS INTEGER) AS ms FROM ledger WHERE outcome = 'answered' \
            AND first_content_ms IS NOT NULL AND accepted_at >= $1 AND accepted_at < $2 \
            UNION ALL SELECT vendor, model, 1, CAST(ended_at - accepted_at AS INTEGER) FROM ledger WHERE outcome = 'answered' \
            AND accepted_at >= $1 AND accepted_at < $2 \
            ), ranked AS ( \
            SELECT vendor, model, whole, ms, ROW_NUMBER() OVER (PARTITION BY vendor, model, whole ORDER BY ms) AS place, \
            COUNT(*) OVER (PARTITION BY vendor, model, whole) AS n FROM span) \
            SELECT vendor, model, whole, n, MAX(ms) FILTER (WHERE place = (n * 50 + 99) / 100), \
            MAX(ms) FILTER (WHERE place = (n * 95 + 99) / 100), MAX(ms) FILTER (WHERE place = (n * 99 + 99) / 100), \
            MAX(ms) FROM ranked GROUP BY vendor, model, whole, n ORDER BY vendor, model, whole";
        let rows: Vec<Times> = sqlx::query_as(SQL)
            .bind(period.from.0)
            .bind(period.to.0)
            .fetch_all(&self.read)
            .await
            .map_err(StoreError::sql("rank the times of answers"))?;
        let mut all: Vec<Latency> = Vec::new();
        for (vendor, model, whole, n, p50, p95, p99, max) in rows {
            let target = target(vendor, model);
            if all.last().is_none_or(|last| last.target != target) {
                all.push(Latency { target, ..Latency::default() });
            }
            let ms = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
            let count = n.cast_unsigned();
            let spread = Spread { count, p50: ms(p50), p95: ms(p95), p99: ms(p99), max: ms(max) };
            if let Some(last) = all.last_mut() {
                *(if whole == 1 { &mut last.total } else { &mut last.first_content }) = spread;
            }
        }
        Ok(all)
    }

    /// What was spent, one sum for each currency.
    pub async fn costs(&self, period: Period) -> Result<Vec<Money>, StoreError> {
        const SQL: &str = concat!(
            "SELECT currency, ",
            wide_sum!("cost_micros"),
            " FROM ledger WHERE currency IS NOT NULL AND ",
            has_plausible_usage!(),
            " AND accepted_at >= $1 AND accepted_at < $2 GROUP BY currency ORDER BY currency"
        );
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(SQL)
            .bind(period.from.0)
            .bind(period.to.0)
            .fetch_all(&self.read)
            .await
            .map_err(StoreError::sql("add up the costs"))?;
        Ok(rows::amounts("costs in the ledger", rows))
    }

    /// Processes that ended without closing the ledger, oldest first.
    pub async fn gaps(&self) -> Result<Vec<Gap>, StoreError> {
        const SQL: &str = "SELECT started_at, last_flush_at, found_at, open_requests, writes_failed_at, \
             COALESCE(unwritten_requests, 0) FROM gap ORDER BY started_at";
        let rows: Vec<(i64, i64, i64, i64, Option<i64>, i64)> =
            sqlx::query_as(SQL).fetch_all(&self.read).await.map_err(StoreError::sql("read the gaps"))?;
        let gap = |(started_at, last_flush_at, found_at, open, failed_at, unwritten): (
            i64,
            i64,
            i64,
            i64,
            Option<i64>,
            i64,
        )| Gap {
            started_at: Timestamp(started_at),
            last_flush_at: Timestamp(last_flush_at),
            found_at: Timestamp(found_at),
            open_requests: open.cast_unsigned(),
            writes_failed_at: failed_at.map(Timestamp),
            unwritten_requests: unwritten.cast_unsigned(),
        };
        Ok(rows.into_iter().map(gap).collect())
    }

    /// Rows of a period after the last one that was seen, oldest first: whoever reads all of them
    /// holds one page. Rows that cannot be read are left out; a page without a row is the end.
    pub async fn rows_after(
        &self,
        period: Period,
        after: Option<(Timestamp, RequestId)>,
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        const SQL: &str = "SELECT * FROM ledger WHERE accepted_at >= MAX($1, $3) AND accepted_at < $2 \
            AND (accepted_at, request_id) > ($3, $4) ORDER BY accepted_at, request_id LIMIT $5";
        let failed = || StoreError::sql("read the rows of a period");
        let (mut at, mut id) = after.map_or((i64::MIN, String::new()), |(at, id)| (at.0, id.to_string()));
        let mut left_out = LeftOut::default();
        loop {
            let found = sqlx::query(SQL)
                .bind(period.from.0)
                .bind(period.to.0)
                .bind(at)
                .bind(&id)
                .bind(i64::from(limit))
                .fetch_all(&self.read)
                .await
                .map_err(failed())?;
            let read = |row| rows::from_database(row).map_err(|error| left_out.add(error)).ok();
            let page: Vec<Row> = found.iter().filter_map(read).collect();
            // A page of nothing but unreadable rows must not be taken for the end.
            let Some(last) = found.last().filter(|_| page.is_empty()) else {
                left_out.note("rows of the ledger");
                return Ok(page);
            };
            at = last.try_get("accepted_at").map_err(failed())?;
            id = last.try_get("request_id").map_err(failed())?;
        }
    }

    /// Returns the row of a request, with the targets that failed it; `None` if there is none.
    ///
    /// The ledger is in the order of time, and the id holds the time of arrival: a request is
    /// looked for among those that were accepted within an hour of it.
    pub async fn request(&self, id: RequestId) -> Result<Option<Row>, StoreError> {
        const ROW: &str =
            "SELECT * FROM ledger WHERE accepted_at BETWEEN $1 - 3600000 AND $1 + 3600000 AND request_id = $2";
        const FAILURES: &str = "SELECT vendor, model, class FROM target_failure \
             WHERE accepted_at = $1 AND request_id = $2 ORDER BY place";
        let failed = || StoreError::sql("read a request");
        let Some(arrival) = id.arrived_at() else { return Ok(None) };
        let found = sqlx::query(ROW).bind(arrival.0).bind(id.to_string()).fetch_optional(&self.read).await;
        let Some(found) = found.map_err(failed())? else { return Ok(None) };
        let mut row = rows::from_database(&found)?;
        let failures: Vec<(String, String, String)> = sqlx::query_as(FAILURES)
            .bind(row.accepted_at.0)
            .bind(id.to_string())
            .fetch_all(&self.read)
            .await
            .map_err(failed())?;
        for (vendor, model, class) in failures {
            row.failures.push((Target { vendor: vendor.into(), model: model.into() }, rows::class(&class)?));
        }
        Ok(Some(row))
    }

    /// The rows accepted last, newest first.
    pub async fn last_rows(&self, rows_max: u32) -> Result<Vec<Row>, StoreError> {
        let found = sqlx::query(rows::LAST)
            .bind(i64::from(rows_max))
            .fetch_all(&self.read)
            .await
            .map_err(StoreError::sql("read the last rows"))?;
        Ok(readable("rows of the ledger", found.iter().map(rows::from_database)))
    }
}

const fn tally([accepted, answered, refused, failed, abandoned]: [u64; 5]) -> Tally {
    Tally { accepted, answered, refused, failed, abandoned }
}

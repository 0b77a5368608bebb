//! Recorded traffic by account and place: what a dry run, the affected and the last callers are
//! read from.

use crate::query::Period;
use crate::sums::{WideSum, wide_sum};
use crate::{Store, StoreError};
use banjia_types::{AccountId, Country, KeyId, Place, Timestamp};
use sqlx::Row as _;

/// The first column of the sums of tokens in the statement of [`Store::traffic`].
const TOKENS_AT: usize = 11;

/// Requests of one key from one place on one day (UTC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficRow {
    /// The account.
    pub account: Option<AccountId>,
    /// The key.
    pub key: Option<KeyId>,
    /// The network's place; none where it was not known or not looked at.
    pub network: Option<Place>,
    /// What the second witness said when it said something else.
    pub network_differs: Option<Country>,
    /// The autonomous system.
    pub asn: Option<u32>,
    /// The day's first moment.
    pub day: Timestamp,
    /// Requests.
    pub requests: u64,
    /// Of these, refused by the border.
    pub refused: u64,
    /// Tokens, as far as vendors told.
    pub tokens: u64,
    /// The first request.
    pub first: Timestamp,
    /// The last request.
    pub last: Timestamp,
    /// One of the requests, to look at.
    pub sample: String,
}

impl Store {
    /// From which network's place a request came, by its row in the ledger; none where there is no
    /// such row (imported captures), or where the place was not known or not looked at. `id` as
    /// captures have it. What is still in the writer's queue is not seen.
    pub async fn network_of(&self, accepted_at: Timestamp, id: &str) -> Result<Option<Place>, StoreError> {
        const SQL: &str = "SELECT network FROM ledger WHERE accepted_at = $1 AND request_id = $2";
        let found: Option<Option<String>> = sqlx::query_scalar(SQL)
            .bind(accepted_at.0)
            .bind(id)
            .fetch_optional(&self.read)
            .await
            .map_err(StoreError::sql("look up where a request came from"))?;
        Ok(found.flatten().and_then(|place| place.parse().ok()))
    }

    /// The ledger's requests in a period, added up. What is still in the writer's queue is not
    /// seen.
    pub async fn traffic(&self, period: Period) -> Result<Vec<TrafficRow>, StoreError> {
        const SQL: &str = concat!(
            "SELECT account, api_key, network, network_differs, asn, \
             accepted_at - accepted_at % 86400000 AS day, COUNT(*) AS requests, \
             COUNT(*) FILTER (WHERE verdict IN ('brownout', 'block')) AS refused, \
             MIN(accepted_at) AS first, MAX(accepted_at) AS last, MAX(request_id) AS sample, ",
            wide_sum!("prompt_tokens"),
            ", ",
            wide_sum!("completion_tokens"),
            " \
             FROM ledger WHERE accepted_at >= $1 AND accepted_at < $2 \
             GROUP BY account, api_key, network, network_differs, asn, day ORDER BY day, account, network"
        );
        let failed = || StoreError::sql("add up the traffic");
        let rows =
            sqlx::query(SQL).bind(period.from.0).bind(period.to.0).fetch_all(&self.read).await.map_err(failed())?;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<TrafficRow, sqlx::Error> {
            let count = |name: &str| row.try_get::<i64, _>(name).map(i64::cast_unsigned);
            let sum = |place| Ok::<_, sqlx::Error>(WideSum::at(row, place)?.count());
            let text = |name: &str| row.try_get::<Option<String>, _>(name);
            Ok(TrafficRow {
                account: text("account")?.map(Into::into),
                key: text("api_key")?.map(Into::into),
                network: text("network")?.and_then(|place| place.parse().ok()),
                network_differs: text("network_differs")?.and_then(|code| code.parse().ok()),
                asn: row.try_get::<Option<i64>, _>("asn")?.and_then(|asn| u32::try_from(asn).ok()),
                day: Timestamp(row.try_get("day")?),
                requests: count("requests")?,
                refused: count("refused")?,
                tokens: sum(TOKENS_AT)?.saturating_add(sum(TOKENS_AT + 2)?),
                first: Timestamp(row.try_get("first")?),
                last: Timestamp(row.try_get("last")?),
                sample: row.try_get("sample")?,
            })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())
    }
}

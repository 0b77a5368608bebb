//! Captures in the database: written in batches, read by pages.
//!
//! Rules: a leg that is already there is left as it is, so a batch may be written again when nobody knows whether it arrived;
//! a batch is there whole or not at all; texts are sealed before they are handed to the database; a page is bounded in rows
//! and in bytes, and whoever reads all of them never holds more than one.

use super::Capture;
use crate::query::Period;
use crate::rows::{class, currency, outcome, target};
use crate::{SealKey, Store, StoreError};
use banjia_types::{AccountId, ErrorClass, Leg, Money, RouteName, Target, Timestamp, Usage};
use futures_util::TryStreamExt as _;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row as _, Sqlite};

/// A page ends after so many bytes of sealed texts, whatever its limit is.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most rows of one page.
const PAGE_ROWS_MAX: u32 = 10_000;

/// Which captures. What is left empty does not choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureFilter {
    /// Of these routes.
    pub routes: Vec<RouteName>,
    /// Of these legs.
    pub legs: Vec<Leg>,
    /// Of these requests.
    pub ids: Vec<String>,
    /// Answered by this target.
    pub target: Option<Target>,
    /// Of requests that were accepted in this period.
    pub period: Period,
}

impl Default for CaptureFilter {
    fn default() -> Self {
        Self { routes: Vec::new(), legs: Vec::new(), ids: Vec::new(), target: None, period: Period::ALWAYS }
    }
}

/// How far a reader has come. The default is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CaptureCursor(pub i64);

/// Some captures, in the order in which they were written.
#[derive(Clone, Debug, PartialEq)]
pub struct CapturePage {
    /// The captures.
    pub captures: Vec<Capture>,
    /// Where the next page begins; none after the last one.
    pub next: Option<CaptureCursor>,
}

/// That a leg is recorded, without its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureMark {
    /// The request.
    pub id: String,
    /// The leg.
    pub leg: Leg,
    /// Which of several of this leg.
    pub number: u32,
    /// Who answered.
    pub target: Target,
    /// What it cost.
    pub cost: Option<Money>,
}

/// What was captured of one leg of a route at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureSum {
    /// The route.
    pub route: RouteName,
    /// The leg.
    pub leg: Leg,
    /// Who answered.
    pub target: Target,
    /// How many.
    pub captures: u64,
    /// Of these, with an answer.
    pub answered: u64,
    /// Bytes of requests and answers.
    pub bytes: u64,
    /// Places that were redacted.
    pub redactions: u64,
    /// The first request.
    pub first: Timestamp,
    /// The last request.
    pub last: Timestamp,
}

impl Store {
    /// Writes captures, all or none; those that are already there stay as they are. Returns how many were new.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`], or a database that cannot be written.
    pub async fn write_captures(&self, captures: &[Capture], key: &SealKey) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        self.check_seal_in(key, &mut transaction).await?;
        let mut new = 0;
        for capture in captures {
            new += insert(capture, key, &mut transaction).await.map_err(StoreError::sql("write captures"))?;
        }
        transaction.commit().await.map_err(StoreError::sql("write captures"))?;
        Ok(new)
    }

    /// Up to `limit` captures after a cursor; fewer when they are large, so only [`CapturePage::next`] tells the end.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] for a text that the key does not open.
    pub async fn captures(
        &self,
        filter: &CaptureFilter,
        after: CaptureCursor,
        limit: u32,
        key: &SealKey,
    ) -> Result<CapturePage, StoreError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        // Which ones first: where they are not found in their order, only numbers are sorted and never their texts.
        let mut query = QueryBuilder::new("SELECT * FROM capture WHERE seq IN (SELECT seq FROM capture");
        conditions(&mut query, filter, "+accepted_at");
        query.push(" AND seq > ").push_bind(after.0).push(" ORDER BY seq LIMIT ").push_bind(i64::from(limit) + 1);
        query.push(") ORDER BY seq");
        let query = query.build();
        let mut rows = query.fetch(&self.read);
        let (mut captures, mut bytes, mut last) = (Vec::new(), 0, after);
        while let Some(row) = rows.try_next().await.map_err(StoreError::sql("read the captures"))? {
            if captures.len() == limit as usize || bytes >= PAGE_BYTES_MAX {
                return Ok(CapturePage { captures, next: Some(last) });
            }
            let (seq, size, capture) = from_database(&row, key)?;
            bytes += size;
            last = seq;
            captures.push(capture);
        }
        Ok(CapturePage { captures, next: None })
    }

    /// Which legs are recorded. Opens no text, so it needs no key and costs little.
    pub async fn capture_marks(&self, filter: &CaptureFilter) -> Result<Vec<CaptureMark>, StoreError> {
        let mut query = chosen("SELECT id, leg, number, vendor, model, cost_micros, currency FROM capture", filter);
        query.push(" ORDER BY seq");
        let rows = query.build().fetch_all(&self.read).await.map_err(StoreError::sql("see what is recorded"))?;
        let read = |row: &SqliteRow| -> Result<CaptureMark, StoreError> {
            Ok(CaptureMark {
                id: get(row, "id")?,
                leg: leg(&get::<String>(row, "leg")?)?,
                number: u32::try_from(get::<i64>(row, "number")?).unwrap_or(u32::MAX),
                target: Target {
                    vendor: get::<String>(row, "vendor")?.into(),
                    model: get::<String>(row, "model")?.into(),
                },
                cost: cost(row)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// How many captures there are.
    pub async fn count_captures(&self, filter: &CaptureFilter) -> Result<u64, StoreError> {
        let mut query = chosen("SELECT COUNT(*) FROM capture", filter);
        let found: (i64,) =
            query.build_query_as().fetch_one(&self.read).await.map_err(StoreError::sql("count the captures"))?;
        Ok(found.0.cast_unsigned())
    }

    /// What was captured, by route, leg and target.
    pub async fn capture_sums(&self, filter: &CaptureFilter) -> Result<Vec<CaptureSum>, StoreError> {
        const SUMS: &str = "SELECT route, leg, vendor, model, COUNT(*) AS captures, COUNT(answer) AS answered, \
             SUM(request_bytes + answer_bytes) AS bytes, SUM(redactions) AS redactions, \
             MIN(accepted_at) AS first, MAX(accepted_at) AS last FROM capture";
        let mut query = chosen(SUMS, filter);
        query.push(" GROUP BY route, leg, vendor, model ORDER BY route, leg, vendor, model");
        let rows = query.build().fetch_all(&self.read).await.map_err(StoreError::sql("add up the captures"))?;
        let read = |row: &SqliteRow| -> Result<CaptureSum, StoreError> {
            let count = |name: &str| get::<i64>(row, name).map(i64::cast_unsigned);
            Ok(CaptureSum {
                route: get::<String>(row, "route")?.into(),
                leg: leg(&get::<String>(row, "leg")?)?,
                target: Target {
                    vendor: get::<String>(row, "vendor")?.into(),
                    model: get::<String>(row, "model")?.into(),
                },
                captures: count("captures")?,
                answered: count("answered")?,
                bytes: count("bytes")?,
                redactions: count("redactions")?,
                first: Timestamp(get(row, "first")?),
                last: Timestamp(get(row, "last")?),
            })
        };
        rows.iter().map(read).collect()
    }

    /// Forgets captures of requests that were accepted before a moment. Returns how many there were.
    pub async fn delete_captures_before(&self, before: Timestamp) -> Result<u64, StoreError> {
        const SQL: &str = "DELETE FROM capture WHERE accepted_at < $1";
        let failed = StoreError::sql("forget captures");
        let mut transaction = self.begin().await?;
        let done = sqlx::query(SQL).bind(before.0).execute(&mut *transaction).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)?;
        Ok(done.rows_affected())
    }
}

/// The statement with its conditions; more may be added.
fn chosen(sql: &str, filter: &CaptureFilter) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(sql);
    conditions(&mut query, filter, if filter.ids.is_empty() { "accepted_at" } else { "+accepted_at" });
    query
}

/// The conditions. A plus before a column keeps its index out: few requests are found by their ids and not among all of a route or
/// a time, and a page goes on in the order of writing.
fn conditions(query: &mut QueryBuilder<Sqlite>, filter: &CaptureFilter, accepted_at: &str) {
    let CaptureFilter { routes, legs, ids, target, period } = filter;
    query.push(format!(" WHERE {accepted_at} >= ")).push_bind(period.from.0);
    query.push(format!(" AND {accepted_at} < ")).push_bind(period.to.0);
    let (route, leg) = if ids.is_empty() { ("route", "leg") } else { ("+route", "+leg") };
    any_of(query, route, routes.iter().map(RouteName::as_str).collect());
    any_of(query, leg, legs.iter().map(|leg| leg.as_str()).collect());
    any_of(query, "id", ids.iter().map(String::as_str).collect());
    if let Some(target) = target {
        query.push(" AND vendor = ").push_bind(target.vendor.as_str().to_owned());
        query.push(" AND model = ").push_bind(target.model.as_str().to_owned());
    }
}

/// One argument whatever the number of values, since statements may hold only so many.
fn any_of(query: &mut QueryBuilder<Sqlite>, column: &str, values: Vec<&str>) {
    if !values.is_empty() {
        query.push(format!(" AND {column} IN (SELECT value FROM json_each("));
        query.push_bind(Value::from(values).to_string()).push("))");
    }
}

async fn insert(capture: &Capture, key: &SealKey, into: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    const SQL: &str = "INSERT INTO capture (id, leg, number, accepted_at, account, route, vendor, model, endpoint, stream, \
         client, outcome, class, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost_micros, currency, \
         first_content_ms, total_ms, redactions, request_bytes, answer_bytes, request, answer) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
    let request = capture.request.to_string();
    let answer = capture.answer.as_ref().map(Value::to_string);
    let tokens =
        |of: fn(&Usage) -> u64| capture.usage.as_ref().map(|usage| i64::try_from(of(usage)).unwrap_or(i64::MAX));
    let bytes = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let place = |column| place(&capture.id, capture.leg, capture.number, &capture.target, column);
    let done = sqlx::query(SQL)
        .bind(&capture.id)
        .bind(capture.leg.as_str())
        .bind(i64::from(capture.number))
        .bind(capture.at.0)
        .bind(capture.account.as_ref().map(AccountId::as_str))
        .bind(capture.route.as_str())
        .bind(capture.target.vendor.as_str())
        .bind(capture.target.model.as_str())
        .bind(&capture.endpoint)
        .bind(i64::from(capture.stream))
        .bind(capture.client.as_deref())
        .bind(capture.outcome.as_str())
        .bind(capture.class.map(ErrorClass::as_str))
        .bind(tokens(|usage| usage.prompt))
        .bind(tokens(|usage| usage.completion))
        .bind(tokens(|usage| usage.cached))
        .bind(tokens(|usage| usage.reasoning))
        .bind(capture.cost.map(|cost| cost.micros))
        .bind(capture.cost.map(|cost| cost.currency.as_str()))
        .bind(capture.first_content_ms.map(i64::from))
        .bind(i64::from(capture.total_ms))
        .bind(i64::from(capture.redactions))
        .bind(bytes(&request))
        .bind(answer.as_deref().map_or(0, bytes))
        .bind(key.seal(&place("request"), request.as_bytes()))
        .bind(answer.as_deref().map(|answer| key.seal(&place("answer"), answer.as_bytes())))
        .execute(into)
        .await?;
    Ok(done.rows_affected())
}

/// What a sealed value is bound to. A JSON text, so that no two places can be written alike.
fn place(id: &str, leg: Leg, number: u32, target: &Target, column: &str) -> String {
    serde_json::json!(["capture", id, leg, number, target, column]).to_string()
}

/// A capture, its cursor, and how many bytes its texts took.
fn from_database(row: &SqliteRow, key: &SealKey) -> Result<(CaptureCursor, usize, Capture), StoreError> {
    let text = |name: &str| get::<Option<String>>(row, name);
    let number = |name: &str| get::<Option<i64>>(row, name);
    let small = |name: &str| Ok::<_, StoreError>(u32::try_from(number(name)?.unwrap_or(0)).unwrap_or(u32::MAX));
    let (id, leg, count) = (get::<String>(row, "id")?, leg(&get::<String>(row, "leg")?)?, small("number")?);
    let target = target(text("vendor")?, text("model")?)
        .ok_or_else(|| StoreError::Unknown { what: "the target of a capture", found: id.clone() })?;
    let open = |column: &'static str, sealed: &[u8]| {
        let plain = key.open(&place(&id, leg, count, &target, column), sealed);
        let plain = plain.ok_or_else(|| StoreError::Sealed { what: column, id: id.clone() })?;
        serde_json::from_slice::<Value>(&plain).map_err(|_| StoreError::Sealed { what: column, id: id.clone() })
    };
    let sealed_request: Vec<u8> = get(row, "request")?;
    let sealed_answer: Option<Vec<u8>> = get(row, "answer")?;
    let size = sealed_request.len() + sealed_answer.as_ref().map_or(0, Vec::len);
    let request = open("request", &sealed_request)?;
    let answer = sealed_answer.as_deref().map(|sealed| open("answer", sealed)).transpose()?;
    let tokens = |name: &str| number(name).map(|count| count.unwrap_or(0).cast_unsigned());
    let usage = match number("prompt_tokens")? {
        None => None,
        Some(prompt) => Some(Usage {
            prompt: prompt.cast_unsigned(),
            completion: tokens("completion_tokens")?,
            cached: tokens("cached_tokens")?,
            reasoning: tokens("reasoning_tokens")?,
        }),
    };
    let cost = cost(row)?;
    let capture = Capture {
        at: Timestamp(get(row, "accepted_at")?),
        account: text("account")?.map(Into::into),
        route: get::<String>(row, "route")?.into(),
        endpoint: get(row, "endpoint")?,
        stream: get::<i64>(row, "stream")? != 0,
        client: text("client")?,
        outcome: outcome(&get::<String>(row, "outcome")?)?,
        class: text("class")?.map(|name| class(&name)).transpose()?,
        first_content_ms: number("first_content_ms")?.and_then(|ms| u32::try_from(ms).ok()),
        total_ms: small("total_ms")?,
        redactions: small("redactions")?,
        number: count,
        id,
        leg,
        target,
        request,
        answer,
        usage,
        cost,
    };
    Ok((CaptureCursor(get(row, "seq")?), size, capture))
}

fn cost(row: &SqliteRow) -> Result<Option<Money>, StoreError> {
    match (get::<Option<i64>>(row, "cost_micros")?, get::<Option<String>>(row, "currency")?) {
        (Some(micros), Some(code)) => Ok(Some(Money { micros, currency: currency(&code)? })),
        _ => Ok(None),
    }
}

fn get<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(name).map_err(StoreError::sql("read a capture"))
}

fn leg(name: &str) -> Result<Leg, StoreError> {
    let known = Leg::ALL.into_iter().find(|leg| leg.as_str() == name);
    known.ok_or_else(|| StoreError::Unknown { what: "a leg", found: name.to_owned() })
}

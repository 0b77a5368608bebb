//! Captures in the database: written in batches, read by pages.
//!
//! Rules: a leg that is already there is left as it is, so a batch may be written again when nobody
//! knows whether it arrived; a batch is there whole or not at all; texts are sealed before they are
//! handed to the database; a page is bounded in rows and in bytes, and whoever reads all of them
//! never holds more than one.

use super::Capture;
use super::binding::{FORM, FORM_OF_PLACE, Plain, PlainColumns, place};
use crate::query::Period;
use crate::rows::{class, currency, outcome, target};
use crate::sums::{self, WideSum, wide_sum};
use crate::unreadable::{LeftOut, readable};
use crate::{EncryptionKey, Store, StoreError};
use banjia_types::{Money, RouteName, Target, Timestamp, TrafficKind};
use futures_util::TryStreamExt as _;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row as _, Sqlite};

/// A page ends after so many bytes of sealed texts, whatever its limit is.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most rows of one page.
const PAGE_ROWS_MAX: u32 = 10_000;
/// The first column of the sums in the statement of [`Store::capture_sums`].
const SUMS_AT: usize = 8;

/// Which captures. What is left empty does not choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureFilter {
    /// Of these routes.
    pub routes: Vec<RouteName>,
    /// Of these legs.
    pub legs: Vec<TrafficKind>,
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
    pub leg: TrafficKind,
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
    pub leg: TrafficKind,
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
    /// Writes captures, all or none; those that are already there stay as they are. Returns how
    /// many were new.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`], or a database that cannot be written.
    pub async fn write_captures(&self, captures: &[Capture], key: &EncryptionKey) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        self.check_seal_in(key, &mut transaction).await?;
        let mut new = 0;
        for capture in captures {
            new += insert(capture, key, &mut transaction).await.map_err(StoreError::sql("write captures"))?;
        }
        transaction.commit().await.map_err(StoreError::sql("write captures"))?;
        Ok(new)
    }

    /// Up to `limit` captures after a cursor; fewer when they are large, so only
    /// [`CapturePage::next`] tells the end.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] for a text that the key does not open, or whose row was changed;
    /// [`StoreError::Changed`] for a column that this program never writes so.
    pub async fn captures(
        &self,
        filter: &CaptureFilter,
        after: CaptureCursor,
        limit: u32,
        key: &EncryptionKey,
    ) -> Result<CapturePage, StoreError> {
        self.page_of_captures(filter, (after, limit), key, Err).await
    }

    /// The same without those that cannot be read (damaged, changed, or of another version), which
    /// are counted and logged: for work that one bad row must not stop. A page may be empty before
    /// the last one.
    ///
    /// # Errors
    /// The database.
    pub async fn readable_captures(
        &self,
        filter: &CaptureFilter,
        after: CaptureCursor,
        limit: u32,
        key: &EncryptionKey,
    ) -> Result<CapturePage, StoreError> {
        let mut left_out = LeftOut::default();
        let page = self.page_of_captures(filter, (after, limit), key, |error| {
            left_out.add(error);
            Ok(())
        });
        let page = page.await;
        left_out.note("captures");
        page
    }

    async fn page_of_captures(
        &self,
        filter: &CaptureFilter,
        (after, limit): (CaptureCursor, u32),
        key: &EncryptionKey,
        mut on_unreadable: impl FnMut(StoreError) -> Result<(), StoreError>,
    ) -> Result<CapturePage, StoreError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        // Which ones first: where they are not found in their order, only numbers are sorted and
        // never their texts.
        let mut query = QueryBuilder::new("SELECT * FROM capture WHERE seq IN (SELECT seq FROM capture");
        conditions(&mut query, filter, "+accepted_at");
        query.push(" AND seq > ").push_bind(after.0).push(" ORDER BY seq LIMIT ").push_bind(i64::from(limit) + 1);
        query.push(") ORDER BY seq");
        let query = query.build();
        let mut rows = query.fetch(&self.read);
        let (mut captures, mut seen, mut bytes, mut last) = (Vec::new(), 0, 0, after);
        while let Some(row) = rows.try_next().await.map_err(StoreError::sql("read the captures"))? {
            if seen == limit || bytes >= PAGE_BYTES_MAX {
                return Ok(CapturePage { captures, next: Some(last) });
            }
            seen += 1;
            last = CaptureCursor(get(&row, "seq")?);
            match from_database(&row, key) {
                Ok((_, size, capture)) => {
                    bytes += size;
                    captures.push(capture);
                }
                Err(error) => on_unreadable(error)?,
            }
        }
        Ok(CapturePage { captures, next: None })
    }

    /// Which legs are recorded. Opens no text, so it needs no key and costs little; a changed row
    /// is not noticed here.
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
        Ok(readable("captures", rows.iter().map(read)))
    }

    /// How many captures there are. Opens none of them, so a changed row is not noticed here.
    pub async fn count_captures(&self, filter: &CaptureFilter) -> Result<u64, StoreError> {
        let mut query = chosen("SELECT COUNT(*) FROM capture", filter);
        let found: (i64,) =
            query.build_query_as().fetch_one(&self.read).await.map_err(StoreError::sql("count the captures"))?;
        Ok(found.0.cast_unsigned())
    }

    /// What was captured, by route, leg and target. Opens no text, so a changed row is not noticed
    /// here.
    pub async fn capture_sums(&self, filter: &CaptureFilter) -> Result<Vec<CaptureSum>, StoreError> {
        const SUMS: &str = concat!(
            "SELECT route, leg, vendor, model, COUNT(*) AS captures, COUNT(answer) AS answered, \
             MIN(accepted_at) AS first, MAX(accepted_at) AS last, ",
            wide_sum!("request_bytes"),
            ", ",
            wide_sum!("answer_bytes"),
            ", ",
            wide_sum!("redactions"),
            " FROM capture"
        );
        let mut query = chosen(SUMS, filter);
        query.push(" GROUP BY route, leg, vendor, model ORDER BY route, leg, vendor, model");
        let rows = query.build().fetch_all(&self.read).await.map_err(StoreError::sql("add up the captures"))?;
        let read = |row: &SqliteRow| -> Result<CaptureSum, StoreError> {
            let count = |name: &str| get::<i64>(row, name).map(i64::cast_unsigned);
            let failed = StoreError::sql("add up the captures");
            let sum = |place| WideSum::at(row, place).map(WideSum::count).map_err(&failed);
            Ok(CaptureSum {
                route: get::<String>(row, "route")?.into(),
                leg: leg(&get::<String>(row, "leg")?)?,
                target: Target {
                    vendor: get::<String>(row, "vendor")?.into(),
                    model: get::<String>(row, "model")?.into(),
                },
                captures: count("captures")?,
                answered: count("answered")?,
                bytes: sum(SUMS_AT)?.saturating_add(sum(SUMS_AT + 2)?),
                redactions: sum(SUMS_AT + 4)?,
                first: Timestamp(get(row, "first")?),
                last: Timestamp(get(row, "last")?),
            })
        };
        Ok(readable("captures", rows.iter().map(read)))
    }

    /// Forgets captures of requests that were accepted before a moment. Returns how many there
    /// were.
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

/// The conditions. A plus before a column keeps its index out: few requests are found by their ids
/// and not among all of a route or a time, and a page goes on in the order of writing.
fn conditions(query: &mut QueryBuilder<Sqlite>, filter: &CaptureFilter, accepted_at: &str) {
    let CaptureFilter { routes, legs, ids, target, period } = filter;
    if *period == Period::ALWAYS {
        // Also captures with a time that no clock shows: somebody changed them, and opening them
        // says so.
        query.push(" WHERE TRUE");
    } else {
        query.push(format!(" WHERE {accepted_at} >= ")).push_bind(period.from.0);
        query.push(format!(" AND {accepted_at} < ")).push_bind(period.to.0);
    }
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

async fn insert(capture: &Capture, key: &EncryptionKey, into: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    const SQL: &str = "INSERT INTO capture (id, leg, number, accepted_at, account, route, vendor, model, endpoint, stream, \
         client, outcome, class, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost_micros, currency, \
         first_content_ms, total_ms, redactions, request_bytes, answer_bytes, seal_version, request, answer) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
    let request = capture.request.to_string();
    let answer = capture.answer.as_ref().map(Value::to_string);
    let columns = PlainColumns::of(capture, request.len(), answer.as_ref().map_or(0, String::len));
    let seal = |column, text: &str| key.seal(columns.associated_data(answer.is_some(), column), text.as_bytes());
    let sealed_request = seal("request", &request);
    let sealed_answer = answer.as_deref().map(|answer| seal("answer", answer));
    let mut query = sqlx::query(SQL);
    for column in columns.0 {
        query = match column {
            Plain::Null => query.bind(None::<i64>),
            Plain::Text(text) => query.bind(text),
            Plain::Number(number) => query.bind(number),
        };
    }
    let done = query.bind(FORM).bind(sealed_request).bind(sealed_answer).execute(into).await?;
    Ok(done.rows_affected())
}

/// The texts of a row, opened: the request, and the answer if there is one.
///
/// # Errors
/// A text that does not open, and in rows of the present form a column that is not what was
/// written.
fn open_texts(row: &SqliteRow, id: &str, key: &EncryptionKey) -> Result<(Value, Option<Value>, usize), StoreError> {
    let changed = |what| StoreError::Changed { what, id: id.to_owned() };
    let sealed_request: Vec<u8> = row.try_get("request").map_err(|_| changed("request"))?;
    let sealed_answer: Option<Vec<u8>> = row.try_get("answer").map_err(|_| changed("answer"))?;
    let size = sealed_request.len() + sealed_answer.as_ref().map_or(0, Vec::len);
    let [for_request, for_answer] = match row.try_get("seal_version").map_err(|_| changed("seal_version"))? {
        FORM => {
            let columns = PlainColumns::read(row, id)?;
            ["request", "answer"].map(|column| columns.associated_data(sealed_answer.is_some(), column))
        }
        FORM_OF_PLACE => {
            let (leg, number, target) = (leg(&get::<String>(row, "leg")?)?, small(row, "number")?, target_of(row, id)?);
            ["request", "answer"].map(|column| place(id, leg, number, &target, column))
        }
        _ => return Err(changed("seal_version")),
    };
    let open = |what: &'static str, associated_data: &[u8], sealed: &[u8]| {
        let not_opened = || StoreError::Sealed { what, id: id.to_owned() };
        let plain = key.open(associated_data, sealed).ok_or_else(not_opened)?;
        serde_json::from_slice::<Value>(&plain).map_err(|_| not_opened())
    };
    let request = open("request", &for_request, &sealed_request)?;
    let answer = sealed_answer.as_deref().map(|sealed| open("answer", &for_answer, sealed)).transpose()?;
    Ok((request, answer, size))
}

fn target_of(row: &SqliteRow, id: &str) -> Result<Target, StoreError> {
    target(get(row, "vendor")?, get(row, "model")?)
        .ok_or_else(|| StoreError::Unknown { what: "the target of a capture", found: id.to_owned() })
}

/// A capture, its cursor, and how many bytes its texts took.
fn from_database(row: &SqliteRow, key: &EncryptionKey) -> Result<(CaptureCursor, usize, Capture), StoreError> {
    let seq: i64 = get(row, "seq")?;
    let id = row.try_get::<String, _>("id").map_err(|_| StoreError::Changed { what: "id", id: seq.to_string() })?;
    // The texts first: they show whether the other columns can be believed.
    let (request, answer, size) = open_texts(row, &id, key)?;
    let text = |name: &str| get::<Option<String>>(row, name);
    let number = |name: &str| get::<Option<i64>>(row, name);
    let usage = sums::usage(
        number("prompt_tokens")?,
        number("completion_tokens")?,
        number("cached_tokens")?,
        number("reasoning_tokens")?,
    );
    let is_cost_known = usage.is_some() || number("prompt_tokens")?.is_none();
    let capture = Capture {
        leg: leg(&get::<String>(row, "leg")?)?,
        number: small(row, "number")?,
        at: Timestamp(get(row, "accepted_at")?),
        account: text("account")?.map(Into::into),
        route: get::<String>(row, "route")?.into(),
        target: target_of(row, &id)?,
        endpoint: get(row, "endpoint")?,
        stream: get::<i64>(row, "stream")? != 0,
        client: text("client")?,
        outcome: outcome(&get::<String>(row, "outcome")?)?,
        class: text("class")?.map(|name| class(&name)).transpose()?,
        first_content_ms: number("first_content_ms")?.and_then(|ms| u32::try_from(ms).ok()),
        total_ms: small(row, "total_ms")?,
        redactions: small(row, "redactions")?,
        cost: cost(row)?.filter(|_| is_cost_known),
        id,
        request,
        answer,
        usage,
    };
    Ok((CaptureCursor(seq), size, capture))
}

fn small(row: &SqliteRow, name: &str) -> Result<u32, StoreError> {
    Ok(u32::try_from(get::<Option<i64>>(row, name)?.unwrap_or(0)).unwrap_or(u32::MAX))
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

fn leg(name: &str) -> Result<TrafficKind, StoreError> {
    let known = TrafficKind::ALL.into_iter().find(|leg| leg.as_str() == name);
    known.ok_or_else(|| StoreError::Unknown { what: "a leg", found: name.to_owned() })
}

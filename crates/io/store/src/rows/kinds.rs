//! What many rows have in common, written once.
//!
//! Rules: the writer knows the kinds that it met, up to a bound; one that it does not know is
//! written anew, so the same kind may stand twice and nobody may count on its number; nothing is
//! remembered over a write that failed, because what it wrote may be gone; what a caller can make
//! differ from request to request (tokens, losses with the values that were lost) is no part of it.

use super::values::Values;
use crate::Row;
use banjia_types::{AccountId, Country, Currency, ErrorClass, KeyId, Outcome, Place, RouteName, Target, VerdictKind};
use sqlx::sqlite::SqliteConnection;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Kinds of one generation. When it is full, those that were not met since the last one are
/// forgotten.
const KINDS_LEN_MAX: usize = 4_096;

const INSERT: &str = "INSERT INTO ledger_kind (account, api_key, route, vendor, model, endpoint, stream, outcome, class, status, \
     attempts, currency, reason, network, network_differs, verdict, rule, policy) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id";
const COLUMNS: usize = 18;

/// The kinds that a writer has written, with their numbers in the database.
#[derive(Debug, Default)]
pub(crate) struct LedgerDimensions {
    met: HashMap<Kind, i64>,
    /// Those of the generation before.
    older: HashMap<Kind, i64>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind {
    account: Option<AccountId>,
    key: Option<KeyId>,
    route: Option<RouteName>,
    target: Option<Target>,
    endpoint: Cow<'static, str>,
    stream: bool,
    outcome: Outcome,
    class: Option<ErrorClass>,
    status: u16,
    attempts: u32,
    currency: Option<Currency>,
    reason: Option<Cow<'static, str>>,
    border: Option<KindBorder>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct KindBorder {
    network: Option<Place>,
    network_differs: Option<Country>,
    verdict: VerdictKind,
    rule: Cow<'static, str>,
    policy: Option<Arc<str>>,
}

impl LedgerDimensions {
    /// The number of a row's kind, which is written when it is not known.
    pub(super) async fn number_of(&mut self, row: &Row, into: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
        let kind = Kind::of(row);
        if let Some(&number) = self.met.get(&kind) {
            return Ok(number);
        }
        let number = match self.older.remove(&kind) {
            Some(number) => number,
            None => kind.values().insert_for_number(INSERT, into).await?,
        };
        if self.met.len() == KINDS_LEN_MAX {
            self.older = std::mem::take(&mut self.met);
        }
        self.met.insert(kind, number);
        Ok(number)
    }
}

impl Kind {
    fn of(row: &Row) -> Self {
        Self {
            account: row.account.clone(),
            key: row.key.clone(),
            route: row.route.clone(),
            target: row.target.clone(),
            endpoint: row.endpoint.clone(),
            stream: row.stream,
            outcome: row.outcome,
            class: row.class,
            status: row.status,
            attempts: row.attempts,
            currency: row.cost.map(|cost| cost.currency),
            reason: row.reason.clone(),
            border: row.border.as_deref().map(|note| KindBorder {
                network: note.network,
                network_differs: note.network_differs,
                verdict: note.verdict,
                rule: note.rule.clone(),
                policy: note.policy.clone(),
            }),
        }
    }

    /// In the order of [`INSERT`].
    fn values(&self) -> Values {
        let border = self.border.as_ref();
        let mut values = Values::with_room_for(COLUMNS);
        values.name(self.account.as_ref().map(AccountId::shared));
        values.name(self.key.as_ref().map(KeyId::shared));
        values.name(self.route.as_ref().map(RouteName::shared));
        values.name(self.target.as_ref().map(|target| target.vendor.shared()));
        values.name(self.target.as_ref().map(|target| target.model.shared()));
        values.text(Arc::from(&*self.endpoint));
        values.number(i64::from(self.stream));
        values.text(Arc::from(self.outcome.as_str()));
        values.maybe(self.class.map(|class| class.as_str().to_owned()));
        values.number(i64::from(self.status));
        values.number(i64::from(self.attempts));
        values.maybe(self.currency.map(|currency| currency.as_str().to_owned()));
        values.maybe(self.reason.as_deref().map(str::to_owned));
        values.maybe(border.and_then(|border| border.network).map(|place| place.to_string()));
        values.maybe(border.and_then(|border| border.network_differs).map(|country| country.to_string()));
        values.maybe(border.map(|border| border.verdict.as_str().to_owned()));
        values.maybe(border.map(|border| border.rule.clone().into_owned()));
        values.name(border.and_then(|border| border.policy.as_ref()));
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Location, Store};
    use banjia_types::{RequestId, Timestamp};
    use uuid::Uuid;

    #[tokio::test]
    async fn a_kind_is_written_once_as_long_as_it_is_remembered_and_memory_stays_bounded() {
        let store = Store::open(&Location::Temporary).await.unwrap();
        let mut connection = store.write.acquire().await.unwrap();
        let mut kinds = LedgerDimensions::default();
        let row = |id: u128| Row::new(RequestId(Uuid::from_u128(id)), Timestamp(0), Timestamp(1), Outcome::Answered);
        let first = kinds.number_of(&row(1), &mut connection).await.unwrap();
        assert_eq!(kinds.number_of(&row(2), &mut connection).await.unwrap(), first);
        let others = 3 * KINDS_LEN_MAX as u32;
        for attempts in 1..=others {
            let other = Row { attempts, ..row(3) };
            assert_ne!(kinds.number_of(&other, &mut connection).await.unwrap(), first);
            assert!(kinds.met.len() <= KINDS_LEN_MAX && kinds.older.len() <= KINDS_LEN_MAX);
            if attempts < 2 * KINDS_LEN_MAX as u32 && attempts % 1_000 == 0 {
                assert_eq!(kinds.number_of(&row(4), &mut connection).await.unwrap(), first, "what is met stays");
            }
        }
        assert_ne!(kinds.number_of(&row(5), &mut connection).await.unwrap(), first, "what is not met is forgotten");
    }
}

//! Values on their way into a statement.
//!
//! Rule: a text is handed over as one with many holders where there is one: bound as `&str`, the
//! driver would copy it into two allocations.

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments as _, Encode, Sqlite, Type};
use std::sync::Arc;

/// The values of one statement, in the order of its placeholders.
#[derive(Default)]
pub(super) struct Values {
    arguments: SqliteArguments,
}

impl Values {
    pub(super) fn with_room_for(values: usize) -> Self {
        let mut arguments = SqliteArguments::default();
        arguments.reserve(values, 0);
        Self { arguments }
    }

    pub(super) fn number(&mut self, number: i64) {
        self.add(number);
    }

    pub(super) fn text(&mut self, text: Arc<str>) {
        self.add(text);
    }

    pub(super) fn name(&mut self, name: Option<&Arc<str>>) {
        self.add(name.cloned());
    }

    pub(super) fn maybe<T>(&mut self, value: Option<T>)
    where
        T: Encode<'static, Sqlite> + Type<Sqlite> + 'static,
    {
        self.add(value);
    }

    fn add<T>(&mut self, value: T)
    where
        T: Encode<'static, Sqlite> + Type<Sqlite>,
    {
        self.arguments.add(value).expect("numbers and texts are always taken");
    }

    /// Runs a statement with these values.
    pub(super) async fn insert_with(self, sql: &'static str, into: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        sqlx::query_with(sql, self.arguments).execute(into).await.map(drop)
    }

    /// Runs a statement with these values that gives a number back.
    pub(super) async fn insert_for_number(
        self,
        sql: &'static str,
        into: &mut SqliteConnection,
    ) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar_with(sql, self.arguments).fetch_one(into).await
    }
}

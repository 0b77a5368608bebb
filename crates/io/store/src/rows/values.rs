//! Values on their way into a statement.
//!
//! Rule: a text that many rows share is handed over as one text with many holders. Bound as `&str`, the driver would copy each
//! text for each row into two allocations.

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments as _, Encode, Sqlite, Type};
use std::sync::Arc;

/// More words than this are not remembered: then they are hardly words that repeat.
const WORDS_LEN_MAX: usize = 32;

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
}

/// The words of a batch that stand in many of its rows, each made once.
#[derive(Default)]
pub(super) struct Words(Vec<Arc<str>>);

impl Words {
    pub(super) fn shared(&mut self, word: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| &***known == word) {
            return known.clone();
        }
        let new: Arc<str> = Arc::from(word);
        if self.0.len() < WORDS_LEN_MAX {
            self.0.push(new.clone());
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_made_once_and_memory_stays_bounded() {
        let mut words = Words::default();
        let first = words.shared("answered");
        assert!(Arc::ptr_eq(&first, &words.shared("answered")));
        for n in 0..100 {
            assert_eq!(&*words.shared(&n.to_string()), n.to_string());
        }
        assert_eq!(words.0.len(), WORDS_LEN_MAX);
    }
}

//! Moves as they were read last.
//!
//! Rules:
//! - A move is read whole once, and then only what was added to it.
//! - What is kept is the log and nothing that the log does not say, so another process's events
//!   only add to it.
//! - A move that cannot be read any more is kept as it was, and stays in force. At the first
//!   reading that is the move after its last event that can be read.

use super::{Loaded, MoveError, ReadMove, catch_up, courses_of, read};
use banjia_store::{MoveRow, Store};
use banjia_types::{RouteMove, RouteName};
use std::collections::BTreeMap;

/// Reads moves and keeps what it has read.
#[derive(Debug)]
pub struct KnownMoves {
    store: Store,
    /// The oldest first.
    moves: Vec<ReadMove>,
}

impl KnownMoves {
    /// Nothing is known yet.
    pub fn new(store: Store) -> Self {
        Self { store, moves: Vec::new() }
    }

    /// How every route moves, like [`super::route_moves`], also of those that cannot be read any
    /// more.
    ///
    /// # Errors
    /// The database.
    pub async fn route_moves(&mut self) -> Result<BTreeMap<RouteName, RouteMove>, MoveError> {
        self.read_again().await?;
        Ok(courses_of(&self.store, self.moves.iter().filter_map(|known| known.loaded.as_ref())).await)
    }

    /// Brings what is known up to date.
    ///
    /// # Errors
    /// The database. What is known stays as it was.
    pub(super) async fn read_again(&mut self) -> Result<(), MoveError> {
        let rows = self.store.moves().await?;
        let mut known: BTreeMap<String, ReadMove> =
            std::mem::take(&mut self.moves).into_iter().map(|known| (known.id.clone(), known)).collect();
        for row in &rows {
            let before = known.remove(&row.id);
            let found = self.read_one(row, before).await;
            self.moves.push(found);
        }
        Ok(())
    }

    async fn read_one(&self, row: &MoveRow, before: Option<ReadMove>) -> ReadMove {
        let (loaded, said) = before.map_or((None, None), |before| (before.loaded, before.error));
        let mut found = match loaded {
            Some(loaded) if said.is_none() && loaded.of.version() == row.version => return whole(row, loaded, None),
            Some(mut loaded) => match catch_up(&self.store, row, &mut loaded).await {
                Ok(error) => whole(row, loaded, error),
                Err(error) => whole(row, loaded, Some(error.into())),
            },
            None => read(&self.store, row).await.unwrap_or_else(|error| ReadMove {
                id: row.id.clone(),
                loaded: None,
                error: Some(error),
            }),
        };
        let is_news = found.error.as_ref().map(ToString::to_string) != said.as_ref().map(ToString::to_string);
        if let (Some(error), true) = (&mut found.error, is_news) {
            tracing::error!(id = row.id, "a move cannot be read, and stays in force as it was: {error}");
        }
        found
    }

    /// Takes the moves out, to look at them.
    pub(super) fn take(&mut self) -> Vec<ReadMove> {
        std::mem::take(&mut self.moves)
    }

    /// Puts them back.
    pub(super) fn put(&mut self, moves: Vec<ReadMove>) {
        self.moves = moves;
    }
}

fn whole(row: &MoveRow, loaded: Loaded, error: Option<MoveError>) -> ReadMove {
    ReadMove { id: row.id.clone(), loaded: Some(loaded), error }
}

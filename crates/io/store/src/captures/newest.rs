//! Which requests were copied last.

use crate::{Store, StoreError};
use banjia_types::{Leg, RouteName, Timestamp};
use futures_util::TryStreamExt as _;
use std::collections::HashSet;

/// The legs that answer a request another time.
const COPIES: [Leg; 3] = [Leg::Repeat, Leg::Shadow, Leg::Replay];

impl Store {
    /// The ids of a route's requests accepted from a moment on that were copied last, by when their newest copy was written, the
    /// newest first; at most `requests_max`. Goes by an index and stops there, so it costs what it gives, however much is recorded.
    pub async fn copied_last(
        &self,
        route: &RouteName,
        from: Timestamp,
        requests_max: usize,
    ) -> Result<Vec<String>, StoreError> {
        let mut found: Vec<(i64, String)> = Vec::new();
        for leg in COPIES {
            found.extend(self.copied_last_by(leg, route, from, requests_max).await?);
        }
        found.sort_by(|a, b| b.cmp(a));
        let mut seen = HashSet::new();
        let ids = found.into_iter().map(|(_, id)| id).filter(|id| seen.insert(id.clone()));
        Ok(ids.take(requests_max).collect())
    }

    async fn copied_last_by(
        &self,
        leg: Leg,
        route: &RouteName,
        from: Timestamp,
        requests_max: usize,
    ) -> Result<Vec<(i64, String)>, StoreError> {
        const SQL: &str = "SELECT seq, id FROM capture INDEXED BY capture_route \
             WHERE route = $1 AND leg = $2 AND accepted_at >= $3 ORDER BY seq DESC";
        let query = sqlx::query_as::<_, (i64, String)>(SQL).bind(route.as_str()).bind(leg.as_str()).bind(from.0);
        let mut rows = query.fetch(&self.read);
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        while found.len() < requests_max
            && let Some((seq, id)) = rows.try_next().await.map_err(StoreError::sql("see what was copied last"))?
        {
            if seen.insert(id.clone()) {
                found.push((seq, id));
            }
        }
        Ok(found)
    }
}

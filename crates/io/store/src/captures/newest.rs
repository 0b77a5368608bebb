//! Which requests were copied last.

use crate::{Store, StoreError};
use banjia_types::{RouteName, Target, Timestamp, TrafficKind};
use futures_util::TryStreamExt as _;
use std::collections::HashSet;

impl Store {
    /// The ids of a route's requests accepted from a moment on that were copied last by one of
    /// these targets on this leg, the newest copy first; at most `requests_max`. Reads the copies
    /// of that route and leg from the newest one on and stops there.
    pub async fn copied_last(
        &self,
        (route, leg): (&RouteName, TrafficKind),
        targets: [&Target; 2],
        from: Timestamp,
        requests_max: usize,
    ) -> Result<Vec<String>, StoreError> {
        const SQL: &str = "SELECT id FROM capture INDEXED BY capture_route WHERE route = $1 AND leg = $2 AND accepted_at >= $3 \
             AND ((vendor = $4 AND model = $5) OR (vendor = $6 AND model = $7)) ORDER BY seq DESC";
        let [first, second] = targets;
        let mut rows = sqlx::query_scalar::<_, String>(SQL)
            .bind(route.as_str())
            .bind(leg.as_str())
            .bind(from.0)
            .bind(first.vendor.as_str())
            .bind(first.model.as_str())
            .bind(second.vendor.as_str())
            .bind(second.model.as_str())
            .fetch(&self.read);
        let (mut seen, mut ids) = (HashSet::new(), Vec::new());
        while ids.len() < requests_max
            && let Some(id) = rows.try_next().await.map_err(StoreError::sql("see what was copied last"))?
        {
            if seen.insert(id.clone()) {
                ids.push(id);
            }
        }
        Ok(ids)
    }
}

//! One line in the log for each request that ends, if the configuration wants it.
//!
//! The line says what the request's row in the ledger says: names, numbers and reasons, never a
//! text of the client's or the vendor's.

use banjia_store::Row;
use banjia_types::{AccountId, KeyId, RouteName};

/// Writes the line of a request, with the target `banjia::access`.
pub(crate) fn write(row: &Row) {
    let usage = row.usage.as_ref();
    let losses: Vec<_> = row.losses.iter().map(ToString::to_string).collect();
    tracing::info!(
        target: "banjia::access",
        request = %row.request_id,
        account = row.account.as_ref().map(AccountId::as_str),
        key = row.key.as_ref().map(KeyId::as_str),
        operation = &*row.endpoint,
        route = row.route.as_ref().map(RouteName::as_str),
        vendor_target = row.target.as_ref().map(display),
        status = row.status,
        outcome = row.outcome.as_str(),
        class = row.class.as_ref().map(display),
        attempts = row.attempts,
        stream = row.stream,
        total_ms = row.ended_at.since(row.accepted_at).as_millis() as u64,
        first_content_ms = row.first_content_ms,
        prompt_tokens = usage.map(|usage| usage.prompt),
        completion_tokens = usage.map(|usage| usage.completion),
        cost = row.cost.as_ref().map(display),
        losses = (!losses.is_empty()).then(|| losses.join(", ")),
        reason = row.reason.as_deref(),
        "request"
    );
}

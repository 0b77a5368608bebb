//! `banjia request`: one request as the ledger has it, from its key to its end.

use crate::Printer;
use banjia_store::{Row, Store};
use banjia_types::visible::visible_line;
use banjia_types::{Outcome, RequestId};
use std::process::ExitCode;

/// Prints what the ledger has of a request.
///
/// # Errors
/// The database.
pub async fn run(store: &Store, id: RequestId, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let Some(row) = store.request(id).await? else {
        printer.error(&format!(
            "the ledger has no request {id}. A request is in it once it has ended; one that was refused before its key \
             and its limits were known (401, 413, 429 by a limit of connections) never is"
        ));
        return Ok(ExitCode::FAILURE);
    };
    for line in lines(&row) {
        printer.line(&visible_line(&line));
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(row: &Row) -> Vec<String> {
    let mut lines = vec![
        field("request", row.request_id),
        field("accepted", format!("{}, {} ms until its end{}", row.accepted_at, took_ms(row), first_content(row))),
        field("asked by", asked_by(row)),
    ];
    lines.extend(row.border.as_deref().map(|note| {
        let place = note.network.map_or_else(|| "an unknown place".to_owned(), |place| place.to_string());
        let policy = note.policy.as_deref().map_or(String::new(), |policy| format!(" of {policy}"));
        field("border", format!("{} from {place}: {}{policy}", note.verdict.as_str(), note.rule))
    }));
    let stream = if row.stream { ", streamed" } else { "" };
    let route = row.route.as_ref().map_or("no such route", |route| route.as_str());
    lines.push(field("asked for", format!("{route} ({}{stream})", row.endpoint)));
    for (target, class) in &row.failures {
        lines.push(field("tried", format!("{target} failed: {class}")));
    }
    lines.push(field("ended", ended(row)));
    if let Some(usage) = &row.usage {
        let parts = [(usage.cached, "of them cached"), (usage.reasoning, "for reasoning")];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!(", {count} {name}"));
        let text = format!("{} in, {} out{}", usage.prompt, usage.completion, parts.collect::<String>());
        lines.push(field("tokens", text));
    }
    lines.extend(row.cost.map(|cost| field("cost", cost)));
    for loss in &row.losses {
        let why = if loss.why.is_empty() { String::new() } else { format!(": {}", loss.why) };
        lines.push(field("loss", format!("{loss}{why}")));
    }
    lines
}

fn field(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name:<10} {value}")
}

fn took_ms(row: &Row) -> u128 {
    row.ended_at.since(row.accepted_at).as_millis()
}

fn first_content(row: &Row) -> String {
    row.first_content_ms.map_or(String::new(), |ms| format!(", {ms} ms until its first content"))
}

fn asked_by(row: &Row) -> String {
    let account = row.account.as_ref().map_or("an unknown account", |account| account.as_str());
    let key = row.key.as_ref().map_or(String::new(), |key| format!(" with the key {}", key.as_str()));
    format!("{account}{key}")
}

fn ended(row: &Row) -> String {
    let by = row.target.as_ref().map_or(String::new(), |target| format!(" by {target}"));
    let reason = row.reason.as_deref().map_or(String::new(), |reason| format!("; why there or so: {reason}"));
    let class = row.class.map_or(String::new(), |class| format!(", {class}"));
    let sends = match row.attempts {
        1 => "1 request sent".to_owned(),
        count => format!("{count} requests sent"),
    };
    let status = match (row.outcome, row.status) {
        (Outcome::Abandoned, 0) => "the client left before an answer".to_owned(),
        (_, 0) => "the client saw no status".to_owned(),
        (_, status) => format!("the client saw {status}"),
    };
    format!("{}{by}{class}; {status}, {sends}{reason}", row.outcome)
}

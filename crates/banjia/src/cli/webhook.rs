//! `banjia webhook`: who hears of what happens at the border, and whether it was taken.

use super::database::{Database, DatabaseArgs};
use super::{Printer, table};
use crate::clock;
use anyhow::{Context as _, bail};
use banjia_control::WebhookDispatcher;
use banjia_control::webhooks::{self, WebhookStatus, secret};
use banjia_store::{DeliveryState, Store};
use banjia_types::Timestamp;
use std::process::ExitCode;

/// Arguments of `banjia webhook`.
pub(super) type Args = DatabaseArgs<Command>;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Who listens and how much was taken, or the last events of one.
    List {
        /// Its name in the configuration.
        name: Option<String>,
        /// How many events.
        #[arg(long, default_value_t = 20)]
        last: u32,
    },
    /// Make a secret for a webhook.
    Secret,
    /// Send a `webhook.test` event now and say what was answered. It is not kept.
    SendTest {
        /// Its name in the configuration.
        name: String,
    },
    /// Try what waits or was given up again, also where the receiver said that it is gone.
    Retry {
        /// Its name in the configuration.
        name: String,
    },
}

pub(super) fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    if matches!(args.command, Command::Secret) {
        printer.note("A secret for [[webhooks]]; its receiver needs the same:");
        printer.line_as_it_is(secret(&rand::random()).expose());
        return Ok(ExitCode::SUCCESS);
    }
    let now = clock::now();
    args.database.with(async |store| match &args.command {
        Command::List { name: None, .. } => list(&store, printer).await,
        Command::List { name: Some(name), last } => events(&store, name, *last, printer).await,
        Command::SendTest { name } => send_test(&args.database, &store, name, now, printer).await,
        Command::Retry { name } => {
            let count = webhooks::retry(&store, name, now).await?;
            printer.line(&format!("{name}: {count} events will be tried again while `banjia serve` runs."));
            Ok(ExitCode::SUCCESS)
        }
        Command::Secret => Ok(ExitCode::SUCCESS),
    })
}

async fn list(store: &Store, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let row = |status: WebhookStatus| {
        vec![
            status.listener.name,
            status.listener.since.to_string(),
            status.listener.gone_at.map_or_else(|| "listens".to_owned(), |at| format!("gone since {at}")),
            status.delivered.to_string(),
            status.waiting.to_string(),
            status.given_up.to_string(),
            status.last.map_or_else(String::new, |last| last.said),
        ]
    };
    let rows: Vec<_> = webhooks::status(store).await?.into_iter().map(row).collect();
    if rows.is_empty() {
        printer.line(
            "Nobody listens. Add [[webhooks]] with name, url and secret; `banjia webhook secret` makes a secret.",
        );
        return Ok(ExitCode::SUCCESS);
    }
    let header = ["webhook", "since", "state", "taken>", "waiting>", "given up>", "last answer"];
    printer.line(&table(&header, &rows, printer.width()));
    Ok(ExitCode::SUCCESS)
}

async fn events(store: &Store, name: &str, last: u32, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let rows: Vec<_> = webhooks::events(store, name, last)
        .await?
        .into_iter()
        .map(|delivery| {
            let next = (delivery.state == DeliveryState::Waiting).then(|| delivery.next_at.to_string());
            vec![
                delivery.id,
                delivery.kind,
                delivery.at.to_string(),
                delivery.state.as_str().to_owned(),
                delivery.attempts.to_string(),
                next.unwrap_or_default(),
                delivery.said,
            ]
        })
        .collect();
    let header = ["id", "event", "at", "state", "attempts>", "next", "last answer"];
    printer.line(&table(&header, &rows, printer.width()));
    Ok(ExitCode::SUCCESS)
}

async fn send_test(
    database: &Database,
    store: &Store,
    name: &str,
    now: Timestamp,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let loaded = database.loaded_with_secrets()?.context("there is no configuration file, so there are no webhooks")?;
    let dispatcher = WebhookDispatcher::new(store.clone(), &loaded.config.webhooks)?;
    let id = format!("msg_test{:032x}", rand::random::<u128>());
    let Some(answer) = dispatcher.test(name, id, now).await else {
        bail!("the configuration has no webhook {name:?}");
    };
    if answer.is_taken() {
        printer.line(&format!("{name} took it ({}).", answer.said));
        return Ok(ExitCode::SUCCESS);
    }
    printer.error(&format!("{name} did not take it: {}", answer.said));
    Ok(ExitCode::FAILURE)
}

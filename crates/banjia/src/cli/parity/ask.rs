//! What a comparison asks somebody for: vectors of the answers, and a judge.
//!
//! Rules: asked goes through the gateway's side requests, with all their bounds, and in the name of
//! the account whose request it is and as from where its end user called; nothing of it is kept, so
//! the same files may give another verdict on these two axes.

use super::super::database::Database;
use super::super::{LogChoice, Printer};
use crate::config::LogConfig;
use crate::{lend, telemetry};
use anyhow::bail;
use banjia_control::parity::Sides;
use banjia_control::parity::fill::{self, Asked, Filled};
use banjia_gateway::Snapshot;
use banjia_parity::Pair;
use banjia_store::Capture;
use banjia_types::{Money, RouteName, nearest};

/// Who is asked for what a comparison needs besides the files.
#[derive(Debug, clap::Args)]
pub(super) struct ComparisonArgs {
    /// Compare meanings by the embeddings of this route's first target.
    #[arg(long, value_name = "ROUTE")]
    embed: Option<RouteName>,
    /// Let this route's first target say which answers are better, asked in both orders. It must be
    /// neither side.
    #[arg(long, value_name = "ROUTE")]
    judge: Option<RouteName>,
    #[command(flatten)]
    database: Database,
}

impl ComparisonArgs {
    /// Asks for what was wished, and adds it to the pairs.
    pub(super) fn fill(
        &self,
        pairs: &mut [Pair],
        (captures, sides): (&[Capture], &Sides),
        log: &LogChoice,
        printer: &mut Printer,
    ) -> anyhow::Result<()> {
        if self.embed.is_none() && self.judge.is_none() {
            return Ok(());
        }
        telemetry::start(log, &LogConfig { level: "warn".to_owned(), ..LogConfig::default() })?;
        let loaded = self.database.loaded_to_ask()?;
        let (capture, snapshot) = (loaded.config.gateway.capture, loaded.snapshot);
        let asked = |route: &RouteName| asked(&snapshot, route, capture.copies_at_once_max);
        let (embed, judge) = (self.embed.as_ref().map(asked).transpose()?, self.judge.as_ref().map(asked).transpose()?);
        self.database.with(async |store| {
            let callers = &fill::callers_of(captures, &store).await?;
            let side_requests = lend::side_requests(snapshot, &store).await?;
            let ask = lend::lend(&side_requests, &capture.redact)?;
            let filling = async {
                // A judge that may not judge costs nothing.
                if let Some(judge) = &judge {
                    let filled = fill::judge(pairs, callers, sides, judge, &ask).await?;
                    say(printer, &format!("{} compared", judge.target), "comparisons", &filled);
                }
                if let Some(embed) = &embed {
                    let filled = fill::embed(pairs, callers, embed, &ask).await;
                    say(printer, &format!("{} embedded", embed.target), "answers", &filled);
                }
                Ok(())
            };
            let done = tokio::select! {
                done = filling => done,
                () = lend::follow(&side_requests, &store) => bail!("the moves are not followed any more"),
            };
            side_requests.finish().await;
            done
        })
    }
}

fn asked(snapshot: &Snapshot, route: &RouteName, at_once_max: usize) -> anyhow::Result<Asked> {
    let Some(target) = snapshot.targets(route).and_then(|targets| targets.into_iter().next()) else {
        let near = nearest(route.as_str(), snapshot.route_names().map(RouteName::as_str));
        let near = near.map(|hint| format!(" ({hint})")).unwrap_or_default();
        bail!("the configuration has no route {:?}{near}", route.as_str());
    };
    Ok(Asked { route: route.clone(), target, at_once_max })
}

fn say(printer: &mut Printer, who: &str, what: &str, filled: &Filled) {
    let cost: Vec<_> = filled.cost.iter().map(Money::to_string).collect();
    let cost = if cost.is_empty() { String::new() } else { format!(", for {}", cost.join(" and ")) };
    printer.note(&format!("{who} {} {what}, in {} requests{cost}", filled.filled, filled.asked));
    for (why, count) in &filled.failed {
        printer.note(&format!("note: {count} requests of it came to nothing: {why}"));
    }
}

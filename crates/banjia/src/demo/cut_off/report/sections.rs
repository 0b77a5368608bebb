//! The report as text.

use super::facts::Facts;
use crate::cli::table;
use crate::demo::books::is_error;
use crate::demo::client::{End, Observed};
use banjia_types::Timestamp;
use hdrhistogram::Histogram;
use std::fmt::Write as _;
use std::time::Duration;

/// Micro-units of a currency's unit.
const MICROS: f64 = 1_000_000.0;
/// Longer times count as this long: no demo takes an hour.
const LATENCY_MS_MAX: u64 = 3_600_000;
const WRITES: &str = "writing to a String cannot fail";

/// The report, part by part.
pub(crate) fn sections(facts: &Facts, width: usize) -> Vec<String> {
    vec![
        by_time(facts, width),
        balance(facts),
        reflex(facts),
        latency(facts, width),
        targets(facts, width),
        losses(facts, width),
    ]
    .into_iter()
    .chain(errors(facts))
    .chain([conclusion(facts)])
    .collect()
}

fn heading(text: &str) -> String {
    format!("\n{text}")
}

fn by_time(facts: &Facts, width: usize) -> String {
    let seconds = facts.slice.as_secs();
    let unit = if seconds == 60 {
        "minutes".to_owned()
    } else {
        format!("slices of {seconds} s (a minute is too coarse here)")
    };
    let blocked = facts.blocked_at.map(|at| at.since(facts.begun_at));
    let rows: Vec<_> = facts
        .slices()
        .iter()
        .enumerate()
        .map(|(index, slice)| {
            let from = facts.slice * u32::try_from(index).unwrap_or(u32::MAX);
            let here = blocked.is_some_and(|at| at >= from && at < from + facts.slice);
            let tally = slice.tally;
            let vendors: Vec<_> = slice.vendors.iter().map(|(vendor, count)| format!("{vendor} {count}")).collect();
            let mark = if here { format!("  <- {} blocks", facts.source) } else { String::new() };
            vec![
                format!("{} s", from.as_secs()),
                tally.accepted.to_string(),
                tally.answered.to_string(),
                tally.refused.to_string(),
                tally.failed.to_string(),
                tally.abandoned.to_string(),
                format!("{}{mark}", vendors.join(" · ")),
            ]
        })
        .collect();
    let header = ["from", "accepted>", "answered>", "refused>", "failed>", "abandoned>", "by vendor"];
    format!("{}\n{}", heading(&format!("Requests by time, in {unit}")), table(&header, &rows, width))
}

fn balance(facts: &Facts) -> String {
    let tally = facts.tally;
    let mark = |holds: bool| if holds { "exact" } else { "WRONG" };
    let answered = facts.seen(|end| *end == End::Answered);
    let left = facts.seen(|end| *end == End::Left);
    format!(
        "{}\n  ledger   {} accepted = {} answered + {} refused + {} failed + {} abandoned: {}\n  \
         clients  {} sent; they saw {answered} answers, {} errors, and left {left} by themselves: {}",
        heading("Balance"),
        tally.accepted,
        tally.answered,
        tally.refused,
        tally.failed,
        tally.abandoned,
        mark(facts.is_balanced()),
        facts.sent,
        facts.seen(is_error),
        if facts.books_agree() { "as in the ledger" } else { "NOT as in the ledger" },
    )
}

fn reflex(facts: &Facts) -> String {
    let title = heading("The reflex");
    let Some(blocked) = facts.blocked_at else { return format!("{title}\n  the source never blocked") };
    let Some(cut) = facts.cut_at else { return format!("{title}\n  {} blocked and was NOT cut", facts.source) };
    let at = blocked.since(facts.begun_at).as_secs_f64();
    let cut_after = cut.since(blocked).as_millis();
    let met = facts.met_the_block;
    let mut text = format!(
        "{title}\n  from {at:.1} s on {source} answers the region block; {cut_after} ms later, with the first block that came back, \
         it was cut for everybody.\n  \
         {met} request{s} met the block and {was} sent on to a destination; {later} there after the cut.",
        source = facts.source,
        was = if met == 1 { "was" } else { "were" },
        later = match facts.after_the_cut {
            0 => "none arrived".to_owned(),
            many => format!("{many} already on the way arrived"),
        },
        s = if met == 1 { "" } else { "s" },
    );
    if let Some((first, seen)) = facts.first_answer_after() {
        let after = first.since(blocked).as_millis();
        let target = seen.target.as_deref().unwrap_or("a destination");
        write!(text, "\n  first answer by a destination: {after} ms after the block began, from {target}.")
            .expect(WRITES);
    }
    text
}

fn latency(facts: &Facts, width: usize) -> String {
    let never = Timestamp(i64::MAX);
    let blocked = facts.blocked_at.unwrap_or(never);
    let cut = facts.cut_at.unwrap_or(never).max(blocked);
    let line = |name: &str, from: Timestamp, to: Timestamp| {
        let sent = |seen: &&Observed| seen.end == End::Answered && from <= seen.sent_at && seen.sent_at < to;
        let answered: Vec<_> = facts.observed.iter().filter(sent).collect();
        let first: Vec<_> = answered.iter().filter(|seen| seen.stream).filter_map(|seen| seen.first_content).collect();
        let total: Vec<_> = answered.iter().map(|seen| seen.total).collect();
        let times = [&first, &total].map(|times| [percentile(times, 50.0), percentile(times, 95.0)]).concat();
        [vec![name.to_owned(), total.len().to_string()], times].concat()
    };
    let rows = [
        line("sent before the block", Timestamp(0), blocked),
        line("between block and cut", blocked, cut),
        line("after the cut", cut, never),
    ];
    let header = ["", "answers>", "first content p50>", "p95>", "whole answer p50>", "p95>"];
    format!(
        "{}\n{}\n  The sandbox gives every vendor the same pace: what counts is how little the three lines differ.",
        heading("Latency, as clients saw it (first content: streams only)"),
        table(&header, &rows, width)
    )
}

fn percentile(times: &[Duration], at: f64) -> String {
    let Ok(mut histogram) = Histogram::<u32>::new_with_bounds(1, LATENCY_MS_MAX, 3) else { return "?".to_owned() };
    for time in times {
        histogram.saturating_record(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }
    if times.is_empty() { "-".to_owned() } else { format!("{} ms", histogram.value_at_percentile(at)) }
}

fn targets(facts: &Facts, width: usize) -> String {
    let mut sums = std::collections::BTreeMap::new();
    let mut unpriced = 0;
    let rows: Vec<_> = facts
        .targets()
        .iter()
        .map(|line| {
            for (currency, micros) in &line.cost_micros {
                *sums.entry(*currency).or_insert(0) += micros;
            }
            unpriced += line.unpriced;
            let mut costs: Vec<_> =
                line.cost_micros.iter().map(|(currency, micros)| money(*micros, currency)).collect();
            if line.unpriced > 0 {
                costs.push(format!("{} without a known price", line.unpriced));
            }
            vec![
                line.name.clone(),
                line.requests.to_string(),
                line.prompt.to_string(),
                line.completion.to_string(),
                costs.join(", "),
            ]
        })
        .collect();
    let header = ["target", "requests>", "tokens in>", "tokens out>", "cost"];
    let each: Vec<_> = sums.iter().map(|(currency, micros)| money(*micros, currency)).collect();
    let rate = facts.cny_per_usd;
    let in_cny: f64 = sums
        .iter()
        .map(|(currency, micros)| *micros as f64 / if *currency == "USD" { MICROS / rate } else { MICROS })
        .sum();
    let mut text = format!(
        "{}\n{}\n",
        heading("Targets, tokens and cost (list prices of the profiles)"),
        table(&header, &rows, width)
    );
    writeln!(text, "  each in its own currency: {}", each.join(" + ")).expect(WRITES);
    write!(
        text,
        "  as one sum: {in_cny:.4} CNY or {:.4} USD, at an assumed {rate} CNY for a dollar (--cny-per-usd changes it)",
        in_cny / rate
    )
    .expect(WRITES);
    text
}

fn money(micros: i64, currency: &str) -> String {
    format!("{:.4} {currency}", micros as f64 / MICROS)
}

fn losses(facts: &Facts, width: usize) -> String {
    let rows: Vec<_> = facts
        .targets()
        .iter()
        .flat_map(|line| {
            let row = |((level, param), (count, why)): (&(banjia_types::LossLevel, String), &(u64, String))| {
                vec![line.name.clone(), param.clone(), level.to_string(), count.to_string(), why.clone()]
            };
            line.losses.iter().map(row).collect::<Vec<_>>()
        })
        .collect();
    let title = heading("What requests lost on the way (nothing is dropped in silence)");
    if rows.is_empty() {
        return format!("{title}\n  nothing");
    }
    format!(
        "{title}\n{}\n  Vectors of another model live in another space: an index must be rebuilt, never mixed.",
        table(&["target", "parameter", "level", "requests>", "for example"], &rows, width)
    )
}

fn errors(facts: &Facts) -> Option<String> {
    let errors = facts.errors();
    if errors.is_empty() {
        return None;
    }
    let lines: Vec<_> = errors.iter().map(|(text, count)| format!("  {count} x {text}")).collect();
    Some(format!("{}\n{}", heading("Errors that clients saw"), lines.join("\n")))
}

fn conclusion(facts: &Facts) -> String {
    let after = facts.cut_at.map_or(0, |cut| {
        facts.rows.iter().filter(|row| row.accepted_at >= cut && row.outcome == banjia_types::Outcome::Answered).count()
    });
    match facts.verdict() {
        crate::demo::cut_off::Verdict::Held => format!(
            "\nThe business ran on: {} answers, {after} of them after the cut, no error seen by a client, no request without an end.",
            facts.tally.answered
        ),
        crate::demo::cut_off::Verdict::Broke => format!(
            "\nThe demo did NOT hold: {} errors seen by clients, balance {}, books {}.",
            facts.seen(is_error),
            if facts.is_balanced() { "exact" } else { "not exact" },
            if facts.books_agree() { "agree" } else { "differ" },
        ),
    }
}

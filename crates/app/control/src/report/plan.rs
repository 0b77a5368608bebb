//! The plan as a page: Markdown, or HTML that stands alone.
//!
//! Rules: both are made of the same blocks, so they say the same; every text from outside is
//! escaped; an unknown figure is said to be unknown; the page loads nothing from anywhere.

mod move_text;
mod words;

use super::page::{self, Block};
use banjia_movement::plan::{Cost, Plan, Ranked, RoutePlan};
use banjia_types::calendar;
use banjia_types::{Money, Timestamp};
use chrono_tz::Tz;
pub(super) use words::Words;

pub use move_text::move_text;
pub use words::Lang;

/// Losses shown for one candidate; the rest are in the JSON.
const COUNTS_SHOWN: usize = 8;

/// The plan in Markdown.
pub fn markdown(plan: &Plan, zone: Tz, lang: Lang) -> String {
    page::markdown(&blocks(plan, zone, Words(lang)))
}

/// The plan in HTML, with its style and without scripts.
pub fn html(plan: &Plan, zone: Tz, lang: Lang) -> String {
    let words = Words(lang);
    page::html(&blocks(plan, zone, words), words.code(), words.title())
}

fn blocks(plan: &Plan, zone: Tz, words: Words) -> Vec<Block> {
    let when = |at: Timestamp| calendar::show(at, zone);
    let seen = &plan.coverage;
    let mut page = vec![
        Block::Head(1, words.title().to_owned()),
        Block::Text(words.made(&when(plan.now), &when(plan.deadline))),
        Block::Text(words.rate(&plan.rate)),
        Block::Text(words.coverage(seen)),
        Block::Head(2, words.say("Timetable", "时间表").to_owned()),
        Block::Text(words.slack(plan.timetable.slack_hours)),
    ];
    let steps = plan.timetable.steps.iter();
    let steps = steps.map(|step| vec![words.stage(step.stage), when(step.latest_start), step.hours.to_string()]);
    page.push(Block::Table(
        words.heads(&[("stage", "阶段"), ("begins at the latest", "最迟开始"), ("hours", "小时")]),
        steps.collect(),
    ));
    let heads = [
        ("route", "路由"),
        ("today", "现用"),
        ("to", "目标"),
        ("second", "备选"),
        ("cost today", "现费用"),
        ("cost there", "新费用"),
        ("a month today", "现每月"),
        ("a month there", "新每月"),
    ];
    let row = |route: &RoutePlan| {
        let name =
            |target: &Option<banjia_types::Target>| target.as_ref().map_or_else(|| "—".to_owned(), ToString::to_string);
        let chosen = route.ranked.iter().find(|ranked| Some(&ranked.target) == route.destination.as_ref());
        let after = chosen.map_or_else(|| "—".to_owned(), |ranked| cost(&ranked.after, words));
        let there = chosen.map_or_else(|| "—".to_owned(), |ranked| a_month(&ranked.after, seen.span_days, words));
        let names = [route.route.to_string(), name(&route.source), name(&route.destination), name(&route.second)];
        names
            .into_iter()
            .chain([cost(&route.before, words), after, a_month(&route.before, seen.span_days, words), there])
            .collect()
    };
    page.push(Block::Head(2, words.say("Destinations", "去向").to_owned()));
    page.push(Block::Table(words.heads(&heads), plan.routes.iter().map(row).collect()));
    page.push(Block::Text(words.cost_note().to_owned()));
    for route in &plan.routes {
        page.extend(ranking(route, zone, words));
    }
    page.extend(capacity(plan, words));
    for (title, notes) in [
        (words.say("To be decided by a person", "须由人决定"), &plan.decisions),
        (words.say("Risks", "风险"), &plan.risks),
    ] {
        page.push(Block::Head(2, title.to_owned()));
        let mut notes: Vec<String> = notes.iter().map(|note| words.note(note, zone)).collect();
        if notes.is_empty() {
            notes.push(words.say("none was found", "未发现").to_owned());
        }
        page.push(Block::List(notes));
    }
    page
}

fn ranking(route: &RoutePlan, zone: Tz, words: Words) -> Vec<Block> {
    let mut page = vec![Block::Head(3, format!("{} ({})", route.route, words.requests(route.requests)))];
    let row = |(place, ranked): (usize, &Ranked)| {
        let place = if ranked.is_fit { (place + 1).to_string() } else { "✗".to_owned() };
        let mut reasons: Vec<String> = ranked.reasons.iter().map(|reason| words.reason(reason, zone)).collect();
        reasons.extend(ranked.warning.clone());
        if ranked.unconfirmed {
            reasons.push(words.say("facts unconfirmed", "资料未经证实").to_owned());
        }
        vec![
            place,
            ranked.target.to_string(),
            reasons.join(words.say("; ", "；")),
            cost(&ranked.after, words),
            ranked.source.clone(),
        ]
    };
    let heads =
        [("place", "名次"), ("candidate", "候选"), ("why", "理由"), ("cost", "费用"), ("facts from", "资料来源")];
    page.push(Block::Table(words.heads(&heads), route.ranked.iter().enumerate().map(row).collect()));
    if let Some(rebuild) = &route.rebuild {
        page.push(Block::Text(words.rebuild(rebuild)));
    }
    let counts = route.ranked.iter().filter(|ranked| ranked.is_fit).flat_map(|ranked| {
        ranked.losses.counts.iter().take(COUNTS_SHOWN).map(|count| {
            let of = format!("{} / {}", count.requests, ranked.losses.tested);
            vec![
                ranked.target.to_string(),
                count.param.clone(),
                words.level(count.level).to_owned(),
                of,
                count.why.clone(),
            ]
        })
    });
    let counts: Vec<_> = counts.collect();
    if !counts.is_empty() {
        let heads = [
            ("candidate", "候选"),
            ("parameter", "参数"),
            ("loss", "损失"),
            ("requests", "请求"),
            ("for example", "例如"),
        ];
        page.push(Block::Table(words.heads(&heads), counts));
    }
    page
}

fn capacity(plan: &Plan, words: Words) -> Vec<Block> {
    let of = |peak: String, limit: Option<u64>| match limit {
        Some(limit) => format!("{peak} / {limit}"),
        None => format!("{peak} / ?"),
    };
    let rows = plan.capacity.iter().map(|row| {
        let (peaks, limits) = (&row.peaks, &row.limits);
        let concurrency = format!("{} (λW {:.1})", peaks.concurrency, peaks.concurrency_by_rate);
        vec![
            row.target.to_string(),
            limits.tier.clone().unwrap_or_else(|| "?".to_owned()),
            of(peaks.requests_per_minute.to_string(), limits.requests_per_minute),
            of(peaks.tokens_per_minute.to_string(), limits.tokens_per_minute),
            of(concurrency, limits.concurrency),
            row.binds.map_or_else(|| words.unknown().to_owned(), |bound| words.bound(bound).to_owned()),
            row.headroom.map_or_else(|| words.unknown().to_owned(), |left| format!("{:.0} %", left * 100.0)),
        ]
    });
    let heads = [
        ("destination", "目标"),
        ("tier", "档位"),
        ("requests a minute", "每分钟请求"),
        ("tokens a minute", "每分钟 token"),
        ("at once", "并发"),
        ("tight", "瓶颈"),
        ("left at the peak", "峰值余量"),
    ];
    vec![
        Block::Head(2, words.say("Capacity: peak seen / limit", "容量：所见峰值 / 限额").to_owned()),
        Block::Table(words.heads(&heads), rows.collect()),
    ]
}

/// The days of a month of costs.
const MONTH_DAYS: i128 = 30;

/// The cost of a survey's traffic in a month, if it goes on as it was seen.
fn a_month(cost: &Cost, span_days: u64, words: Words) -> String {
    let days = i128::from(span_days.max(1));
    let month = |money: Money| cents((i128::from(money.micros) * MONTH_DAYS).div_euclid(days), money.currency);
    match (cost.cny, cost.usd) {
        (Some(cny), Some(usd)) => format!("{} = {}", month(cny), month(usd)),
        _ => words.unknown().to_owned(),
    }
}

fn cents(micros: i128, currency: banjia_types::Currency) -> String {
    let cents = (micros + 5_000).div_euclid(10_000);
    format!("{}.{:02} {currency}", cents / 100, cents % 100)
}

/// Both currencies to the cent, and what it is of.
fn cost(cost: &Cost, words: Words) -> String {
    let cents = |money: Money| cents(i128::from(money.micros), money.currency);
    match (cost.cny, cost.usd) {
        (Some(cny), Some(usd)) => format!("{} = {} ({})", cents(cny), cents(usd), words.requests(cost.requests)),
        _ => words.unknown().to_owned(),
    }
}

#[cfg(test)]
mod tests;

//! Questions to the ledger, against sums done by hand.

use crate::{row, target};
use banjia_store::{Location, LossCount, Period, Row, Store, WriterConfig};
use banjia_types::{Currency, Loss, LossLevel, Money, Outcome, Tally, Timestamp, Usage};
use std::time::Duration;

async fn filled(rows: impl IntoIterator<Item = Row>) -> Store {
    let store = Store::open(&Location::Temporary).await.unwrap();
    let ledger = store.ledger_writer(&WriterConfig::default()).await.unwrap();
    for row in rows {
        ledger.try_reserve().unwrap().fill(row);
    }
    ledger.close().await.unwrap();
    store
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[tokio::test]
async fn percentiles_are_nearest_rank_over_answered_requests() {
    let mut rows: Vec<Row> = (1..=200_u32)
        .map(|n| {
            let mut row = row(n.into(), 0, Outcome::Answered);
            row.first_content_ms = Some(n);
            row.ended_at = Timestamp(i64::from(n) * 10);
            row
        })
        .collect();
    rows.push(Row { first_content_ms: Some(99_999), ..row(1_000, 0, Outcome::Failed) });
    let mut single = row(1_001, 0, Outcome::Answered);
    single.target = Some(target("alibaba/qwen-max"));
    rows.push(single);
    let store = filled(rows).await;
    let latency = store.latency(Period::ALWAYS).await.unwrap();
    assert_eq!(latency.len(), 2);
    assert_eq!(latency[0].target, Some(target("alibaba/qwen-max")));
    assert_eq!((latency[0].first_content.count, latency[0].total.count), (0, 1));
    assert_eq!((latency[0].total.p50, latency[0].total.p99), (ms(100), ms(100)));
    let first = latency[1].first_content;
    assert_eq!((first.count, first.p50, first.p95, first.p99, first.max), (200, ms(100), ms(190), ms(198), ms(200)));
    assert_eq!((latency[1].total.p50, latency[1].total.max), (ms(1_000), ms(2_000)));
}

#[tokio::test]
async fn targets_losses_and_costs_add_up() {
    let zhipu = |n, outcome| {
        let mut row = row(n, 60_000, outcome);
        row.attempts = 2;
        row.usage = Some(Usage { prompt: 10, completion: 5, cached: 4, reasoning: 1 });
        row.cost = Some(Money { micros: 1_500, currency: Currency::Cny });
        row.losses = vec![Loss::new("temperature", LossLevel::Degraded, "clamped")];
        row
    };
    let mut both = zhipu(3, Outcome::Answered);
    both.losses.push(Loss::new("logit_bias", LossLevel::Dropped, "unknown there"));
    let mut other = row(4, 60_000, Outcome::Answered);
    other.target = Some(target("openai/gpt-4o"));
    other.cost = Some(Money { micros: 7, currency: Currency::Usd });
    let mut nowhere = row(5, 60_000, Outcome::Refused);
    nowhere.target = None;
    let rows = [zhipu(1, Outcome::Answered), zhipu(2, Outcome::Failed), both, other, nowhere];
    let store = filled(rows).await;

    let sums = store.by_target(Period::ALWAYS).await.unwrap();
    assert_eq!(sums.len(), 3);
    assert_eq!(sums[0].target, Some(target("zhipu/glm-4.7")));
    assert_eq!(sums[0].tally, Tally { accepted: 3, answered: 2, failed: 1, ..Tally::default() });
    assert_eq!(sums[0].attempts, 6);
    assert_eq!(sums[0].usage, Usage { prompt: 30, completion: 15, cached: 12, reasoning: 3 });
    assert!(sums.iter().any(|s| s.target.is_none() && s.tally.refused == 1));

    let loss = |param: &str, level, requests| LossCount {
        target: Some(target("zhipu/glm-4.7")),
        param: param.to_owned(),
        level,
        requests,
    };
    let losses = store.losses(Period::ALWAYS).await.unwrap();
    assert_eq!(losses, [loss("temperature", LossLevel::Degraded, 3), loss("logit_bias", LossLevel::Dropped, 1)]);

    let costs = store.costs(Period::ALWAYS).await.unwrap();
    let money = |micros, currency| Money { micros, currency };
    assert_eq!(costs, [money(4_500, Currency::Cny), money(7, Currency::Usd)]);
}

#[tokio::test]
async fn a_period_is_half_open_and_a_tally_counts_the_whole_minutes_that_it_touches() {
    let store = filled((0..4).map(|n| row(n, i64::try_from(n).unwrap() * 60_000 + 30_000, Outcome::Answered))).await;
    let period = Period { from: Timestamp(90_000), to: Timestamp(150_000) };
    let sums = store.by_target(period).await.unwrap();
    assert_eq!(sums[0].tally.answered, 1, "90 s is in, 150 s is not");
    let minutes = store.tally(period).await.unwrap();
    let one = Tally { accepted: 1, answered: 1, ..Tally::default() };
    assert_eq!(minutes, [(Timestamp(60_000), one), (Timestamp(120_000), one)]);
}

#[tokio::test]
async fn pages_of_a_period_hold_every_row_once_also_of_the_same_moment() {
    let store = filled((0..7).map(|n| row(n, i64::try_from(n / 3).unwrap(), Outcome::Answered))).await;
    let period = Period { from: Timestamp(0), to: Timestamp(2) };
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.rows_after(period, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.accepted_at, last.request_id));
        seen.extend(page.iter().map(|row| row.request_id.0.as_u128()));
    }
    assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
}

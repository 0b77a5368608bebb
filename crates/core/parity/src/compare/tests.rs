use super::*;
use crate::expect::Expect;
use crate::pair::Answer;
use banjia_types::{Currency, Money};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use std::sync::Arc;

/// Answers "yes" where the assertion wants it, else "no".
fn answer(passes: bool, ms: u32) -> Answer {
    let text = if passes { "yes, certainly" } else { "no, never" };
    let body = json!({"choices": [{"finish_reason": "stop", "message": {"content": text}}]});
    Answer { body: Some(body), total_ms: Some(ms), first_content_ms: Some(ms / 2), ..Answer::default() }
}

/// `n` pairs with a source that passes with probability `source` and a destination with
/// `destination`.
fn pairs(n: usize, source: f64, destination: f64, repeats: usize, seed: u64) -> Vec<Pair> {
    let mut dice = StdRng::seed_from_u64(seed);
    let expectation = Arc::new(serde_json::from_str::<Expect>(r#"{"contains": "yes"}"#).unwrap().compile().unwrap());
    let request = json!({"messages": [{"role": "user", "content": "Is it so?"}]});
    (0..n)
        .map(|number| {
            let slow = dice.random_range(100..400);
            let mut draw = |p: f64| answer(dice.random_bool(p), slow + dice.random_range(0..100));
            Pair {
                id: format!("r{number}"),
                request: request.clone(),
                source: draw(source),
                repeats: (0..repeats).map(|_| draw(source)).collect(),
                destination: draw(destination),
                expectations: vec![expectation.clone()],
                ..Pair::default()
            }
        })
        .collect()
}

fn only(axis: Axis, margin: f64) -> ComparisonRules {
    ComparisonRules { margins: [(axis, margin)].into(), draws: 300, ..ComparisonRules::default() }
}

fn axis(report: &Report, axis: Axis) -> &AxisReport {
    report.axes.iter().find(|found| found.axis == axis).unwrap()
}

#[test]
fn equal_worse_and_too_few_are_told_apart() {
    let rules = only(Axis::Assertions, 0.05);
    let verdict = |n, source, destination| {
        let report = compare(&pairs(n, source, destination, 0, 5), &rules, 1);
        (report.verdict, axis(&report, Axis::Assertions).reason)
    };
    assert_eq!(verdict(1_000, 0.95, 0.95), (Finding::Equal, Reason::WithinMargin));
    assert_eq!(verdict(1_000, 0.95, 0.80), (Finding::Worse, Reason::Below));
    assert_eq!(verdict(60, 0.95, 0.92), (Finding::NotEnoughData, Reason::TooWide));
    assert_eq!(verdict(10, 0.95, 0.10), (Finding::NotEnoughData, Reason::FewPairs));
    assert_eq!(compare(&[], &rules, 1).verdict, Finding::NotEnoughData);
}

#[test]
fn missing_data_gives_the_deciding_number() {
    let report = compare(&pairs(60, 0.95, 0.95, 0, 5), &only(Axis::Assertions, 0.02), 1);
    let found = axis(&report, Axis::Assertions);
    assert!(found.needed_pairs.unwrap() > 300, "{found:?}");
    assert!(found.interval.unwrap().lower < -0.02);
    // Without a margin nothing is judged, and without repeats the source's noise is not known.
    assert_eq!(axis(&report, Axis::Refusal).verdict, Finding::NotJudged);
    assert_eq!(axis(&report, Axis::Length).reason, Reason::NoRepeats);
    let left: Vec<_> = report.left_out.iter().map(|left| (left.axis, left.why)).collect();
    assert!(
        left.contains(&(Axis::Json, Absent::NotAsked)) && left.contains(&(Axis::Meaning, Absent::NoInput)),
        "{left:?}"
    );
}

#[test]
fn a_small_loss_within_the_margin_is_equal_and_named() {
    let mut all = pairs(4_000, 0.98, 0.98, 0, 9);
    for (number, pair) in all.iter_mut().enumerate() {
        pair.source = answer(true, 100);
        pair.destination = answer(number % 100 != 0, 100);
    }
    let found = compare(&all, &only(Axis::Assertions, 0.02), 1);
    let found = axis(&found, Axis::Assertions);
    assert_eq!((found.verdict, found.reason), (Finding::Equal, Reason::SmallLoss));
    assert!((found.difference + 0.01).abs() < 1e-9);
}

#[test]
fn repeats_show_noise_and_narrow_the_interval() {
    let width = |repeats| {
        let report = compare(&pairs(800, 0.8, 0.8, repeats, 3), &only(Axis::Assertions, 0.05), 1);
        let found = axis(&report, Axis::Assertions).clone();
        (found.interval.unwrap().upper - found.interval.unwrap().lower, found.noise)
    };
    let (single, many) = (width(0), width(4));
    assert!(many.0 < 0.85 * single.0, "{many:?} {single:?}");
    assert_eq!(single.1, None);
    // Two answers that pass with 0.8 differ in 2 * 0.8 * 0.2 of the cases.
    assert!((many.1.unwrap() - 0.32).abs() < 0.02);
}

#[test]
fn times_and_cost_are_ratios_and_slower_is_worse() {
    let mut all = pairs(200, 0.9, 0.9, 0, 4);
    for pair in &mut all {
        pair.destination.total_ms = pair.source.total_ms.map(|ms| ms * 2);
        let money = |micros| Some(Money { micros, currency: Currency::Usd });
        (pair.source.cost, pair.destination.cost) = (money(1_000), money(500));
    }
    let report = compare(&all, &only(Axis::Latency, 0.25), 1);
    let found = axis(&report, Axis::Latency);
    assert_eq!(found.verdict, Finding::Worse);
    assert!((found.difference + 1.0).abs() < 0.2, "{found:?}");
    let cost = axis(&report, Axis::Cost);
    assert!((cost.difference - 0.5).abs() < 1e-9 && cost.verdict == Finding::NotJudged);
    assert_eq!(report.times[1].source.len(), 101);
    for pair in &mut all {
        pair.destination.cost = Some(Money { micros: 7_000, currency: Currency::Cny });
    }
    let report = compare(&all, &ComparisonRules::default(), 1);
    assert!(report.left_out.iter().any(|left| left.why == Absent::TwoCurrencies));
    let report = compare(&all, &ComparisonRules { cny_per_usd: Some(7.0), ..ComparisonRules::default() }, 1);
    assert!(axis(&report, Axis::Cost).difference.abs() < 1e-9);
}

#[test]
fn an_alarm_among_many_axes_must_be_louder() {
    let one = |axis, p| AxisReport {
        p_worse: Some(p),
        interval: Some(Interval { lower: -0.1, upper: -0.001 }),
        margin: Some(0.02),
        ..silent(axis, 100, Reason::FewPairs, &ComparisonRules::default())
    };
    let mut alone = [one(Axis::Json, 0.03)];
    judge(&mut alone, &ComparisonRules::default());
    assert_eq!(alone[0].verdict, Finding::Worse);
    let mut many = [one(Axis::Json, 0.03), one(Axis::Schema, 0.5), one(Axis::Refusal, 0.6)];
    judge(&mut many, &ComparisonRules::default());
    assert_eq!((many[0].verdict, many[0].reason), (Finding::NotEnoughData, Reason::OneOfMany));
    assert!((many[0].p_worse.unwrap() - 0.09).abs() < 1e-12);
}

#[test]
fn the_worst_pairs_lose_most_and_stand_side_by_side() {
    let mut all = pairs(100, 1.0, 1.0, 0, 4);
    all[7].destination = answer(false, 100);
    let report = compare(&all, &only(Axis::Assertions, 0.05), 1);
    assert_eq!(report.worst.len(), 1);
    assert_eq!(report.worst[0].id, "r7");
    assert_eq!(report.worst[0].lost[0].axis, Axis::Assertions);
    assert!(report.worst[0].destination.iter().any(|part| part.differs && part.text.contains("never")));
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let all = pairs(150, 0.9, 0.85, 2, 11);
    let report = compare(&all, &ComparisonRules::default(), 42);
    assert_eq!(report, compare(&all, &ComparisonRules::default(), 42));
}

#[test]
fn a_report_survives_json() {
    let report = compare(&pairs(150, 0.9, 0.85, 2, 11), &ComparisonRules::default(), 42);
    let read: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(read.axes.len(), report.axes.len());
    assert_eq!(read.verdict, report.verdict);
}

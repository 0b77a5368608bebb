use super::*;
use crate::survey::{Language, ObservedExchange, RequestShape, Traffic, fold};
use banjia_types::{Currency, Money, PriceTier, Stage, Usage};

const HOUR: i64 = 3_600_000;

fn survey(prompts: &[u64], cost: Option<i64>) -> Survey {
    let mut survey = Survey::default();
    for (number, prompt) in (0..).zip(prompts) {
        let traffic = Traffic {
            at: Timestamp(1_720_000_000_000 + number * 1_000),
            took_ms: 3_000,
            target: Some("openai/gpt-4o".parse().unwrap()),
            endpoint: "chat".into(),
            stream: false,
            usage: Some(Usage { prompt: *prompt, completion: 100, cached: prompt / 2, reasoning: 0 }),
            cost: cost.map(|micros| Money { micros, currency: Currency::Usd }),
        };
        let shape = RequestShape {
            params: vec![],
            tools: vec![],
            schema: false,
            images: number == 0,
            language: Language::En,
            request_bytes: 10,
            dimensions: None,
            client: None,
        };
        fold(&mut survey, ObservedExchange { route: "shop".into(), traffic: Some(traffic), shape: Some(shape) });
    }
    survey
}

fn candidate(target: &str, input: Option<i64>) -> Candidate {
    let tier =
        |input_below, input| PriceTier { input_below, input, output: 0, cached: Some(0), ..PriceTier::default() };
    let price = input.map(|input| Price {
        currency: Currency::Cny,
        tiers: vec![tier(Some(32_000), input * 1_000_000), tier(None, input * 10_000_000)],
    });
    let facts = Facts { price, context: Some(128_000), serves: Some(true), ..Facts::default() };
    Candidate { target: target.parse().unwrap(), facts, losses: Losses { tested: 4, ..Losses::default() } }
}

fn made(survey: &Survey, candidates: Vec<Candidate>, now: i64) -> Plan {
    let candidates = BTreeMap::from([("shop".into(), candidates)]);
    plan(&PlanInput {
        survey,
        candidates: &candidates,
        sources: &BTreeMap::new(),
        rate: &Rate { cny_per_usd: 7.0, as_of: "2024-07-01".into(), source: "a test".into() },
        deadline: Timestamp(240 * HOUR),
        now: Timestamp(now),
        durations: Durations::default(),
    })
}

fn order(plan: &Plan) -> Vec<&str> {
    plan.routes[0].ranked.iter().map(|ranked| ranked.target.model.as_str()).collect()
}

#[test]
fn a_ranking_weighs_losses_before_price() {
    let survey = survey(&[100, 100, 100, 60_000], None);
    let mut lossy = candidate("a/lossy", Some(1));
    lossy.losses.dropped = 1;
    let mut short = candidate("a/short", Some(1));
    short.facts.context = Some(32_000);
    let mut narrow = candidate("a/narrow", Some(1));
    narrow.facts.limits.concurrency = Some(2);
    let mut gone = candidate("a/gone", Some(1));
    gone.facts.shutdown = Some(Timestamp(239 * HOUR));
    let mut barred = candidate("a/barred", Some(1));
    barred.facts.serves = Some(false);
    let all = vec![
        gone,
        lossy,
        short,
        narrow,
        candidate("b/dear", Some(9)),
        candidate("a/cheap", Some(2)),
        barred,
        candidate("a/unpriced", None),
        candidate("a/fair", Some(3)),
    ];
    let plan = made(&survey, all, 0);
    assert_eq!(order(&plan), ["cheap", "fair", "dear", "unpriced", "narrow", "short", "lossy", "barred", "gone"]);
    let route = &plan.routes[0];
    assert_eq!(route.destination.as_ref().unwrap().to_string(), "a/cheap");
    assert_eq!(route.second.as_ref().unwrap().to_string(), "b/dear", "another vendor before a cheaper one");
    let reasons = |at: usize| route.ranked[at].reasons.clone();
    assert!(reasons(4).contains(&Reason::OverLimit { bound: Bound::Concurrency, peak: 3, limit: 2 }));
    assert!(reasons(5).contains(&Reason::TooLong { longest: 60_100, context: 32_000, requests_at_most: 1 }));
    assert!(reasons(6).contains(&Reason::Dropped { requests: 1, of: 4 }));
    assert_eq!(reasons(7)[0], Reason::NotServed);
    assert!(!route.ranked[8].is_fit);
}

#[test]
fn a_cost_is_by_tier_and_unknown_is_never_zero() {
    let survey = survey(&[1_000, 1_000, 40_000], Some(500_000));
    let plan = made(&survey, vec![candidate("a/known", Some(2)), candidate("a/unknown", None)], 0);
    let route = &plan.routes[0];
    // 1,000 uncached at 2 and 20,000 uncached at 20 CNY a million.
    assert_eq!(route.ranked[0].after.cny.unwrap().micros, 2_000 + 400_000);
    assert_eq!(route.ranked[0].after.usd.unwrap().micros, 57_429);
    assert_eq!((route.before.basis, route.before.usd.unwrap().micros), (Basis::Recorded, 1_500_000));
    assert_eq!(route.before.cny.unwrap().micros, 10_500_000);
    let unknown = &route.ranked[1].after;
    assert_eq!((unknown.cny, unknown.usd, unknown.basis), (None, None, Basis::Unknown));
}

#[test]
fn the_timetable_counts_back_from_the_deadline() {
    let survey = survey(&[1], None);
    let plan = made(&survey, vec![candidate("a/b", Some(1))], 2 * HOUR);
    let starts: Vec<_> = plan.timetable.steps.iter().map(|step| (step.stage, step.latest_start.0 / HOUR)).collect();
    let wanted =
        [(Stage::Record, 0), (Stage::Shadow, 72), (Stage::Canary, 168), (Stage::Live, 216), (Stage::Sealed, 240)];
    assert_eq!(starts, wanted);
    assert_eq!(plan.timetable.slack_hours, -2);
    assert!(plan.risks.contains(&Note::Late { hours: 2 }));
    assert_eq!(made(&survey, vec![], 1 - HOUR).timetable.slack_hours, 0, "a part of an hour is no hour of slack");
}

#[test]
fn decisions_for_people_are_listed() {
    let mut survey = survey(&[1], None);
    let none = made(&survey, vec![], 0);
    assert_eq!(none.decisions, [Note::NoDestination { route: "shop".into() }]);
    let mut lossy = candidate("a/b", Some(1));
    lossy.losses.refused = 2;
    lossy.facts.images = Some(false);
    let route = survey.routes.get_mut("shop").unwrap();
    route.endpoints = BTreeMap::from([("embeddings".to_owned(), 1)]);
    route.dimensions = BTreeMap::from([(1536, 1)]);
    lossy.facts.dimensions = vec![1024, 1536];
    let made = made(&survey, vec![lossy], 0);
    let target: Target = "a/b".parse().unwrap();
    let wanted = [
        Note::NoSecond { route: "shop".into() },
        Note::Lost { route: "shop".into(), requests: 2, of: 4 },
        Note::Rebuild { route: "shop".into(), target: target.clone() },
        Note::NoLimits { target },
    ];
    assert_eq!(made.decisions, wanted);
    assert_eq!(made.routes[0].rebuild.as_ref().unwrap().keeps_length, Some(true));
    assert!(made.routes[0].ranked[0].reasons.contains(&Reason::NoImages { requests: 1 }));
}

#[test]
fn two_routes_share_the_limits_of_a_destination() {
    let mut both = survey(&[1, 1, 1], None);
    let route = both.routes["shop"].clone();
    both.routes.insert("desk".into(), route);
    let mut shared = candidate("a/b", Some(1));
    shared.facts.limits.concurrency = Some(4);
    let candidates = BTreeMap::from([("shop".into(), vec![shared.clone()]), ("desk".into(), vec![shared])]);
    let plan = plan(&PlanInput {
        survey: &both,
        candidates: &candidates,
        sources: &BTreeMap::new(),
        rate: &Rate::default(),
        deadline: Timestamp(0),
        now: Timestamp(0),
        durations: Durations::default(),
    });
    let row = &plan.capacity[0];
    assert_eq!((row.routes.len(), row.peaks.concurrency, row.binds), (2, 6, Some(Bound::Concurrency)));
    assert_eq!(row.headroom, Some(-0.5));
    assert!(plan.routes.iter().all(|route| route.ranked[0].reasons.len() == 1), "each alone would fit");
}

use super::*;
use proptest::prelude::*;

fn seen(route: &str, at: i64, took_ms: u64, prompt: u64) -> ObservedExchange {
    let usage = Usage { prompt, completion: prompt / 3, ..Usage::default() };
    ObservedExchange {
        route: route.into(),
        traffic: Some(Traffic {
            at: Timestamp(at),
            took_ms,
            target: Some("openai/gpt-4o".parse().unwrap()),
            endpoint: "chat".into(),
            stream: took_ms.is_multiple_of(2),
            usage: Some(usage),
            cost: Some(Money { micros: 7, currency: Currency::Usd }),
        }),
        shape: Some(RequestShape {
            params: vec![format!("p{}: number", prompt % 3), "temperature: number".into()],
            tools: vec![],
            schema: prompt.is_multiple_of(5),
            images: false,
            language: Language::Zh,
            request_bytes: prompt,
            dimensions: None,
            client: Some("OpenAI/Python 1.40.0".into()),
        }),
    }
}

fn of(all: &[ObservedExchange]) -> Survey {
    let mut survey = Survey::default();
    all.iter().cloned().for_each(|seen| fold(&mut survey, seen));
    survey
}

fn exchanges() -> impl Strategy<Value = Vec<ObservedExchange>> {
    let exchange = (0..3_u8, 0..200_000_i64, 0..90_000_u64, 0..300_000_u64)
        .prop_map(|(route, at, took, prompt)| seen(&format!("r{route}"), at, took, prompt));
    proptest::collection::vec(exchange, 0..40)
}

proptest! {
    #[test]
    fn folding_and_merging_in_any_grouping_give_the_same(all in exchanges(), a in 0..40_usize, b in 0..40_usize) {
        let (a, b) = (a.min(b).min(all.len()), a.max(b).min(all.len()));
        let parts = [of(&all[..a]), of(&all[a..b]), of(&all[b..])];
        let mut left = parts[0].clone();
        left.merge(parts[1].clone());
        left.merge(parts[2].clone());
        let mut right = parts[1].clone();
        right.merge(parts[2].clone());
        let mut outer = parts[0].clone();
        outer.merge(right.clone());
        // And the other way round: a sum knows no order.
        right.merge(parts[0].clone());
        let whole = of(&all);
        prop_assert_eq!(&left, &whole);
        prop_assert_eq!(&outer, &whole);
        prop_assert_eq!(&right, &whole);
        let json = serde_json::to_string(&whole).unwrap();
        prop_assert_eq!(serde_json::from_str::<Survey>(&json).unwrap(), whole);
    }

    #[test]
    fn the_sweep_finds_what_looking_at_every_start_finds(all in exchanges()) {
        let survey = of(&all);
        let spans: Vec<(i64, i64)> = all
            .iter()
            .filter_map(|seen| seen.traffic.as_ref())
            .map(|traffic| (traffic.at.0, traffic.at.0 + traffic.took_ms.max(1).cast_signed()))
            .collect();
        let open_at = |at: i64| spans.iter().filter(|(from, to)| (*from..*to).contains(&at)).count() as u64;
        let most = spans.iter().map(|(from, _)| open_at(*from)).max().unwrap_or(0);
        prop_assert_eq!(peaks(survey.routes.values()).concurrency, most);
    }
}

#[test]
fn requests_that_only_touch_do_not_overlap() {
    let survey = of(&[seen("r", 0, 1_000, 10), seen("r", 1_000, 1_000, 10), seen("r", 1_500, 10, 10)]);
    let peaks = peaks(survey.routes.values());
    assert_eq!((peaks.concurrency, peaks.requests_per_minute, peaks.tokens_per_minute), (2, 3, 39));
    assert!((peaks.concurrency_by_rate - 3.0 / 60.0 * 0.67).abs() < 1e-9);
}

#[test]
fn a_bin_has_one_price_at_every_bound_of_the_profiles() {
    let bin_of = |prompt, completion| bin(&Usage { prompt, completion, ..Usage::default() });
    for bound in [32_000, 128_000, 200_000, 256_000] {
        assert_ne!(bin_of(bound - 1, 0), bin_of(bound, 0));
    }
    assert_ne!(bin_of(0, 199), bin_of(0, 200));
    assert_eq!(bin_of(0, 0), 0);
}

#[test]
fn coverage_reports_rare_and_unseen_uses() {
    let mut all: Vec<ObservedExchange> = (0..300).map(|at| seen("busy", at * 1_000, 10, 9)).collect();
    all.push(seen("quiet", 86_400_000, 10, 9));
    all[0].shape.as_mut().unwrap().params.push("logit_bias: object".into());
    let found_coverage = coverage(&of(&all));
    assert_eq!(
        (found_coverage.requests, found_coverage.shapes, found_coverage.days, found_coverage.span_days),
        (301, 301, 2, 2)
    );
    assert_eq!(found_coverage.unseen_at_most[0], ("busy".into(), Some(0.01)));
    let rare: Vec<_> =
        found_coverage.rare.iter().map(|rare| (rare.route.as_str(), rare.what.as_str(), rare.requests)).collect();
    assert_eq!(rare, [("busy", "logit_bias: object", 1), ("quiet", "the route itself", 1)]);
    assert_eq!((share_at_most(0), share_at_most(2)), (None, Some(1.0)));
}

#[test]
fn ledger_rows_are_traffic_captures_are_shapes() {
    let mut row = seen("r", 0, 10, 10);
    let shape = row.shape.take();
    let survey = of(&[row, ObservedExchange { route: "r".into(), traffic: None, shape }]);
    let route = &survey.routes["r"];
    assert_eq!((route.requests, route.shapes), (1, 1));
    assert_eq!(route.source().unwrap().0.to_string(), "openai/gpt-4o");
}

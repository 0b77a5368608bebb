use super::*;
use banjia_movement::plan::{Candidate, Durations, Facts, Limits, LossCount, Losses, PlanInput, Rate, plan};
use banjia_movement::survey::{Language, ObservedExchange, RequestShape, Survey, Traffic, fold};
use banjia_types::{Currency, LossLevel, Price, PriceTier, Usage};
use std::collections::BTreeMap;
use std::path::Path;

/// Forty requests of a shop over ten minutes, and a candidate of each kind. Route and warning try to break out of the page.
fn made() -> Plan {
    made_with(Losses { tested: 40, ..Losses::default() })
}

/// The same with other losses at the candidate that is chosen.
fn made_with(losses: Losses) -> Plan {
    let mut survey = Survey::default();
    for n in 0..40 {
        let traffic = Traffic {
            at: Timestamp(1_719_800_000_000 + n * 15_000),
            took_ms: 20_000,
            target: Some("openai/gpt-4o".parse().unwrap()),
            endpoint: "chat".into(),
            stream: n % 2 == 0,
            usage: Some(Usage { prompt: 1_000, completion: 300, cached: 200, reasoning: 0 }),
            cost: Some(Money { micros: 5_500, currency: Currency::Usd }),
        };
        let shape = RequestShape {
            params: vec!["logit_bias: object".into()],
            tools: vec![],
            schema: false,
            images: false,
            language: Language::Zh,
            request_bytes: 4_000,
            dimensions: None,
            client: None,
        };
        fold(
            &mut survey,
            ObservedExchange { route: "shop|<script>".into(), traffic: Some(traffic), shape: Some(shape) },
        );
    }
    let tiers = vec![PriceTier { input: 2_000_000, output: 8_000_000, ..PriceTier::default() }];
    let known = Facts {
        price: Some(Price { currency: Currency::Cny, tiers }),
        context: Some(200_000),
        limits: Limits { tier: Some("V1".into()), concurrency: Some(10), ..Limits::default() },
        source: "a price page (2024-06)".into(),
        warning: Some("<b>bold</b> & | \"quoted\"".into()),
        ..Facts::default()
    };
    let gone = Facts { shutdown: Some(Timestamp(1_720_000_000_000)), ..Facts::default() };
    let count = |level| LossCount { param: "logit_bias".into(), level, requests: 3, why: "not known there".into() };
    let lossy = Losses { tested: 40, dropped: 3, counts: vec![count(LossLevel::Dropped)], ..Losses::default() };
    let candidate = |target: &str, facts, losses| Candidate { target: target.parse().unwrap(), facts, losses };
    let all = vec![
        candidate("west/old", gone, Losses::default()),
        candidate("east/fair", Facts::default(), lossy),
        candidate("north/good", known, losses),
    ];
    plan(&PlanInput {
        survey: &survey,
        candidates: &BTreeMap::from([("shop|<script>".into(), all)]),
        sources: &BTreeMap::new(),
        rate: &Rate { cny_per_usd: 7.1, as_of: "2024-07-01".into(), source: "a test".into() },
        deadline: Timestamp(1_720_454_400_000),
        now: Timestamp(1_719_900_000_000),
        durations: Durations::default(),
    })
}

#[test]
fn the_pages_are_those_that_were_read_and_found_good() {
    let made = made();
    let zone = Tz::Asia__Shanghai;
    let pages = [("en.md", markdown(&made, zone, Lang::En)), ("zh.md", markdown(&made, zone, Lang::Zh))];
    for (name, page) in pages {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/plan/golden").join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &page).unwrap();
        }
        assert_eq!(page, std::fs::read_to_string(&path).unwrap_or_default(), "{name}");
    }
}

#[test]
fn the_plan_page_escapes_what_it_shows() {
    for lang in [Lang::En, Lang::Zh] {
        let page = html(&made(), Tz::UTC, lang);
        assert!(
            page.contains("shop|&lt;script&gt;") && page.contains("&lt;b&gt;bold&lt;/b&gt; &amp; | &quot;quoted&quot;")
        );
        for bad in ["<script", "<b>", "http://", "https://", "src=", "@import"] {
            assert!(!page.contains(bad), "{bad}");
        }
        assert_eq!(page.matches("<table>").count(), page.matches("</table>").count());
    }
}

#[test]
fn every_form_says_that_a_price_is_unknown() {
    let made = made();
    let page = markdown(&made, Tz::UTC, Lang::En);
    let row = page.lines().find(|line| line.starts_with("| 2 | east/fair")).unwrap();
    assert!(row.contains("price unknown") && row.contains("| unknown |"), "{row}");
    let json = serde_json::to_value(&made).unwrap();
    assert!(json["routes"][0]["ranked"][1]["after"]["cny"].is_null());
    assert_eq!(json["routes"][0]["destination"], "north/good");
}

#[test]
fn a_page_shows_hidden_characters() {
    let mut made = made();
    made.rate.source = "a\u{1b}[2J\u{202e}\rb".into();
    for page in [html(&made, Tz::UTC, Lang::En), markdown(&made, Tz::UTC, Lang::En)] {
        assert!(page.contains("a\\u001b[2J\\u202e"), "{page}");
        assert!(
            !page.chars().any(|character| character != '\n' && banjia_types::visible::is_hidden(character)),
            "{page}"
        );
    }
}

#[test]
fn the_move_of_a_plan_can_be_read() {
    let text = move_text(&made(), "leave-openai", Tz::Asia__Shanghai).unwrap();
    let spec =
        banjia_movement::spec::MoveSpec::parse(&text).unwrap_or_else(|problems| panic!("{problems:?} in\n{text}"));
    assert_eq!((spec.id.as_str(), spec.deadline), ("leave-openai", Timestamp(1_720_454_400_000)));
    let route = &spec.routes[0];
    assert_eq!(route.route.as_str(), "shop|<script>");
    assert_eq!(
        (route.source.to_string(), route.destination.to_string()),
        ("openai/gpt-4o".into(), "north/good".into())
    );
}

#[test]
fn a_plan_without_destinations_has_no_move() {
    let mut made = made();
    made.routes[0].destination = None;
    assert_eq!(move_text(&made, "x", Tz::UTC), None);
}

#[test]
fn a_plan_says_the_cost_of_a_month() {
    let page = markdown(&made(), Tz::UTC, Lang::En);
    // 40 requests of 0.0055 USD in a survey that spans one day.
    assert!(page.contains("| a month today |") && page.contains("46.86 CNY = 6.60 USD"), "{page}");
}

#[test]
fn a_loss_in_part_is_not_called_none() {
    let made = made_with(Losses { tested: 99, degraded: 23, ..Losses::default() });
    let page = markdown(&made, Tz::UTC, Lang::Zh);
    assert!(page.contains("99 个中 23 个部分满足") && !page.contains("无损失"), "{page}");
    assert!(page.contains("；") && page.contains("| 丢弃 |"), "{page}");
}

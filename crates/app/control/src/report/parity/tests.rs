use super::*;
use banjia_parity::compare::About;
use banjia_parity::{Answer, ComparisonRules, Expect, Pair, compare};
use serde_json::json;
use std::sync::Arc;

const HOSTILE: &str =
    "</pre></style><script>alert('x')</script><img src=x onerror=\"alert(1)\"> {{ 7 * 7 }} 'quoted' & so on";

fn answer(text: &str, ms: u32) -> Answer {
    Answer { body: Some(json!({"choices": [{"message": {"content": text}}]})), total_ms: Some(ms), ..Answer::default() }
}

fn report() -> Report {
    let wanted: Expect = serde_json::from_value(json!({"contains": "yes"})).unwrap();
    let wanted = Arc::new(wanted.compile().unwrap());
    let pairs: Vec<Pair> = (0..60)
        .map(|number| Pair {
            id: format!("<b>r{number}</b>"),
            request: json!({"messages": [{"role": "user", "content": HOSTILE}]}),
            source: answer("yes", 100 + number),
            destination: answer(if number % 2 == 0 { HOSTILE } else { "yes" }, 150 + number),
            expectations: vec![wanted.clone()],
            ..Pair::default()
        })
        .collect();
    let mut report = compare(&pairs, &ComparisonRules::default(), 1);
    report.about = About { source: "a/<i>".into(), destination: "b/m".into(), route: Some("<u>".into()) };
    report
}

#[test]
fn hostile_answers_stay_text() {
    for lang in [Lang::En, Lang::Zh] {
        let page = parity_html(&report(), lang);
        let lower = page.to_lowercase();
        for tag in ["<script", "<img", "<b>", "<i>", "<u>", "</style><"] {
            assert!(!lower.contains(tag), "{tag} came through");
        }
        assert!(page.contains("&lt;script&gt;") && page.contains("{{ 7 * 7 }}"));
        assert_eq!(lower.matches("</style>").count(), 1);
        assert!(!lower.contains("onerror=\""), "a quote would end an attribute");
    }
}

#[test]
fn the_parity_page_stands_alone() {
    let page = parity_html(&report(), Lang::En);
    for outside in ["src=", "href=", "url(", "@import", "http:", "https:"] {
        assert!(!page.replace("src=x", "").contains(outside), "{outside}");
    }
    assert!(page.contains("default-src &#x27;none&#x27;") || page.contains("default-src 'none'"));
    for wanted in ["worse", "assertions", "<svg", "<mark>", "90 %", "Left out"] {
        assert!(page.contains(wanted), "{wanted}");
    }
    let page = parity_html(&report(), Lang::Zh);
    for wanted in ["更差", "断言", "数据不足", "lang=\"zh\""] {
        assert!(page.contains(wanted), "{wanted}");
    }
}

#[test]
fn a_report_of_nothing_is_a_page_too() {
    let page = parity_html(&compare(&[], &ComparisonRules::default(), 1), Lang::En);
    assert!(page.contains("not enough data") && page.ends_with("</html>"));
}

#[test]
fn a_parity_page_shows_hidden_characters() {
    let mut report = report();
    report.about.route = Some("a\u{1b}[2J\u{202e}b".into());
    let page = parity_html(&report, Lang::En);
    assert!(page.contains("a\\u001b[2J\\u202eb"), "{page}");
    assert!(!page.chars().any(|character| character != '\n' && banjia_types::visible::is_hidden(character)));
}

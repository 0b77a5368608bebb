use super::*;
use crate::decide::decide;
use crate::facts::{AccountFacts, Agreement, Fact, NetworkFact};
use crate::registry::embedded;
use std::sync::Arc;

#[test]
fn a_verdict_reads_in_both_languages() {
    let policy = Policy::parse(include_str!("../../policies/openai-2024.toml"), embedded()).unwrap();
    let as_of = Timestamp(1_717_200_000_000);
    let network = NetworkFact {
        place: "HK".parse().unwrap(),
        agreement: Agreement::Agree,
        asn: None,
        source: "DB-IP Lite".into(),
        as_of,
    };
    let residence = Fact { value: "SG".parse().unwrap(), source: "sign-up form".to_owned(), as_of };
    let account = AccountFacts { residence: Some(residence), ..AccountFacts::of("acme".into()) };
    let facts = Facts { network: Some(network), account: Some(Arc::new(account)) };
    let question = Question::of(&facts, Timestamp(1_719_800_000_000));
    let explanation = explain(&policy, &question, &decide(&policy, &question));
    assert_eq!(
        explanation.sentence(Lang::En),
        "Served, with notice until 2024-07-09 00:00 CST: the request comes from Hong Kong, says DB-IP Lite, and the list \
         openai-2024 does not serve it (policy openai-2024@1, rule list.network)."
    );
    assert_eq!(
        explanation.sentence(Lang::Zh),
        "提供服务，已通知，至 2024-07-09 00:00 CST：请求来自香港（依据 DB-IP Lite），不在清单 openai-2024 的服务范围内\
         （策略 openai-2024@1，规则 list.network）。"
    );
    let decided: Vec<_> =
        explanation.facts.iter().map(|fact| (fact.fact.as_str(), fact.served, fact.age_days, fact.decided)).collect();
    assert_eq!(decided, [("network", Some(false), 30, true), ("residence", Some(true), 30, false)]);
    assert_eq!(explanation.until.as_deref(), Some("2024-07-02 10:00 CST"));
}

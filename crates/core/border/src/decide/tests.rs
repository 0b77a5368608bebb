use super::*;
use crate::explain::explain;
use crate::facts::{AccountFacts, Agreement, Fact, NetworkFact};
use crate::owners::Owner;
use crate::policy::tests::{EXAMPLE, HEAD};
use crate::registry::{embedded, find};
use banjia_types::VerdictKind::{Allow, Block, Brownout, Notice};
use proptest::prelude::*;
use std::sync::Arc;

fn policy(text: &str) -> Policy {
    Policy::parse(text, embedded()).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"))
}

fn at(text: &str) -> Timestamp {
    banjia_types::calendar::moment(banjia_types::calendar::read(text).unwrap(), chrono_tz::Tz::UTC)
}

fn place(text: &str) -> Option<Place> {
    Some(text).filter(|text| !text.is_empty()).map(|text| text.parse().unwrap())
}

/// Facts from `network residence billing`, `-` for what is not known.
fn facts(said: &str) -> Facts {
    let mut words = said.split(' ').map(|word| if word == "-" { None } else { place(word) }).chain([None, None, None]);
    let as_of = at("2024-06-01");
    let mut next = || words.next().flatten();
    let network = next().map(|place| NetworkFact {
        place,
        agreement: Agreement::Alone,
        asn: Some(64500),
        source: "table".into(),
        as_of,
    });
    let fact = |place: Option<Place>| place.map(|value| Fact { value, source: "record".into(), as_of });
    let account = AccountFacts { residence: fact(next()), billing: fact(next()), ..AccountFacts::of("acme".into()) };
    Facts { network, account: Some(Arc::new(account)) }
}

/// What a policy says of a caller at a time, with the rule's name.
fn check(policy: &Policy, caller: &str, when: &str, kind: VerdictKind, rule: &str) {
    let facts = facts(caller);
    let question = Question::of(&facts, at(when));
    let verdict = decide(policy, &question);
    let name = verdict.rule.name(policy, &[]);
    assert_eq!((verdict.kind, name.as_ref()), (kind, rule), "{caller} at {when}");
}

fn simple(rest: &str) -> Policy {
    policy(&format!("{HEAD}notice = \"2024-06-25\"\nblock = \"2024-07-09\"\n{rest}"))
}

#[test]
fn the_timetable_of_2024() {
    let policy = policy(EXAMPLE);
    check(&policy, "HK", "2024-06-24T15:59", Allow, "list.network");
    check(&policy, "HK", "2024-06-24T16:00", Notice, "list.network");
    check(&policy, "HK", "2024-07-08T15:59", Notice, "list.network");
    check(&policy, "HK", "2024-07-08T16:00", Block, "list.network");
    for served in ["TW", "SG US DE", "US", "UA"] {
        check(&policy, served, "2025-01-01", Allow, "served");
    }
    for not in ["CN", "MO", "HK", "RU", "UA-43"] {
        check(&policy, not, "2025-01-01", Block, "list.network");
    }
}

#[test]
fn one_unserved_fact_refuses_unless_policy_selects() {
    let now = "2025-01-01";
    let stricter = simple("");
    check(&stricter, "US CN -", now, Block, "list.residence");
    check(&stricter, "US US CN", now, Block, "list.billing");
    check(&stricter, "CN US US", now, Block, "list.network");
    check(&stricter, "- US -", now, Allow, "served");
    let network = simple("differ = \"network\"");
    check(&network, "US CN CN", now, Allow, "served");
    check(&network, "- CN -", now, Block, "list.residence");
    let account = simple("differ = \"account\"");
    check(&account, "CN US US", now, Allow, "served");
    check(&account, "CN - -", now, Block, "list.network");
}

#[test]
fn the_unknown_are_not_served_unless_a_rule_says_so() {
    let now = "2025-01-01";
    check(&simple(""), "- - -", now, Block, "unknown");
    check(&simple(""), "- - -", "2024-06-30", Notice, "unknown");
    check(&simple("unknown = \"allow\""), "- - -", now, Allow, "unknown");
    check(&simple("unknown = \"notice\""), "- - -", now, Notice, "unknown");
    check(
        &simple("[[rule]]\nid = \"inside\"\nwhen = { unknown = true }\nverdict = \"allow\""),
        "- - -",
        now,
        Allow,
        "inside",
    );
    let aged = simple("fact_age_days_max = 30");
    check(&aged, "US", "2024-06-30", Allow, "served");
    check(&aged, "US", "2024-07-20", Block, "unknown");
}

#[test]
fn rules_are_tried_in_order_and_in_their_time() {
    let rest = "[[rule]]\nid = \"carrier\"\nwhen = { network = [\"HK\"], asn = [64500] }\nverdict = \"allow\"\nuntil = \"2024-08-01\"\n\
                [[rule]]\nid = \"early\"\nwhen = { network = [\"HK\"] }\nverdict = \"block\"\n\
                legal_demand = { by = \"a court\", link = \"https://example.com\" }\n\
                [[exemption]]\nid = \"7\"\naccount = \"acme\"\nowner = \"kim\"\nfrom = \"2024-09-01\"\nuntil = \"2024-10-01\"\n";
    let policy = simple(rest);
    check(&policy, "HK", "2024-07-20", Allow, "carrier");
    check(&policy, "HK", "2024-08-01", Block, "early");
    check(&policy, "HK", "2024-09-01", Allow, "exemption.7");
    check(&policy, "HK", "2024-10-01", Block, "early");
    check(&policy, "CN", "2024-07-20", Block, "list.network");
    assert_eq!(RuleRef::Rule(1).demand(&policy).unwrap().by, "a court");
    let facts = facts("HK");
    assert_eq!(decide(&policy, &Question::of(&facts, at("2024-07-20"))).until, Some(at("2024-08-01")));
}

#[test]
fn owners_take_service_away() {
    let mut caller = facts("SG SG SG");
    let owner = |place: &str, share: f64| Owner {
        name: "o".into(),
        place: place.parse().unwrap(),
        share: share.try_into().unwrap(),
        owners: vec![],
    };
    let mut own = |owners: Vec<Owner>, rule: &str| {
        let account = Arc::make_mut(caller.account.as_mut().unwrap());
        account.owners = Some(Fact { value: owners, source: "register".into(), as_of: at("2024-06-01") });
        let policy = simple(rule);
        let verdict = decide(&policy, &Question::of(&caller, at("2025-01-01")));
        (verdict.kind, verdict.rule)
    };
    let more = "owners = { over = 0.5 }";
    assert_eq!(own(vec![owner("CN", 0.3), owner("RU", 0.2)], more), (Allow, RuleRef::Served));
    assert_eq!(
        own(vec![owner("CN", 0.3), owner("RU", 0.2)], "owners = { at_least = 0.5 }"),
        (Block, RuleRef::List(FactKind::Owners))
    );
    assert_eq!(own(vec![owner("CN", 0.3), owner("RU", 0.21)], more), (Block, RuleRef::List(FactKind::Owners)));
    assert_eq!(
        own(vec![owner("CN", 0.3), owner("RU", 0.21)], "owners = { over = 0.5, places = [\"CN\"] }"),
        (Allow, RuleRef::Served)
    );
}

#[test]
fn brownouts_refuse_their_share() {
    let policy = policy(EXAMPLE);
    let facts = facts("HK");
    let (from, until) = (policy.phases().brownouts[0].from, policy.phases().brownouts[0].until);
    let dark = (0..10_000_u64).filter(|n| {
        let question = Question { draw: hash_parts(&[&n.to_le_bytes()]), ..Question::of(&facts, from) };
        decide(&policy, &question).kind == Brownout
    });
    assert!((1_800..2_200).contains(&dark.count()), "a fifth of the requests");
    assert_eq!(decide(&policy, &Question::of(&facts, until)).kind, Notice);
    let window = policy.phases().brownouts[1];
    let dark = |account: &str| {
        let mut caller = facts.clone();
        Arc::make_mut(caller.account.as_mut().unwrap()).id = account.into();
        (0..72_u32)
            .map(|n| decide(&policy, &Question::of(&caller, window.from + SLICE * n)).kind == Brownout)
            .collect::<Vec<_>>()
    };
    let all: Vec<_> = (0..20).map(|n| dark(&format!("account-{n}"))).collect();
    let count = all.iter().flatten().filter(|is_dark| **is_dark).count();
    assert!((600..840).contains(&count), "half of the time: {count} of 1440");
    assert_eq!(dark("account-1"), dark("account-1"));
    assert_ne!(dark("account-1"), dark("account-2"));
}

#[test]
fn a_paused_policy_only_observes() {
    let policy = policy(EXAMPLE);
    let facts = facts("HK");
    let verdict = decide(&policy, &Question { is_paused: true, ..Question::of(&facts, at("2025-01-01")) });
    assert_eq!((verdict.kind, verdict.phase, verdict.rule), (Allow, Phase::Observe, RuleRef::List(FactKind::Network)));
}

#[test]
fn a_destination_is_judged_by_its_list_alone() {
    let vendor = Policy::of_list(find(embedded(), "openai-2024").unwrap().clone(), Unknown::Allow);
    check(&vendor, "HK", "2020-01-01", Block, "list.network");
    check(&vendor, "TW", "2020-01-01", Allow, "served");
    check(&vendor, "- - -", "2020-01-01", Allow, "unknown");
}

#[test]
fn the_strictest_of_several_policies_decides() {
    let (mild, strict) = (simple("differ = \"network\""), simple("unknown = \"block\""));
    let facts = facts("US CN -");
    let question = Question::of(&facts, at("2025-01-01"));
    let (by, verdict) = decide_all([(&mild, question), (&strict, question)]).unwrap();
    assert_eq!((by, verdict.kind), (1, Block));
    assert!(decide_all([]).is_none());
}

fn any_place() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["-", "HK", "CN", "TW", "US", "UA", "UA-43", "RU", "SG", "GL", "XK"])
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let unknown = prop::sample::select(vec!["block", "notice", "allow"]);
    let differ = prop::sample::select(vec!["stricter", "network", "account"]);
    let rules = prop::collection::vec(
        (any_place(), prop::sample::select(vec!["", "verdict = \"allow\"", "verdict = \"block\""])),
        0..3,
    );
    (unknown, differ, rules).prop_filter_map("a policy", |(unknown, differ, rules)| {
        let mut rest = format!("unknown = \"{unknown}\"\ndiffer = \"{differ}\"\n");
        for (i, (place, verdict)) in rules.iter().enumerate().filter(|(_, (place, _))| *place != "-") {
            let rule = format!("[[rule]]\nid = \"r{i}\"\nwhen = {{ network = [\"{place}\"] }}\n{verdict}\n");
            rest.push_str(&rule);
        }
        Policy::parse(&format!("{HEAD}notice = \"2024-06-25\"\nblock = \"2024-07-09\"\n{rest}"), embedded()).ok()
    })
}

proptest! {
    #[test]
    fn verdicts_grow_no_milder_with_time(policy in any_policy(), a in any_place(), b in any_place(), c in any_place(), days in prop::collection::vec(0_u32..60, 2)) {
        let facts = facts(&format!("{a} {b} {c}"));
        let kind = |days: u32| decide(&policy, &Question::of(&facts, at("2024-06-10") + Duration::from_hours(24) * days)).kind;
        let (early, late) = (days[0].min(days[1]), days[0].max(days[1]));
        prop_assert!(kind(early) <= kind(late));
    }

    #[test]
    fn nobody_unknown_is_served_by_default(draw: u64, days in 0_u32..4000) {
        let nobody = facts("- - -");
        let question = Question { draw, ..Question::of(&nobody, Timestamp(0)) };
        let late = Question { at: at("2024-07-09") + Duration::from_hours(24) * days, ..question };
        prop_assert_eq!(decide(&simple(""), &late).kind, Block);
    }

    #[test]
    fn a_verdict_is_repeatable_and_has_a_real_rule(policy in any_policy(), a in any_place(), b in any_place(), c in any_place(), days in 0_u32..60, draw: u64) {
        let facts = facts(&format!("{a} {b} {c}"));
        let question = Question { draw, ..Question::of(&facts, at("2024-06-10") + Duration::from_hours(24) * days) };
        let verdict = decide(&policy, &question);
        prop_assert_eq!(verdict, decide(&policy.clone(), &question));
        let said = explain(&policy, &question, &verdict);
        let mut names = vec!["served", "unknown", "list.network", "list.residence", "list.billing", "list.owners"];
        names.extend(policy.rules().iter().map(|rule| rule.id.as_str()));
        prop_assert!(names.contains(&said.rule.as_str()), "{}", said.rule);
        prop_assert!(said.en.contains(&said.rule) && said.zh.contains(&said.rule));
        prop_assert!(verdict.until.is_none_or(|until| until > question.at));
    }

    #[test]
    fn time_changes_nothing_before_it_says_so(policy in any_policy(), a in any_place(), hours in 0_u32..1400) {
        let facts = facts(a);
        let now = at("2024-06-10") + Duration::from_hours(1) * hours;
        let verdict = decide(&policy, &Question::of(&facts, now));
        let last = verdict.until.map_or(now + Duration::from_hours(24_000), |until| until - Duration::from_millis(1));
        prop_assert_eq!(decide(&policy, &Question::of(&facts, last)).kind, verdict.kind);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,300}") {
        drop(Policy::parse(&text, embedded()));
        drop(crate::registry::Registry::parse(&text));
    }

    #[test]
    fn no_change_of_a_good_text_makes_the_reader_panic(cut in 0_usize..1200, with in "[\\[\\]{}=\",a-z0-9 .\n-]{0,12}", gone in 0_usize..40) {
        let (from, to) = (EXAMPLE.floor_char_boundary(cut), EXAMPLE.floor_char_boundary(cut + gone));
        let text = [EXAMPLE.get(..from).unwrap(), &with, EXAMPLE.get(to..).unwrap()].concat();
        if let Ok(policy) = Policy::parse(&text, embedded()) {
            let facts = facts("HK US -");
            decide(&policy, &Question::of(&facts, at("2024-07-08")));
        }
    }
}

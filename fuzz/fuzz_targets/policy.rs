//! A policy's text and what is known of a caller, both from bytes nobody chose: read, judge,
//! explain.
//!
//! The input: the bytes up to the first zero say what is known and when; what follows is the
//! policy, or, after a second zero right behind the first, bytes from which a well-formed policy is
//! made, so that the judging is reached as often as the reading.

#![no_main]

mod bytes;

use banjia_border::decide::{Question, RuleRef, decide};
use banjia_border::explain::explain;
use banjia_border::facts::{AccountFacts, Agreement, Fact, FactKind, Facts, NetworkFact};
use banjia_border::owners::{Owner, Share};
use banjia_border::policy::{Exemption, Phase, Policy};
use banjia_border::registry::embedded;
use banjia_types::{Place, Timestamp, VerdictKind};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use std::fmt::Write as _;
use std::sync::Arc;

const HEAD: &str =
    "id = \"p\"\nversion = 1\nzone = \"Asia/Shanghai\"\nlist = \"openai-2024\"\nnotice = \"2024-06-25\"\n";
const PLACES: [&str; 12] = ["HK", "CN", "TW", "MO", "US", "UA", "UA-43", "RU", "SG", "GL", "XK", "DE"];
/// 2024-06-10 in UTC: two weeks before the notice of every policy that is made here.
const BEFORE: i64 = 1_717_977_600_000;
const HOUR: i64 = 3_600_000;

fn place(bytes: &mut Bytes<'_>) -> Option<Place> {
    PLACES.get(usize::from(bytes.next()) % (PLACES.len() + 4)).map(|text| text.parse().expect("a place"))
}

fn moment(bytes: &mut Bytes<'_>) -> Timestamp {
    match bytes.next() {
        0xff => Timestamp(i64::MIN),
        0xfe => Timestamp(i64::MAX),
        0xfd => Timestamp(0),
        high => Timestamp(BEFORE + (i64::from(high) * 256 + i64::from(bytes.next())) * HOUR / 16),
    }
}

fn owner(bytes: &mut Bytes<'_>, depth: u8) -> Owner {
    let share = u32::from(bytes.next()) * 1_000_000 / 255;
    let more = if depth > 0 { bytes.next() % 4 } else { 0 };
    Owner {
        name: "o".to_owned(),
        place: place(bytes).unwrap_or_else(|| "CN".parse().expect("a place")),
        share: Share::from_millionths(share).expect("a part of the whole"),
        owners: (0..more).map(|_| owner(bytes, depth - 1)).collect(),
    }
}

fn fact<T>(value: T, bytes: &mut Bytes<'_>) -> Fact<T> {
    Fact { value, source: "record".to_owned(), as_of: moment(bytes) }
}

fn facts(bytes: &mut Bytes<'_>) -> Facts {
    let network = place(bytes).map(|place| NetworkFact {
        place,
        agreement: match bytes.next() % 3 {
            0 => Agreement::Alone,
            1 => Agreement::Agree,
            _ => Agreement::Differ("SG".parse().expect("a country")),
        },
        asn: (bytes.next() % 2 == 0).then_some(64_500),
        source: "table".into(),
        as_of: moment(bytes),
    });
    let account = (bytes.next() % 4 != 0).then(|| {
        let id = if bytes.next() % 2 == 0 { "acme" } else { "other" };
        Arc::new(AccountFacts {
            residence: place(bytes).map(|place| fact(place, bytes)),
            billing: place(bytes).map(|place| fact(place, bytes)),
            owners: match bytes.next() % 4 {
                0 => None,
                count => Some((0..count).map(|_| owner(bytes, 6)).collect()).map(|owners| fact(owners, bytes)),
            },
            ..AccountFacts::of(id.into())
        })
    });
    Facts { network, account }
}

/// One of several texts.
fn pick(bytes: &mut Bytes<'_>, of: &[&'static str]) -> &'static str {
    of[usize::from(bytes.next()) % of.len()]
}

/// A well-formed policy.
fn made(bytes: &mut Bytes<'_>) -> String {
    let mut text = HEAD.to_owned();
    if bytes.next() % 8 != 0 {
        text.push_str("block = \"2024-07-09T00:00\"\n");
    }
    if bytes.next() % 2 == 0 {
        let share = pick(bytes, &["share_of_time = 0.5", "share_of_requests = 0.2", "share_of_time = 1.0"]);
        let window = "from = \"2024-07-02T10:00\", until = \"2024-07-02T12:00\"";
        writeln!(text, "brownouts = [{{ {window}, {share} }}]").expect("a text");
    }
    for lines in [
        &["", "unknown = \"block\"\n", "unknown = \"notice\"\n", "unknown = \"allow\"\n"] as &[_],
        &["", "differ = \"stricter\"\n", "differ = \"network\"\n", "differ = \"account\"\n"],
        &["", "fact_age_days_max = 30\n", "fact_age_days_max = 1\n"],
        &["", "owners = { over = 0.5 }\n", "owners = { at_least = 0.5, places = [\"CN\", \"RU\"] }\n"],
        &["", "streams = \"end\"\n", "kind = \"sanctions\"\n", "link = \"https://example.com\"\n"],
    ] {
        text.push_str(pick(bytes, lines));
    }
    for number in 0..bytes.next() % 5 {
        rule(&mut text, number, bytes);
    }
    for number in 0..bytes.next() % 3 {
        let from = pick(bytes, &["", "from = \"2024-07-05\"\n"]);
        let who = "account = \"acme\"\nowner = \"kim\"\n";
        writeln!(text, "[[exemption]]\nid = \"{number}\"\n{who}{from}until = \"2024-09-01\"").expect("a text");
    }
    text
}

fn rule(text: &mut String, number: u8, bytes: &mut Bytes<'_>) {
    let mut when = Vec::new();
    for key in ["network", "residence", "billing"] {
        if let Some(place) = place(bytes).filter(|_| bytes.next() % 2 == 0) {
            when.push(format!("{key} = [\"{place}\"]"));
        }
    }
    let more = ["", "asn = [64500]", "account = [\"acme\"]", "unknown = true", "owners = { over = 0.25 }"];
    let more = pick(bytes, &more);
    if !more.is_empty() {
        when.push(more.to_owned());
    }
    let verdict = pick(bytes, &["", "verdict = \"allow\"\n", "verdict = \"notice\"\n", "verdict = \"block\"\n"]);
    let time = pick(bytes, &["", "from = \"2024-07-01\"\n", "until = \"2024-08-01\"\n"]);
    write!(text, "[[rule]]\nid = \"r{number}\"\nwhen = {{ {} }}\n{verdict}{time}", when.join(", ")).expect("a text");
}

/// What a policy's own text says of the unknown, read by another reader.
fn unknown_is_allowed(policy: &Policy) -> bool {
    let table: toml::Table = policy.text().parse().expect("it was read before");
    table.get("unknown").and_then(toml::Value::as_str) == Some("allow")
}

fn judge(policy: &Policy, facts: &Facts, granted: &[Exemption], at: Timestamp, draw: u64) {
    let question = Question { granted, draw, ..Question::of(facts, at) };
    let verdict = decide(policy, &question);
    assert_eq!(verdict, decide(&policy.clone(), &question), "the same question, another verdict");
    let again = Policy::parse(policy.text(), embedded()).expect("a text that was good");
    assert_eq!(verdict, decide(&again, &question), "the same text, another verdict");
    let paused = decide(policy, &Question { is_paused: true, ..question });
    assert_eq!((paused.kind, paused.rule), (VerdictKind::Allow, verdict.rule), "a paused policy observes");
    assert!(verdict.until.is_none_or(|until| until > at), "it says that it changes in the past");

    // Nobody of whom nothing is known is served after the block, unless a rule or the policy says
    // so in so many words.
    let is_nobody = FactKind::ALL.iter().all(|kind| facts.provenance(*kind).is_none());
    if is_nobody {
        assert!(!matches!(verdict.rule, RuleRef::Served | RuleRef::List(_)), "{verdict:?}");
    }
    if verdict.rule == RuleRef::Unknown && verdict.phase == Phase::Block && verdict.kind == VerdictKind::Allow {
        assert!(unknown_is_allowed(policy), "the unknown are served, and the policy does not say so");
    }
    if let (RuleRef::Rule(number), Phase::Block, VerdictKind::Allow) = (verdict.rule, verdict.phase, verdict.kind) {
        assert_eq!(policy.rules()[number].verdict, Some(VerdictKind::Allow), "a rule serves that does not say so");
    }

    let said = explain(policy, &question, &verdict);
    let mut names = vec!["served".to_owned(), "unknown".to_owned()];
    names.extend(FactKind::ALL.iter().map(|kind| format!("list.{kind}")));
    names.extend(policy.rules().iter().map(|rule| rule.id.clone()));
    names.extend(granted.iter().map(|exemption| format!("exemption.{}", exemption.id)));
    let table: toml::Table = policy.text().parse().expect("it was read before");
    let written = table.get("exemption").and_then(toml::Value::as_array).into_iter().flatten();
    names.extend(written.filter_map(|entry| entry.get("id")?.as_str()).map(|id| format!("exemption.{id}")));
    assert!(names.contains(&said.rule), "{} is no rule of the policy", said.rule);
    assert!(said.en.contains(&said.rule) && said.zh.contains(&said.rule), "{said:?}");
}

fuzz_target!(|input: &[u8]| {
    let (head, rest) = input.split_at(input.iter().position(|byte| *byte == 0).unwrap_or(input.len()));
    let mut bytes = Bytes::new(head);
    let (facts, at, draw) = (facts(&mut bytes), moment(&mut bytes), u64::from(bytes.next()) << 56);
    let granted = [Exemption {
        id: "granted".to_owned(),
        account: "acme".into(),
        owner: "kim".to_owned(),
        reason: String::new(),
        from: moment(&mut bytes),
        until: moment(&mut bytes),
    }];
    let granted = &granted[..usize::from(bytes.next() % 2)];
    let text = match rest {
        [0, 0, rest @ ..] => made(&mut Bytes::new(rest)),
        [0, rest @ ..] | rest => String::from_utf8_lossy(rest).into_owned(),
    };
    match Policy::parse(&text, embedded()) {
        Ok(policy) => judge(&policy, &facts, granted, at, draw),
        Err(problems) => {
            assert!(!problems.is_empty(), "it is refused and nobody says why");
            let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
            assert!(said.iter().all(|line| !line.is_empty()));
        }
    }
});

use super::*;
use crate::registry::embedded;

pub(crate) const EXAMPLE: &str = include_str!("../../policies/openai-2024.toml");

pub(crate) const HEAD: &str = "id = \"p\"\nversion = 1\nzone = \"UTC\"\nlist = \"openai-2024\"\n";

fn parse(text: &str) -> Result<Policy, String> {
    Policy::parse(text, embedded())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// The problems of a policy with these lines after its head and a timetable.
fn check(rest: &str, said: &str) {
    let text = format!("{HEAD}notice = \"2024-06-25\"\nblock = \"2024-07-09\"\n{rest}");
    match parse(&text) {
        Ok(_) => assert_eq!(said, "", "{rest}"),
        Err(found) => assert!(!said.is_empty() && found.contains(said), "{rest}\nwanted {said}\nfound {found}"),
    }
}

#[test]
fn the_example_reads_as_it_is_written() {
    let policy = parse(EXAMPLE).unwrap();
    assert_eq!(policy.label().as_ref(), "openai-2024@1");
    assert_eq!(policy.phases().block.unwrap().to_string(), "2024-07-08T16:00:00.000Z");
    assert_eq!((policy.phases().brownouts.len(), policy.unserved_places()), (2, (62, 250)));
    assert_eq!(policy.phase(policy.phases().notice.unwrap()), Phase::Notice);
}

#[test]
fn every_slip_has_its_place_and_a_hint() {
    check("", "");
    check("unknwon = \"block\"", "did you mean `unknown`");
    check("unknown = \"deny\"", "unknown variant `deny`");
    check("streams = \"10 minutes\"", "streams cannot be");
    check("appeal = \"write to us\"", "without spaces");
    check("owners = { over = 0.5, at_least = 0.5 }", "one threshold");
    check("owners = { over = 1.5 }", "from 0 to 1");
    check("brownouts = [{ from = \"2024-07-01\", until = \"2024-07-02\" }]", "one share");
    check(
        "brownouts = [{ from = \"2024-07-02\", until = \"2024-07-01\", share_of_time = 0.1 }]",
        "ends before it begins",
    );
    check(
        "brownouts = [{ from = \"2024-07-08\", until = \"2024-07-12\", share_of_time = 0.1 }]",
        "not between notice and block",
    );
    check(
        "brownouts = [{ from = \"2024-06-26\", until = \"2024-06-28\", share_of_time = 0.1 }, { from = \"2024-06-27\", until = \"2024-06-29\", share_of_time = 0.1 }]",
        "overlap",
    );
    check("[[rule]]\nid = \"a\"\nwhen = {}\nverdict = \"allow\"", "for everybody");
    check("[[rule]]\nid = \"list\"\nwhen = { unknown = true }", "built in");
    check("[[rule]]\nid = \"a b\"\nwhen = { unknown = true }", "not a name");
    check("[[rule]]\nid = \"a\"\nwhen = { network = [\"MI\"] }", "no country or territory MI");
    check("[[rule]]\nid = \"a\"\nwhen = { netwrok = [\"HK\"] }", "did you mean `network`");
    check(
        "[[rule]]\nid = \"a\"\nwhen = { network = [\"HK\"] }\n[[rule]]\nid = \"a\"\nwhen = { network = [\"MO\"] }",
        "two rules",
    );
    check(
        "[[rule]]\nid = \"a\"\nwhen = { network = [\"HK\"] }\n[[rule]]\nid = \"b\"\nwhen = { network = [\"HK\"], asn = [1] }",
        "never reached",
    );
    check("[[rule]]\nid = \"a\"\nwhen = { network = [\"HK\"] }\nverdict = \"brownout\"", "for ever");
    check("[[exemption]]\nid = \"e\"\naccount = \"a\"\nowner = \" \"\nuntil = \"2024-08-01\"", "needs an owner");
    check("[[exemption]]\nid = \"e\"\naccount = \"a\"\nowner = \"o\"", "missing field `until`");
}

#[test]
fn what_stands_above_is_checked_too_and_all_at_once() {
    let found = parse("id = \"a b\"\nversion = 1\nzone = \"Asia/Shangai\"\nlist = \"openai-2042\"\nnotice = \"2024-07-09\"\nblock = \"soon\"\n").unwrap_err();
    for said in ["not a name", "Asia/Shanghai", "openai-2024", "a date is written"] {
        assert!(found.contains(said), "{said} in {found}");
    }
    assert!(parse(HEAD).unwrap_err().contains("no dates"));
    assert!(
        parse(&format!("{HEAD}notice = \"2024-07-09\"\nblock = \"2024-07-09\"\n"))
            .unwrap_err()
            .contains("not after the notice")
    );
    let incomplete = HEAD.replace("openai-2024", "openai-2026-11-additions");
    assert!(parse(&format!("{incomplete}block = \"2024-07-09\"\n")).unwrap_err().contains("not whole"));
}

#[test]
fn an_operator_may_bring_its_own_list() {
    let own = |list: &str, rest: &str| {
        parse(&format!("id = \"p\"\nversion = 1\nzone = \"UTC\"\nlist = \"{list}\"\nblock = \"2024-07-09\"\n{rest}"))
    };
    let policy = own("ours", "places = [\"DE\", \"UA\"]\nexcept = [\"UA-43\"]\n").unwrap();
    assert_eq!((policy.list().id.as_str(), policy.unserved_places()), ("ours", (248, 250)));
    assert_eq!(policy.list().serves("UA-43".parse().unwrap()), Served::Excepted);
    for (list, rest, said) in [
        ("openai-2024", "places = [\"DE\"]", "is a list of the registry"),
        ("ours", "places = []", "nobody would be served"),
        ("ours", "places = [\"DE\", \"MI\"]", "no country or territory MI"),
        ("ours", "places = [\"DE\"]\nexcept = [\"UA-43\"]", "does not serve its country"),
        ("openai-2024", "except = [\"UA-43\"]", "belongs to places of its own"),
    ] {
        let found = own(list, rest).unwrap_err();
        assert!(found.contains(said), "{said} in {found}");
    }
}

#[test]
fn another_date_is_another_version_and_nothing_else() {
    let policy = parse(EXAMPLE).unwrap();
    let text = policy.redated(&[("block", "2024-07-23")], embedded()).unwrap();
    let later = parse(&text).unwrap();
    assert_eq!(later.label().as_ref(), "openai-2024@2");
    assert_eq!(later.phases().block.unwrap().to_string(), "2024-07-22T16:00:00.000Z");
    assert_eq!(text, EXAMPLE.replace("version = 1", "version = 2").replace("\"2024-07-09\"", "\"2024-07-23\""));
    assert!(policy.redated(&[("block", "2024-06-01")], embedded()).is_err(), "before the notice");
}

#[test]
fn a_policy_that_never_blocks_can_be_given_a_date() {
    let policy = parse(&format!("{HEAD}notice = \"2024-06-25\"\n")).unwrap();
    let text = policy.redated(&[("block", "2024-07-09")], embedded()).unwrap();
    assert!(parse(&text).unwrap().phases().block.is_some());
}

//! The text of a move.

use crate::scene::{EXAMPLE, SHORT, spec};
use banjia_movement::spec::{Blackout, MoveSpec, OnDeadline};
use banjia_types::Share;
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn the_example_is_right_and_shows_the_defaults() {
    let shown = spec(EXAMPLE);
    assert_eq!((shown.id.as_str(), shown.on_deadline), ("leave-by-spring", OnDeadline::Cut));
    assert_eq!(shown.deadline.to_string(), "2027-01-14T16:00:00.000Z");
    assert_eq!((shown.blackouts.len(), shown.routes.len()), (3, 2));
    let usual = spec(
        "id = \"x\"\ndeadline = \"2027-01-15\"\n[[routes]]\nroute = \"a\"\nsource = \"old/a\"\ndestination = \"new/a\"\n",
    );
    assert_eq!((shown.canary, shown.record), (usual.canary.clone(), usual.record.clone()));
    assert_eq!((shown.gates.parity, shown.gates.window), (usual.gates.parity.clone(), usual.gates.window));
    assert_eq!(shown.gates.error_rate_max, usual.gates.error_rate_max);
    assert_eq!(
        (shown.gates.latency_ratio_max, shown.shadow.share),
        (usual.gates.latency_ratio_max, usual.shadow.share)
    );
    assert_eq!(usual.source_until, usual.deadline);
    assert_eq!(usual.hash().len(), 64);
}

#[test]
fn all_problems_come_at_once_with_their_places() {
    let text = r#"
id = "a b"
zone = "Asia/Shangha"
deadline = "2027-02-30"
on_deadline = "later"
titel = {}
[[routes]]
route = "a"
source = "old/a"
destination = "old/b"
second = "old/b"
[[routes]]
route = "a"
source = "older"
destination = "new/a"
[[routes]]
route = "b"
source = "other/b"
destination = "new/b"
colour = "red"
[gates]
parity = { jason = 0.1 }
error_rate_max = 2
window = "2h"
spend_max_total = "5 EUR"
[canary]
steps = [0.5, 0.1, 1.0]
[[blackouts]]
days = ["someday"]
from = "18:00"
until = "25:00"
"#;
    let problems = MoveSpec::parse(text).unwrap_err();
    let said = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for part in [
        "line 2, column 6: id \"a b\" is not a name",
        "line 3, column 8: there is no zone \"Asia/Shangha\" (did you mean `Asia/Shanghai`?)",
        "line 4, column 12: a date is written",
        "line 5, column 15: unknown variant `later`",
        "line 6, column 1: unknown field `titel` (did you mean `title`?)",
        "old/b is of the vendor that is left",
        "the second destination is the first one",
        "a target is written vendor/model",
        "unknown field `colour`",
        "there is no axis \"jason\" (did you mean `json`?)",
        "the number must be between 0 and 1",
        "\"5 EUR\" is no amount of money",
        "the steps do not grow",
        "a canary's step is more than 0 and less than 1",
        "canary.hold is shorter than gates.window",
        "there is no day \"someday\"",
        "\"25:00\" is no time of the day",
    ] {
        assert!(said.contains(part), "{part:?} is missing in\n{said}");
    }
    let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    assert!(lines.is_sorted(), "{said}");
}

#[test]
fn one_vendor_and_each_route_once() {
    let second = "[[routes]]\nroute = \"chat\"\nsource = \"older/a\"\ndestination = \"new/a\"\n";
    let said = MoveSpec::parse(&format!("{SHORT}{second}")).unwrap_err();
    let said = said.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>();
    assert_eq!(said, ["the move leaves old and older", "the route chat moves twice"]);
    assert_eq!(MoveSpec::parse("").unwrap_err().len(), 3, "id, deadline and routes must be said");
    assert_eq!(MoveSpec::parse("id = ").unwrap_err().len(), 1, "what is no TOML has one problem");
    let early = SHORT.replace("2027-01-16", "2027-01-14");
    assert_eq!(MoveSpec::parse(&early).unwrap_err()[0].message, "the source ends before the deadline");
}

#[test]
fn a_time_that_clocks_skip_or_show_twice_is_said() {
    let at = |deadline: &str| {
        let text = SHORT.replace("source_until = \"2027-01-16\"\n", "zone = \"Europe/Berlin\"\n");
        spec(&text.replace("2027-01-15", deadline))
    };
    let skipped = at("2027-03-28T02:30");
    assert_eq!(skipped.deadline.to_string(), "2027-03-28T01:00:00.000Z");
    assert_eq!(
        skipped.notes,
        ["deadline: clocks in Europe/Berlin skip 2027-03-28 02:30; 2027-03-28 03:00 CEST is meant"]
    );
    let twice = at("2027-10-31T02:30");
    assert_eq!(twice.deadline.to_string(), "2027-10-31T00:30:00.000Z");
    assert!(twice.notes[0].contains("show 2027-10-31 02:30 twice"), "{:?}", twice.notes);
    assert_eq!(at("2027-03-28T04:30").notes, [""; 0]);
}

#[test]
fn blackouts_and_steps_are_read() {
    let read =
        spec(&format!("{SHORT}[[blackouts]]\nfrom = \"2027-01-01\"\nuntil = \"2027-01-02\"\nreason = \"feast\"\n"));
    let Blackout::Dated { from, until, reason } = &read.blackouts[0] else { panic!("dated") };
    assert_eq!((until.since(*from), reason.as_str()), (Duration::from_hours(24), "feast"));
    assert_eq!(read.blackout(*from), Some(&read.blackouts[0]));
    assert_eq!(read.blackout(*until), None);
    assert_eq!(read.step_after(Share::of(500)), Some(Share::of(5_000)));
    assert_eq!(read.step_after(Share::of(5_000)), None);
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _read = MoveSpec::parse(&text);
    }

    #[test]
    fn no_slip_in_a_right_text_panics(at in 0..EXAMPLE.len(), what in ".{0,4}", len in 0..40_usize) {
        let (from, to) = (EXAMPLE.floor_char_boundary(at), EXAMPLE.ceil_char_boundary(at + len));
        let text = format!("{}{what}{}", EXAMPLE.get(..from).unwrap(), EXAMPLE.get(to..).unwrap());
        if let Err(problems) = MoveSpec::parse(&text) {
            prop_assert!(!problems.is_empty());
        }
    }
}

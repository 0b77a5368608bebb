//! The end of a move and its report.

use crate::scene::{SHORT, created, fine, tick};
use banjia_movement::balance::{Balance, Lost};
use banjia_movement::gate::ParityVerdict;
use banjia_movement::seal::{
    Head, LastCaller, NotVerified, ParitySummary, Report, SigningKey, Unmet, sealed, sign, unmet, verify,
};
use banjia_movement::stage::{Event, Impossible, LiveBy, Move, Order, apply, create, credentials_removed, override_to};
use banjia_types::{Stage, Tally, Timestamp};
use std::time::Duration;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn order(at: Timestamp) -> Order<'static> {
    Order { by: "ann", reason: "the move is done", at }
}

/// A live move whose credentials are gone, with its log and a right report.
fn done() -> (Move, Vec<Event>, Report) {
    let (mut mv, at) = created(SHORT);
    let mut log = vec![create(&mv, "ann", at)];
    let evidence = fine(&mv, at);
    for minutes in [0, 30, 60] {
        log.extend(tick(&mut mv, &evidence, at + Duration::from_secs(minutes * 60)));
    }
    let live = mv.state().entered_at;
    let removed = live + Duration::from_hours(2);
    let event = credentials_removed(&mv, &"old".into(), vec!["OLD_KEY".to_owned()], order(removed)).unwrap();
    apply(&mut mv, &event).unwrap();
    log.push(event);
    let minute = Timestamp(live.0 - live.0 % 60_000);
    let tally = |accepted, answered, abandoned| Tally { accepted, answered, abandoned, ..Tally::default() };
    let minutes = [(minute, tally(5, 4, 1)), (minute + Duration::from_mins(1), tally(7, 7, 0))];
    let report = Report {
        head: Head {
            id: "short".to_owned(),
            at: removed,
            by: "ann".to_owned(),
            from: live - Duration::from_hours(1),
            until: removed + Duration::from_mins(1),
            open_at_source: 0,
        },
        spec: mv.spec().text().to_string(),
        events: log.clone(),
        balance: Balance::new(minutes, Vec::new()),
        last_callers: vec![LastCaller {
            account: "a1".to_owned(),
            key: Some("k1".to_owned()),
            route: "chat".into(),
            at: live,
            requests: 3,
        }],
        parity: vec![ParitySummary {
            route: "chat".into(),
            target: "new/large".parse().unwrap(),
            axis: "meaning".to_owned(),
            verdict: ParityVerdict::NotWorse,
            pairs: 500,
            difference: -1_200,
            at,
        }],
    };
    (mv, log, report)
}

#[test]
fn a_valid_report_is_verified_from_its_text_alone() {
    let (mv, _, report) = done();
    assert_eq!(unmet(mv.spec(), &report), []);
    let signed = sign(&report, &key());
    assert_eq!(signed, sign(&report, &key()), "no chance is in it");
    let verified = verify(&format!("{}\n", signed.text)).unwrap();
    assert_eq!((verified.live_by, verified.hash.as_str()), (Some(LiveBy::Gates), signed.hash.as_str()));
    assert_eq!((verified.sum.total.accepted, verified.sum.is_exact()), (12, true));
    assert_eq!((verified.credentials_removed, verified.report), (vec!["OLD_KEY".to_owned()], report));
}

#[test]
fn a_sealed_move_never_asks_its_source() {
    let (mut mv, _, report) = done();
    let signed = sign(&report, &key());
    let event = sealed(&mv, &signed, order(Timestamp(0))).unwrap();
    apply(&mut mv, &event).unwrap();
    assert_eq!((mv.stage(), mv.state().sealed.as_deref()), (Stage::Sealed, Some(signed.hash.as_str())));
    assert_eq!(override_to(&mv, Stage::Live, None, order(Timestamp(0))), Err(Impossible::IsSealed));
    let route_move = mv.route_move(&"chat".into(), &[]).unwrap();
    assert!(!route_move.may_ask_source(Timestamp(0)));
}

#[test]
fn every_change_of_a_report_is_named() {
    let (_, _, report) = done();
    let text = sign(&report, &key()).text;
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        verify(&text.replacen(from, to, 1)).unwrap_err()
    };
    let one = |name: &str| NotVerified::Changed(vec![name.to_owned()]);
    assert_eq!(changed("\"answered\":4", "\"answered\":5"), one("balance"));
    assert_eq!(changed("the move short begins", "it begins"), one("events"));
    assert_eq!(changed("\"account\":\"a1\"", "\"account\":\"a2\""), one("last_callers"));
    assert_eq!(
        changed(
            "\"pairs\":500,\"route\":\"chat\",\"target\":\"new/large\",\"verdict\"",
            "\"pairs\":501,\"route\":\"chat\",\"target\":\"new/large\",\"verdict\""
        ),
        one("parity")
    );
    assert_eq!(changed("\"version\":1", "\"version\":2"), NotVerified::UnknownVersion(2));
    assert!(
        matches!(changed("\"key\":\"e", "\"key\":\"f"), NotVerified::BadSignature { .. } | NotVerified::Changed(_))
            || !text.contains("\"key\":\"e")
    );
    assert_eq!(changed("{\"format\"", "{ \"format\""), NotVerified::NotCanonical);
    assert_eq!(changed("\"version\":1}", "\"version\":1,\"version\":1}"), NotVerified::NotCanonical);
    assert!(matches!(verify("{}"), Err(NotVerified::NotAReport(_))));
    // Another key over the same content is another signature: it is right, and the reader sees
    // whose it is.
    let other = sign(&report, &SigningKey::from_bytes(&[8; 32]));
    assert_ne!(verify(&other.text).unwrap().key, verify(&text).unwrap().key);
    // A section and its hash changed together do not pass the signature.
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let foreign: serde_json::Value = serde_json::from_str(&other.text).unwrap();
    value["signature"] = foreign["signature"].clone();
    let swapped = serde_json_canonicalizer::to_string(&value).unwrap();
    assert!(matches!(verify(&swapped), Err(NotVerified::BadSignature { .. })));
}

#[test]
fn what_is_signed_and_not_true_does_not_pass() {
    let faults = |change: &dyn Fn(&mut Report)| {
        let (_, _, mut report) = done();
        change(&mut report);
        match verify(&sign(&report, &key()).text) {
            Err(NotVerified::Untrue(faults)) => faults,
            other => panic!("{other:?}"),
        }
    };
    let found = faults(&|report| report.balance.minutes[0].tally.answered = 3);
    let [Unmet::Balance(sum)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((sum.unexplained, sum.missing.len()), (1, 1));
    assert!(found[0].to_string().contains("lacks 1 ends"), "{}", found[0]);
    assert_eq!(faults(&|report| report.head.open_at_source = 2), [Unmet::OpenAtSource(2)]);
    assert!(matches!(faults(&|report| drop(report.events.pop()))[..], [Unmet::Credentials]));
    assert!(matches!(faults(&|report| drop(report.events.remove(1)))[..], [Unmet::Log(2, _)]));
    assert!(matches!(faults(&|report| report.head.from = report.head.until)[..], [Unmet::Period { .. }]));
    let other = faults(&|report| report.head.id = "long".to_owned());
    assert!(matches!(other[..], [Unmet::OtherMove { .. }]), "{other:?}");
    let old = faults(&|report| report.head.at = report.head.at - Duration::from_mins(1));
    assert!(matches!(old[..], [Unmet::TooOld { .. }]), "{old:?}");
    let late = faults(&|report| report.last_callers[0].at = report.head.at + Duration::from_mins(1));
    assert!(matches!(late[..], [Unmet::CallerAfterEnd { .. }]));
    // What a killed process had open is shown as lost and does not stand in the way.
    let (_, _, mut report) = done();
    report.balance.minutes[0].tally.answered = 3;
    report.balance.lost.push(Lost {
        from: report.head.from,
        until: report.head.until,
        open: 1,
        writes_failed_at: None,
    });
    let verified = verify(&sign(&report, &key()).text).unwrap();
    assert_eq!((verified.sum.lost, verified.sum.is_exact(), verified.sum.is_accounted_for()), (1, false, true));
}

#[test]
fn books_over_failed_writes_are_not_sealed() {
    let lost = |report: &Report, failed_at| Lost {
        from: report.head.from,
        until: report.head.until,
        open: 1,
        writes_failed_at: Some(failed_at),
    };
    let (mv, _, mut report) = done();
    let failed_at = report.head.until - Duration::from_mins(2);
    report.balance.lost.push(lost(&report, failed_at));
    let expected = Unmet::WritesFailed { from: failed_at, until: report.head.until };
    assert_eq!(unmet(mv.spec(), &report), std::slice::from_ref(&expected));
    assert!(expected.to_string().contains("cannot be sealed"), "{expected}");
    assert_eq!(verify(&sign(&report, &key()).text), Err(NotVerified::Untrue(vec![expected])));
    // Before and after the books: those are whole.
    let (mv, _, mut report) = done();
    report.balance.lost.push(lost(&report, report.head.until + Duration::from_mins(1)));
    let before = report.head.from - Duration::from_mins(1);
    report.balance.lost.push(Lost { until: before, ..lost(&report, before - Duration::from_mins(1)) });
    assert_eq!(unmet(mv.spec(), &report), []);
}

#[test]
fn a_process_that_could_write_leaves_no_new_field() {
    let (_, _, mut report) = done();
    report.balance.lost.push(Lost {
        from: report.head.from,
        until: report.head.until,
        open: 1,
        writes_failed_at: None,
    });
    let text = sign(&report, &key()).text;
    assert!(!text.contains("writes_failed_at"), "reports that were signed before have no such field");
    verify(&text).unwrap();
}

#[test]
fn a_seal_needs_a_live_move_without_credentials() {
    let (mv, at) = created(SHORT);
    let (_, _, report) = done();
    let signed = sign(&report, &key());
    assert_eq!(sealed(&mv, &signed, order(at)), Err(Impossible::NotLive(Stage::Record)));
    assert_eq!(credentials_removed(&mv, &"old".into(), Vec::new(), order(at)), Err(Impossible::NotLive(Stage::Record)));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_verify_panic(text in proptest::prelude::any::<String>(), at in 0..2_000_usize, with in ".{0,3}") {
        proptest::prop_assert!(verify(&text).is_err());
        let (_, _, report) = done();
        let right = sign(&report, &key()).text;
        let at = right.floor_char_boundary(at.min(right.len()));
        let (head, tail) = right.split_at(at);
        let changed = format!("{head}{with}{}", tail.get(1..).unwrap_or_default());
        proptest::prop_assert!(changed == right || verify(&changed).is_err());
    }
}

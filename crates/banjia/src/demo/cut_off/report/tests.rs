use super::facts::Facts;
use super::sections;
use crate::demo::client::{End, Observed};
use crate::demo::cut_off::Verdict;
use crate::demo::mix::Kind;
use banjia_store::Row;
use banjia_types::{Currency, Loss, LossLevel, Money, Outcome, RequestId, Tally, Target, Timestamp, Usage};
use std::time::Duration;

fn row(at: i64, vendor: &str, outcome: Outcome) -> Row {
    let mut row = Row::new(RequestId(uuid::Uuid::now_v7()), Timestamp(at), Timestamp(at + 900), outcome);
    row.target = Some(Target { vendor: vendor.into(), model: "m".into() });
    row.usage = Some(Usage { prompt: 10, completion: 5, ..Usage::default() });
    let currency = if vendor == "source" { Currency::Usd } else { Currency::Cny };
    row.cost = Some(Money { micros: 1_000, currency });
    row
}

fn seen(at: i64, vendor: &str, end: End) -> Observed {
    Observed {
        kind: Kind::Stream,
        stream: true,
        sent_at: Timestamp(at),
        first_content: Some(Duration::from_millis(300)),
        total: Duration::from_millis(900),
        end,
        target: Some(format!("{vendor}/m")),
    }
}

fn facts() -> Facts {
    let mut rows = vec![row(0, "source", Outcome::Answered), row(2_100, "other", Outcome::Answered)];
    rows[1].losses.push(Loss::new("temperature", LossLevel::Degraded, "clamped from 1.4 to 1"));
    rows.push(row(2_200, "other", Outcome::Abandoned));
    Facts {
        source: "source".to_owned(),
        begun_at: Timestamp(0),
        slice: Duration::from_secs(1),
        tally: Tally { accepted: 3, answered: 2, abandoned: 1, ..Tally::default() },
        rows,
        observed: vec![
            seen(0, "source", End::Answered),
            seen(2_100, "other", End::Answered),
            seen(2_200, "other", End::Left),
        ],
        sent: 3,
        blocked_at: Some(Timestamp(2_000)),
        cut_at: Some(Timestamp(2_050)),
        met_the_block: 1,
        after_the_cut: 0,
        cny_per_usd: 7.0,
    }
}

#[test]
fn a_story_that_held_says_so_with_its_figures() {
    let facts = facts();
    assert_eq!(facts.verdict(), Verdict::Held);
    let text = sections(&facts, 100).join("\n");
    let latency = text.lines().find(|line| line.contains("sent before the block")).expect("a line of its own");
    let figures: Vec<_> = latency.split_whitespace().skip(4).collect();
    assert_eq!(figures, ["1", "300", "ms", "300", "ms", "900", "ms", "900", "ms"]);
    for wanted in [
        "3 accepted = 2 answered + 0 refused + 0 failed + 1 abandoned: exact",
        "slices of 1 s (a minute is too coarse here)",
        "<- source blocks",
        "50 ms later, with the first block that came back, it was cut for everybody",
        "1 request met the block",
        "400 ms after the block began, from other/m",
        "clamped from 1.4 to 1",
        "each in its own currency: 0.0020 CNY + 0.0010 USD",
        "0.0090 CNY or 0.0013 USD, at an assumed 7 CNY",
        "The business ran on: 2 answers, 1 of them after the cut",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in:\n{text}");
    }
}

#[test]
fn an_error_a_missing_end_or_a_differing_book_breaks_the_story() {
    let mut error = facts();
    error.observed[1].end = End::Refused("503 overloaded".to_owned());
    assert_eq!(error.verdict(), Verdict::Broke);
    assert!(sections(&error, 100).join("\n").contains("1 x Stream before content: 503 overloaded"));
    let mut unbalanced = facts();
    unbalanced.tally.answered -= 1;
    assert_eq!(unbalanced.verdict(), Verdict::Broke);
    let mut unsent = facts();
    unsent.sent += 1;
    assert_eq!(unsent.verdict(), Verdict::Broke);
    assert!(sections(&unsent, 100).join("\n").contains("NOT as in the ledger"));
}

#[test]
fn a_client_that_leaves_at_the_last_moment_is_no_difference() {
    let mut facts = facts();
    facts.tally = Tally { accepted: 3, answered: 3, ..Tally::default() };
    facts.rows[2].outcome = Outcome::Answered;
    assert_eq!(facts.verdict(), Verdict::Held);
}

use super::*;
use banjia_types::Timestamp;
use serde_json::json;

fn capture(id: &str, leg: TrafficKind, number: u32, target: &str) -> Capture {
    let body = json!({"choices": [{"message": {"content": format!("{target} {leg} {number}")}}]});
    Capture {
        id: id.to_owned(),
        leg,
        number,
        at: Timestamp(0),
        account: None,
        route: "chat".into(),
        target: target.parse().unwrap(),
        endpoint: "chat".to_owned(),
        stream: false,
        client: None,
        request: json!({"messages": []}),
        answer: Some(body),
        outcome: Outcome::Answered,
        class: None,
        usage: None,
        cost: None,
        first_content_ms: None,
        total_ms: 9,
        redactions: 0,
    }
}

fn set() -> Vec<Capture> {
    vec![
        capture("b", TrafficKind::Replay, 1, "new/m"),
        capture("b", TrafficKind::Replay, 0, "new/m"),
        capture("b", TrafficKind::Repeat, 0, "old/m"),
        capture("b", TrafficKind::Live, 0, "old/m"),
        capture("a", TrafficKind::Live, 0, "old/m"),
        capture("c", TrafficKind::Shadow, 0, "new/m"),
    ]
}

#[test]
fn captures_of_one_request_become_a_pair() {
    let set = set();
    let sides = Sides::of(&set, None, None).unwrap();
    assert_eq!((sides.source.to_string(), sides.destination.to_string()), ("old/m".into(), "new/m".into()));
    let made = pairs_of(&set, &sides, None, &Expectations::default());
    assert_eq!((made.pairs.len(), made.without_destination, made.without_source), (1, 1, 1));
    let pair = &made.pairs[0];
    assert_eq!((pair.source.text(), pair.repeats[0].text()), ("old/m live 0".into(), "old/m repeat 0".into()));
    assert_eq!((pair.destination.text(), pair.more[0].text()), ("new/m replay 0".into(), "new/m replay 1".into()));
    let none = pairs_of(&set, &sides, Some(&"other".into()), &Expectations::default());
    assert!(none.pairs.is_empty());
}

#[test]
fn a_repeated_capture_is_one_answer() {
    let mut set = set();
    set.push(capture("b", TrafficKind::Repeat, 0, "old/m"));
    set.push(Capture { outcome: Outcome::Abandoned, ..capture("b", TrafficKind::Repeat, 1, "old/m") });
    set.push(Capture { outcome: Outcome::Refused, answer: None, ..capture("a", TrafficKind::Replay, 0, "new/m") });
    let sides = Sides::of(&set, None, None).unwrap();
    let made = pairs_of(&set, &sides, None, &Expectations::default());
    assert_eq!((made.pairs[0].repeats.len(), made.repeated_lines), (1, 1));
    assert_eq!(made.pairs[1].destination.class, Some(ErrorClass::Server), "a refusal without a class is a failure");
}

#[test]
fn unclear_sides_are_told_with_what_there_is() {
    let mut set = set();
    set.push(capture("a", TrafficKind::Replay, 0, "third/m"));
    let error = Sides::of(&set, None, None).unwrap_err().to_string();
    assert_eq!(
        error,
        "it is not clear who the destination is; name them with --source and --destination, the targets here are: \
         new/m (shadow, replay); old/m (live, repeat); third/m (replay)"
    );
    assert!(Sides::of(&set, None, Some("third/m".parse().unwrap())).is_ok());
    assert!(Sides::of(&[], None, None).unwrap_err().to_string().starts_with("it is not clear who the source is"));
}

#[test]
fn one_target_may_be_held_against_itself() {
    let set = [
        capture("a", TrafficKind::Live, 0, "old/m"),
        capture("a", TrafficKind::Repeat, 0, "old/m"),
        capture("a", TrafficKind::Replay, 0, "old/m"),
    ];
    let sides = Sides { source: "old/m".parse().unwrap(), destination: "old/m".parse().unwrap() };
    let made = pairs_of(&set, &sides, None, &Expectations::default());
    assert_eq!((made.pairs[0].repeats.len(), made.pairs[0].destination.text()), (1, "old/m replay 0".to_owned()));
}

#[test]
fn an_expectation_names_a_request_or_a_route() {
    let text = "{\"id\": \"a\", \"contains\": \"x\"}\n\n{\"route\": \"chat\", \"regex\": \"y\"}\n";
    let read = Expectations::read_lines(text.as_bytes()).unwrap();
    assert_eq!((read.of("a", &"chat".into()).len(), read.of("b", &"chat".into()).len()), (2, 1));
    assert!(read.of("b", &"other".into()).is_empty());
    assert_eq!(read.ids().collect::<Vec<_>>(), ["a"]);
    let text = "{\"contains\": \"x\"}\n{\"id\": \"a\", \"contian\": \"x\"}\n{\"id\": \"a\"}\nx\n";
    let said: Vec<_> = Expectations::read_lines(text.as_bytes()).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(said[0].contains("either a request") && said[1].contains("contian") && said[2].contains("expects nothing"));
}

//! Captures as lines of JSON.

use banjia_store::{Capture, StoreError};
use banjia_types::{Leg, Outcome, Timestamp};
use serde_json::json;

fn capture(id: &str) -> Capture {
    Capture {
        id: id.to_owned(),
        leg: Leg::Live,
        number: 0,
        at: Timestamp(1_719_273_600_000),
        account: Some("shop".into()),
        route: "gpt-4o".into(),
        target: "openai/gpt-4o".parse().unwrap(),
        endpoint: "chat".to_owned(),
        stream: true,
        client: None,
        request: json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "你好" }] }),
        answer: Some(json!({ "choices": [{ "index": 0, "message": { "role": "assistant", "content": "hi" } }] })),
        outcome: Outcome::Answered,
        class: None,
        usage: None,
        cost: None,
        first_content_ms: Some(12),
        total_ms: 30,
        redactions: 0,
    }
}

#[test]
fn a_line_gives_back_what_was_written_and_a_bad_one_is_told_with_its_number() {
    let (first, last) = (capture("a"), capture("b"));
    let text = format!("{}\n{{\"id\": 7}}\n{}", first.to_line(), last.to_line());
    let read: Vec<_> = Capture::read_lines(text.as_bytes()).collect();
    assert_eq!(read.len(), 3);
    assert_eq!(read[0].as_ref().unwrap(), &first);
    assert_eq!(read[2].as_ref().unwrap(), &last);
    let error = read[1].as_ref().unwrap_err();
    assert!(matches!(error, StoreError::Line { number: 3, .. }), "{error}");
    assert!(error.to_string().starts_with("line 3 is not a capture: "), "{error}");
}

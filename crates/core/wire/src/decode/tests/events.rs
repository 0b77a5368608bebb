//! Events of a stream that are no chunks.

use super::{CHUNK, ends, pass_through, regular, run, text};
use crate::decode::FrameKind;
use crate::notes::Notes;
use crate::sse::Framer;
use bytes::Bytes;

/// Blocks without a chunk in them, as relays and servers send them between chunks.
const NO_CHUNKS: [&str; 13] = [
    "data:\n\n",
    "data: \n\n",
    "data\n\n",
    "data:\r\n\r\n",
    "event: ping\n\n",
    "event: ping\ndata:\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "retry: 3000\n\n",
    "id: 7\n\n",
    "id: 7\n: comment\n\n",
    "foo: bar\n\n",
    "data: {}\n\n",
    ": comment\n\n",
];

/// What openai-python 2.x makes of a stream: the data of each event that it hands to its JSON
/// reader. It keeps an id over events, and an event counts when it has an id, data, a name or a
/// retry (its `_streaming.py`, 2026-11).
fn read_by_sdk(stream: &str) -> Vec<String> {
    let (mut found, mut id, mut data, mut others) = (Vec::new(), String::new(), Vec::new(), false);
    for line in stream.replace("\r\n", "\n").replace('\r', "\n").split('\n') {
        if line.is_empty() {
            if others || !id.is_empty() || !data.is_empty() {
                found.push(data.join("\n"));
            }
            (data, others) = (Vec::new(), false);
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name {
            "data" => data.push(value.strip_prefix(' ').unwrap_or(value)),
            "id" => id = value.to_owned(),
            "event" | "retry" => others = true,
            _ => {}
        }
    }
    found
}

#[test]
fn only_chunks_and_the_end_reach_a_client() {
    let finish = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    for block in NO_CHUNKS {
        for id in ["", "id: 1\n", "id\n"] {
            let stream = format!(
                "{id}data: {CHUNK}\n\n{block}: after\n\n\ndata: {CHUNK}\n{id}\n{block}{finish}{block}data: [DONE]\n\n"
            );
            for profile in [pass_through(), regular()] {
                let frames = run(&profile, &Notes::default(), &[stream.as_bytes()]);
                let seen = text(&frames);
                assert_eq!((ends(&frames), &frames.last().unwrap().kind), (1, &FrameKind::Done), "{block:?}: {seen}");
                let read = read_by_sdk(&seen);
                let is_chunk = |data: &String| {
                    data == "[DONE]"
                        || serde_json::from_str::<serde_json::Value>(data)
                            .is_ok_and(|chunk| chunk["choices"].is_array())
                };
                assert!(read.iter().all(is_chunk), "{block:?}: {read:?}");
                assert_eq!(read.len(), 4, "{block:?}: {read:?}");
            }
        }
    }
}

#[test]
fn an_event_without_data_becomes_a_comment() {
    for (event, seen) in [
        ("event: ping\n\n", ":\n\n"),
        ("retry: 1\n\n", ":\n\n"),
        (": as it was\r\n\r\n", ": as it was\r\n\r\n"),
        ("\n", "\n"),
    ] {
        for profile in [pass_through(), regular()] {
            let frames = run(&profile, &Notes::default(), &[event.as_bytes()]);
            assert_eq!(frames[0].kind, FrameKind::Lifecycle);
            assert_eq!(text(&frames), seen, "it still shows that the stream lives");
        }
    }
}

#[test]
fn ids_and_marks_are_taken_out_of_chunks() {
    let stream = format!("\u{feff}id: 1\r\nevent: message\r\ndata: {CHUNK}\r\nretry: 5\r\n\r\ndata: {CHUNK}\nid:2\n\n");
    let seen = text(&run(&pass_through(), &Notes::default(), &[stream.as_bytes()]));
    assert_eq!(seen, format!("event: message\r\ndata: {CHUNK}\r\n\r\ndata: {CHUNK}\n\n"));
}

#[test]
fn usage_without_choices_is_a_usage_chunk() {
    let stream = "data: {\"id\":\"i\",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n";
    let frames = run(&pass_through(), &Notes { include_usage: true, ..Notes::default() }, &[stream.as_bytes()]);
    assert_eq!(frames[0].kind, FrameKind::Usage);
    assert!(text(&frames).contains("\"choices\":[]"), "{}", text(&frames));
}

#[test]
fn an_event_without_extras_keeps_its_bytes() {
    let chunk = Bytes::from(format!("data: {CHUNK}\n\n"));
    let mut framer = Framer::new(1000);
    framer.feed(&chunk);
    let event = framer.next().unwrap().unwrap();
    assert_eq!(super::super::forwarded(&event).as_ptr(), chunk.as_ptr());
}

//! `answer.json` or `answer.sse` from the vendor, `seen.json` or `seen.sse` for the client.
//! `notes.json` says what the request left to be undone. Lines that begin with `! ` stand for what
//! is told beside the bytes.

use crate::golden::{compare, folders, profile, root};
use banjia_types::{Operation, RequestId, Timestamp};
use banjia_wire::{Decoder, Frame, FrameKind, Identity, Notes, decode_answer};
use bytes::Bytes;
use serde::Deserialize;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use uuid::Uuid;

/// The identity of every answer in these tests.
const IDENTITY: Identity = Identity { request: RequestId(Uuid::from_u128(7)), created: Timestamp(1_720_483_200_123) };

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ExpectedNotes {
    endpoint: Option<Operation>,
    include_usage: bool,
    renamed_tools: Vec<(String, String)>,
}

fn told(case: &Path) -> (Operation, Notes) {
    let told: ExpectedNotes = match fs::read_to_string(case.join("notes.json")) {
        Ok(text) => serde_json::from_str(&text).unwrap(),
        Err(_) => ExpectedNotes::default(),
    };
    let operation = told.endpoint.unwrap_or(Operation::ChatCompletions);
    let notes = Notes { include_usage: told.include_usage, renamed_tools: told.renamed_tools, ..Notes::default() };
    (operation, notes)
}

/// What a client sees of a stream, and under it what only the gateway sees.
fn seen_stream(vendor: &str, notes: &Notes, bytes: &Bytes, split: usize) -> String {
    let mut decoder = Decoder::new(&profile(vendor), notes, IDENTITY);
    let mut frames: Vec<Frame> = Vec::new();
    for start in (0..bytes.len()).step_by(split) {
        decoder.feed(&bytes.slice(start..bytes.len().min(start + split)), &mut frames);
    }
    decoder.end(&mut frames);
    let mut seen = String::new();
    let mut kinds = Vec::new();
    for frame in &frames {
        seen.push_str(std::str::from_utf8(&frame.bytes).unwrap());
        let kind = format!("{:?}", frame.kind).to_lowercase();
        kinds.push(kind.split('(').next().unwrap_or_default().to_owned());
    }
    writeln!(seen, "! frames: {}", kinds.join(" ")).unwrap();
    if let Some(usage) = decoder.usage().known() {
        writeln!(seen, "! usage: {usage:?}").unwrap();
    }
    for frame in frames {
        if let FrameKind::Error(error) = frame.kind {
            writeln!(seen, "! error: {error}").unwrap();
        }
    }
    seen
}

fn seen_answer(vendor: &str, operation: Operation, notes: &Notes, body: &Bytes) -> String {
    match decode_answer(&profile(vendor), notes, operation, IDENTITY, body) {
        Ok(answer) => {
            let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            let usage = answer.usage.known().map(|usage| format!("! usage: {usage:?}\n")).unwrap_or_default();
            format!("{value:#}\n{usage}! finish: {:?}\n", answer.finish)
        }
        Err(error) => format!("! error: {error}\n"),
    }
}

#[test]
fn answers_are_seen_as_written_down() {
    let mut wrong = Vec::new();
    let mut cases = 0;
    for vendor_folder in folders(&root()) {
        let vendor = vendor_folder.file_name().unwrap().to_str().unwrap().to_owned();
        for case in folders(&vendor_folder) {
            let (operation, notes) = told(&case);
            if let Ok(stream) = fs::read(case.join("answer.sse")) {
                let stream = Bytes::from(stream);
                let seen = seen_stream(&vendor, &notes, &stream, stream.len().max(1));
                assert_eq!(seen, seen_stream(&vendor, &notes, &stream, 1), "{}: byte by byte", case.display());
                wrong.extend(compare(&case.join("seen.sse"), &seen));
                cases += 1;
            }
            if let Ok(body) = fs::read(case.join("answer.json")) {
                let seen = seen_answer(&vendor, operation, &notes, &body.into());
                wrong.extend(compare(&case.join("seen.json"), &seen));
                cases += 1;
            }
        }
    }
    assert!(cases > 30, "only {cases} cases were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

mod events;
mod tools;

use super::*;
use banjia_types::{Operation, RequestId, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

fn profile(text: &str) -> Arc<Profile> {
    let text = format!("vendor = \"v\"\nsource = \"test\"\nas_of = \"2026\"\n{text}");
    let (profile, problems) = Profile::parse("v", &text, &|_| None);
    Arc::new(profile.unwrap_or_else(|| panic!("{problems:?}")))
}

fn regular() -> Arc<Profile> {
    profile(
        "[stream]\nfinish = { broken = \"error:overload\", eos = \"stop\" }\nblocked_flag_min = 3\nreasoning_member = \"reasoning\"",
    )
}

fn pass_through() -> Arc<Profile> {
    profile("pass_through = true")
}

fn run(profile: &Arc<Profile>, notes: &Notes, chunks: &[&[u8]]) -> Vec<Frame> {
    let mut decoder = Decoder::new(profile, notes, IDENTITY);
    let mut frames = Vec::new();
    for chunk in chunks {
        decoder.feed(&Bytes::copy_from_slice(chunk), &mut frames);
    }
    decoder.end(&mut frames);
    frames
}

fn text(frames: &[Frame]) -> String {
    frames.iter().map(|frame| std::str::from_utf8(&frame.bytes).unwrap()).collect()
}

fn ends(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| matches!(frame.kind, FrameKind::Done | FrameKind::Error(_))).count()
}

/// The identity of every answer in these tests.
const IDENTITY: Identity = Identity { request: RequestId(Uuid::from_u128(7)), created: Timestamp(1_720_483_200_123) };
const CHUNK: &str = r#"{"id":"i","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}"#;

#[test]
fn a_pass_through_stream_keeps_every_byte() {
    let stream = format!(
        "data: {CHUNK}\r\n\r\n: c\n\ndata: {CHUNK}\n\ndata:  {{ \"choices\" : [{{\"index\":0,\"delta\":{{}},\"finish_reason\" : \"stop\"}}]}}\n\ndata: [DONE]\n\n"
    );
    let frames = run(&pass_through(), &Notes::default(), &[stream.as_bytes()]);
    assert_eq!(text(&frames), stream);
    assert_eq!(frames.last().unwrap().kind, FrameKind::Done);
}

#[test]
fn nothing_follows_the_end() {
    let finish = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let stream = format!("{finish}\n\ndata: [DONE]\n\ndata: [DONE]\n\n{finish}\n\n: late\n\n");
    for profile in [pass_through(), regular()] {
        let frames = run(&profile, &Notes::default(), &[stream.as_bytes()]);
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[1].kind, FrameKind::Done);
    }
}

#[test]
fn a_choice_without_an_end_is_no_complete_stream() {
    let second = CHUNK.replace("\"index\":0", "\"index\":1");
    let finish = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let stream = format!("data: {CHUNK}\n\ndata: {second}\n\ndata: {finish}\n\n");
    for profile in [pass_through(), regular()] {
        let frames = run(&profile, &Notes::default(), &[stream.as_bytes()]);
        assert!(matches!(&frames.last().unwrap().kind, FrameKind::Error(error) if error.class == ErrorClass::Server));
    }
}

#[test]
fn finish_reasons_are_translated_or_errors() {
    for (reason, class) in [("broken", Some(ErrorClass::Overload)), ("eos", None)] {
        let stream = format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}},\"finish_reason\":\"{reason}\"}}]}}\n\ndata: [DONE]\n\n"
        );
        let frames = run(&regular(), &Notes::default(), &[stream.as_bytes()]);
        if let Some(class) = class {
            assert!(matches!(&frames[0].kind, FrameKind::Error(error) if error.class == class));
        } else {
            assert_eq!(frames[0].kind, FrameKind::Content);
            assert!(text(&frames).contains("\"finish_reason\":\"stop\""));
        }
        assert_eq!(ends(&frames), 1);
    }
}

#[test]
fn reasoning_by_another_name_is_renamed() {
    let stream = concat!(
        "data: {\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}},",
        "{\"id\":\"b\",\"index\":0,\"function\":{\"name\":\"g\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n"
    );
    let seen = text(&run(&regular(), &Notes::default(), &[stream.as_bytes()]));
    assert!(seen.contains("\"reasoning_content\":\"hm\""), "{seen}");
    assert!(seen.contains(r#""type":"function","function":{"name":"f","arguments":"{\"x\":1}"}"#), "{seen}");
    assert!(
        seen.contains(r#""index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{}"}"#),
        "{seen}"
    );
}

#[test]
fn an_endless_line_costs_bounded_memory() {
    let mut decoder = Decoder::new(&pass_through(), &Notes::default(), IDENTITY);
    let mut frames = Vec::new();
    let part = Bytes::from(vec![b'x'; 1 << 20]);
    for _ in 0..20 {
        decoder.feed(&part, &mut frames);
    }
    decoder.end(&mut frames);
    assert_eq!(frames.len(), 1);
    assert!(matches!(frames[0].kind, FrameKind::Error(_)));
}

#[test]
fn a_pass_through_answer_keeps_its_bytes() {
    let body = Bytes::from_static(
        br#"{ "choices":[{"finish_reason":"stop","x":1.0}],"usage":{"prompt_tokens":2,"completion_tokens":3}}"#,
    );
    let answer =
        decode_answer(&pass_through(), &Notes::default(), Operation::ChatCompletions, IDENTITY, &body).unwrap();
    assert_eq!(answer.body, body);
    assert_eq!(answer.usage.known().unwrap().total(), 5);
    for (body, class) in [
        (r#"{"error":{"message":"m","code":429}}"#, ErrorClass::Rate),
        (r#"{"error_code":18,"error_msg":"m"}"#, ErrorClass::Server),
        (r#"{"code":503,"message":"m"}"#, ErrorClass::Overload),
        (r#"{"choices":[]}"#, ErrorClass::Server),
        ("\"text\"", ErrorClass::Server),
        ("{\"choices\":", ErrorClass::Server),
    ] {
        for profile in [pass_through(), regular()] {
            let error =
                decode_answer(&profile, &Notes::default(), Operation::ChatCompletions, IDENTITY, &Bytes::from(body))
                    .unwrap_err();
            assert_eq!(error.class, class, "{body}");
        }
    }
}

/// Usage members that no vendor can mean, as they stand in an answer.
const IMPLAUSIBLE: [&str; 24] = [
    r#"{"prompt_tokens":9223372036854775807,"completion_tokens":1}"#,
    r#"{"prompt_tokens":1,"completion_tokens":9223372036854775807}"#,
    r#"{"prompt_tokens":9223372036854775808,"completion_tokens":1}"#,
    r#"{"prompt_tokens":18446744073709551615,"completion_tokens":18446744073709551615}"#,
    r#"{"prompt_tokens":18446744073709551616,"completion_tokens":1}"#,
    r#"{"prompt_tokens":1e300,"completion_tokens":1}"#,
    r#"{"prompt_tokens":1,"completion_tokens":1e18}"#,
    r#"{"prompt_tokens":-1,"completion_tokens":1}"#,
    r#"{"prompt_tokens":1,"completion_tokens":-0.5}"#,
    r#"{"prompt_tokens":1.5,"completion_tokens":1}"#,
    r#"{"prompt_tokens":"12","completion_tokens":1}"#,
    r#"{"prompt_tokens":[12],"completion_tokens":1}"#,
    r#"{"prompt_tokens":{"prompt_tokens":12},"completion_tokens":1}"#,
    r#"{"prompt_tokens":true,"completion_tokens":1}"#,
    r#"{"prompt_tokens":2100000,"completion_tokens":1}"#,
    r#"{"prompt_tokens":1,"completion_tokens":20000001}"#,
    r#"{"prompt_tokens":1,"completion_tokens":1,"total_tokens":9007199254740993}"#,
    r#"{"prompt_tokens":1,"completion_tokens":1,"total_tokens":"2"}"#,
    r#"{"total_tokens":20000000}"#,
    r#"{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":1e18}}"#,
    r#"{"prompt_tokens":1,"completion_tokens":1,"completion_tokens_details":{"reasoning_tokens":-1}}"#,
    r#"{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":[]}"#,
    r#""many""#,
    "[]",
];

/// As `encode` makes them for a body of 1,000 bytes.
fn bounded() -> Notes {
    Notes { token_bounds: TokenBounds::of(&regular(), 1_000), include_usage: true, ..Notes::default() }
}

#[test]
fn implausible_usage_of_an_answer_is_unknown() {
    for usage in IMPLAUSIBLE {
        let body = format!(r#"{{"choices":[{{"message":{{"content":"a"}},"finish_reason":"stop"}}],"usage":{usage}}}"#);
        for profile in [pass_through(), regular()] {
            let answer =
                decode_answer(&profile, &bounded(), Operation::ChatCompletions, IDENTITY, &body.clone().into())
                    .unwrap();
            assert_eq!(answer.usage, ReportedUsage::Implausible, "{usage}");
            let shown: Value = serde_json::from_slice(&answer.body).unwrap();
            assert!(profile.is_pass_through() || shown.get("usage").is_none(), "{usage}");
        }
    }
}

#[test]
fn implausible_usage_of_a_stream_is_unknown() {
    for usage in IMPLAUSIBLE {
        for places in [1, 2] {
            let counted = format!("data: {{\"choices\":[],\"usage\":{usage}}}\n\n").repeat(places);
            let finish = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
            let stream = Bytes::from(format!("data: {CHUNK}\n\n{finish}{counted}data: [DONE]\n\n"));
            for profile in [pass_through(), regular()] {
                let mut decoder = Decoder::new(&profile, &bounded(), IDENTITY);
                let mut frames = Vec::new();
                decoder.feed(&stream, &mut frames);
                decoder.end(&mut frames);
                assert_eq!(decoder.usage(), ReportedUsage::Implausible, "{usage}");
                assert_eq!(frames.last().unwrap().kind, FrameKind::Done, "the answer itself is good: {usage}");
                assert!(profile.is_pass_through() || !text(&frames).contains("usage"), "{}", text(&frames));
            }
        }
    }
}

#[test]
fn whole_numbers_up_to_the_bounds_are_counted() {
    for (usage, prompt, completion) in [
        (r#"{"prompt_tokens":12.0,"completion_tokens":3e0}"#, 12, 3),
        (r#"{"prompt_tokens":2001000,"completion_tokens":20000000}"#, 2_001_000, 20_000_000),
        (r#"{"prompt_tokens":0,"completion_tokens":null,"prompt_tokens_details":null}"#, 0, 0),
        (r#"{"total_tokens":7,"completion_tokens":3}"#, 4, 3),
    ] {
        let found =
            usage::found_in(&serde_json::from_str(&format!(r#"{{"usage":{usage}}}"#)).unwrap(), bounded().token_bounds);
        let read = usage::read(usage, bounded().token_bounds);
        assert_eq!(found, read, "{usage}");
        let known = read.known().unwrap();
        assert_eq!((known.prompt, known.completion), (prompt, completion), "{usage}");
    }
}

#[test]
fn a_sum_with_an_implausible_part_is_unknown() {
    let known = ReportedUsage::Known(banjia_types::Usage { prompt: 1, ..Default::default() });
    assert_eq!((known + known).known().unwrap().prompt, 2);
    assert_eq!(known + ReportedUsage::Missing, known);
    assert_eq!(known + ReportedUsage::Implausible, ReportedUsage::Implausible);
    assert_eq!(ReportedUsage::Implausible + known, ReportedUsage::Implausible);
}

#[test]
fn an_answer_that_is_no_utf8_is_the_vendors_failure() {
    for place in [r#""content":"?""#, r#""content":"a","unread":"?""#, r#""content":"a","finish_reason":"?""#] {
        let body = format!(r#"{{"choices":[{{"message":{{{place}}},"finish_reason":"stop"}}],"x":"?"}}"#);
        for bad in [&b"\xff"[..], b"\xc3\x28", b"\xed\xa0\x80", b"\xe4\xbd"] {
            let body: Vec<u8> =
                body.bytes().flat_map(|byte| if byte == b'?' { bad.to_vec() } else { vec![byte] }).collect();
            for profile in [pass_through(), regular()] {
                let error = decode_answer(
                    &profile,
                    &Notes::default(),
                    Operation::ChatCompletions,
                    IDENTITY,
                    &body.clone().into(),
                )
                .unwrap_err();
                assert_eq!((error.class, error.message.contains("UTF-8")), (ErrorClass::Server, true), "{error}");
            }
        }
    }
}

#[test]
fn a_chunk_that_is_no_utf8_is_the_vendors_failure() {
    for bad in [&b"\xff"[..], b"\xc3\x28", b"\xed\xa0\x80", b"\xe4\xbd"] {
        for at_start in [true, false] {
            for line in ["data: CHUNK", ": comment ?", "data: CHUNK\nid: ?"] {
                let chunk = CHUNK.replacen("\"content\":\"", "\"content\":\"?", 1);
                assert_ne!(chunk, CHUNK);
                let line = line.replace("CHUNK", if line.contains('?') { CHUNK } else { &chunk });
                let before = if at_start { String::new() } else { format!("data: {CHUNK}\n\n") };
                let stream = format!("{before}{line}\n\n");
                let stream: Vec<u8> =
                    stream.bytes().flat_map(|byte| if byte == b'?' { bad.to_vec() } else { vec![byte] }).collect();
                for profile in [pass_through(), regular()] {
                    let frames = run(&profile, &Notes::default(), &[&stream]);
                    let Some(FrameKind::Error(error)) = frames.last().map(|frame| &frame.kind) else {
                        panic!("{frames:?}")
                    };
                    assert_eq!(error.class, ErrorClass::Server);
                    assert!(error.message.contains("UTF-8"), "{error}");
                    let sent = frames.iter().all(|frame| std::str::from_utf8(&frame.bytes).is_ok());
                    assert!(sent, "nothing of it leaves");
                }
            }
        }
    }
}

fn data() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        CHUNK,
        "[DONE]",
        "{",
        "7",
        "null",
        "{}",
        r#"{"choices":7}"#,
        r#"{"choices":[7,null,{}]}"#,
        r#"{"choices":[{"index":-1,"delta":[],"finish_reason":7}],"usage":"x"}"#,
        r#"{"choices":[{"index":99999999999,"delta":{"content":{"a":[]},"tool_calls":[7,{"id":3,"function":[]}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":{}},"finish_reason":"stop","flag":-3}],"usage":{"prompt_tokens":-1.5}}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1e300,"total_tokens":null}}"#,
        r#"{"error":[]}"#,
        r#"{"code":{},"message":[]}"#,
    ])
    .prop_map(|data| format!("data: {data}\n\n"))
}

proptest! {
    #[test]
    fn every_stream_ends_once_however_it_is_cut(
        parts in prop::collection::vec(data(), 0..8),
        noise in prop::collection::vec(any::<u8>(), 0..20),
        at in 0_usize..400,
        include_usage in any::<bool>(),
    ) {
        let mut stream = parts.concat().into_bytes();
        let at = at.min(stream.len());
        stream.splice(at..at, noise);
        let notes = Notes { include_usage, ..Notes::default() };
        for profile in [pass_through(), regular()] {
            let whole = run(&profile, &notes, &[&stream]);
            prop_assert_eq!(ends(&whole), 1);
            prop_assert!(matches!(whole.last().unwrap().kind, FrameKind::Done | FrameKind::Error(_)));
            let single: Vec<&[u8]> = stream.chunks(1).collect();
            let pieces = run(&profile, &notes, &single);
            let seen = |frames: &[Frame]| frames.iter().map(|f| (f.kind.clone(), f.bytes.clone())).collect::<Vec<_>>();
            prop_assert_eq!(seen(&whole), seen(&pieces));
        }
    }

    #[test]
    fn a_cut_stream_never_ends_in_done(length in 0_usize..500) {
        let stream = format!("data: {CHUNK}\n\ndata: {CHUNK}\n\ndata: {CHUNK}\n\n");
        for profile in [pass_through(), regular()] {
            let frames = run(&profile, &Notes::default(), &[&stream.as_bytes()[..length.min(stream.len())]]);
            prop_assert!(matches!(frames.last().unwrap().kind, FrameKind::Error(_)));
        }
    }

    #[test]
    fn arbitrary_answers_never_panic(body in prop::collection::vec(any::<u8>(), 0..200), status in any::<u16>()) {
        let body = Bytes::from(body);
        for profile in [pass_through(), regular()] {
            for operation in [Operation::ChatCompletions, Operation::Embeddings] {
                prop_assert!(decode_answer(&profile, &Notes::default(), operation, IDENTITY, &body).is_err());
            }
            crate::classify::classify(&profile, status, Some("1"), &body);
        }
    }
}

const OWN_ID: &str = "chatcmpl-00000000000000000000000000000007";

#[test]
fn chunks_without_an_id_and_a_time_get_the_same_ones() {
    let bare = r#"data: {"choices":[{"index":0,"delta":{"content":"\"created\":0,"},"finish_reason":null}]}"#;
    let zero = CHUNK.replace("\"created\":1", "\"created\":0");
    let end = r#"data: {"id":"late","created":9,"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let stream =
        format!("{bare}\n\n{bare}\n\n{zero}\n\n{end}\n\ndata: [DONE]\n\n", zero = format_args!("data: {zero}"));
    let shown = text(&run(&regular(), &Notes::default(), &[stream.as_bytes()]));
    let chunks: Vec<&str> = shown.lines().filter(|line| line.contains("choices")).collect();
    assert_eq!(chunks.len(), 4, "{shown}");
    for chunk in chunks {
        let named = format!(r#""id":"{OWN_ID}","object":"chat.completion.chunk","created":1720483200,"#);
        assert!(chunk.contains(&named), "{chunk}");
    }
    assert!(shown.contains(r#"\"created\":0,"#), "the text of the answer stays: {shown}");
}

#[test]
fn an_answer_without_an_id_and_a_time_gets_them() {
    for envelope in ["", r#""id":null,"created":null,"#, r#""created":0,"#] {
        let body = format!(r#"{{{envelope}"choices":[{{"message":{{"content":"x"}},"finish_reason":"stop"}}]}}"#);
        let answer = decode_answer(&regular(), &Notes::default(), Operation::ChatCompletions, IDENTITY, &body.into());
        let value: Value = serde_json::from_slice(&answer.unwrap().body).unwrap();
        assert_eq!(value["id"], OWN_ID);
        assert_eq!(value["created"], 1_720_483_200);
    }
}

//! Answers: whole, in parts, cut, late, too long, and not HTTP at all.

use crate::vendor::{Step, Vendor, chunk, send, stream_head, whole};
use crate::{LONG, SHORT, call, patient, upstream};
use banjia_upstream::{Call, Endpoint, Phase, Reply, SendError, SendErrorKind, Timeouts};
use std::sync::Arc;
use tokio::sync::Notify;

async fn ask(script: Vec<Step>, timeouts: Timeouts) -> Result<Reply, SendError> {
    let vendor = Vendor::start(vec![script]).await;
    let endpoint = Endpoint::new(&vendor.base, "/x").unwrap();
    upstream().send(Call { timeouts: Some(timeouts), ..call(&endpoint) }).await
}

fn silence() -> Step {
    Step::UntilClosed(Arc::default())
}

#[tokio::test]
async fn an_error_status_is_an_answer() {
    let reply = ask(vec![whole("429 Too Many Requests", "{\"error\":{}}")], patient()).await.unwrap();
    assert_eq!(reply.status, 429);
    assert_eq!(reply.headers["content-type"], "application/json");
    assert_eq!(reply.body.collect(1_000).await.unwrap(), "{\"error\":{}}");
}

#[tokio::test]
async fn a_stream_comes_in_its_parts_and_ends() {
    let script = vec![stream_head(), chunk("data: 1\n\n"), chunk("data: 2\n\n"), send("0\r\n\r\n")];
    let mut reply = ask(script, patient()).await.unwrap();
    let mut text = Vec::new();
    while let Some(part) = reply.body.next_chunk().await {
        text.extend_from_slice(&part.unwrap());
    }
    assert_eq!(text, b"data: 1\n\ndata: 2\n\n");
    assert!(reply.body.next_chunk().await.is_none(), "the end stays the end");
}

#[tokio::test]
async fn a_stream_that_is_cut_is_broken_and_not_ended() {
    let go = Arc::new(Notify::new());
    let mut reply =
        ask(vec![stream_head(), chunk("data: 1\n\n"), Step::Await(Arc::clone(&go)), Step::Close], patient())
            .await
            .unwrap();
    assert_eq!(reply.body.next_chunk().await.unwrap().unwrap(), "data: 1\n\n");
    go.notify_one();
    let error = reply.body.next_chunk().await.unwrap().unwrap_err();
    assert!(matches!(error, SendError::Reset { in_body: true, .. }), "{error}");
    assert!(reply.body.next_chunk().await.is_none());
}

#[tokio::test]
async fn an_answer_shorter_than_announced_is_broken() {
    let script = vec![send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":"), Step::Close];
    let error = ask(script, patient()).await.unwrap().body.collect(1_000).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::Reset);
}

#[tokio::test]
async fn a_vendor_that_sends_nothing_is_given_up() {
    let timeouts = Timeouts { head: SHORT, ..patient() };
    let error = ask(vec![silence()], timeouts).await.unwrap_err();
    assert!(matches!(error, SendError::Timeout { phase: Phase::Head, .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1: waited 60 ms for the head of the answer"), "{error}");
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let mut timeouts = Timeouts { first_byte: SHORT, ..patient() };
    let mut reply = ask(vec![stream_head(), silence()], timeouts).await.unwrap();
    let error = reply.body.next_chunk().await.unwrap().unwrap_err();
    assert!(matches!(error, SendError::Timeout { phase: Phase::FirstByte, .. }), "{error}");
    assert!(reply.body.next_chunk().await.is_none());

    // The timer stands at half a minute when the shorter wait begins.
    timeouts = Timeouts { idle: SHORT, ..patient() };
    let mut reply = ask(vec![stream_head(), chunk("data: 1\n\n"), silence()], timeouts).await.unwrap();
    assert!(reply.body.next_chunk().await.unwrap().is_ok());
    let error = reply.body.next_chunk().await.unwrap().unwrap_err();
    assert!(matches!(error, SendError::Timeout { phase: Phase::Idle, .. }), "{error}");
}

#[tokio::test]
async fn a_long_stream_outlives_the_wait_for_its_first_byte() {
    let go = Arc::new(Notify::new());
    let script = vec![stream_head(), chunk("1"), Step::Await(Arc::clone(&go)), chunk("2"), send("0\r\n\r\n")];
    let timeouts = Timeouts { head: LONG, first_byte: LONG, idle: LONG * 10 };
    let mut reply = ask(script, timeouts).await.unwrap();
    assert_eq!(reply.body.next_chunk().await.unwrap().unwrap(), "1");
    tokio::time::pause();
    tokio::time::advance(LONG * 2).await;
    tokio::time::resume();
    let (part, ()) = tokio::join!(reply.body.next_chunk(), async { go.notify_one() });
    assert_eq!(part.unwrap().unwrap(), "2");
    assert!(reply.body.next_chunk().await.is_none());
}

#[tokio::test]
async fn a_body_is_bounded_with_or_without_a_length() {
    let announced = send("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n");
    let error = ask(vec![announced, silence()], patient()).await.unwrap().body.collect(1_000).await.unwrap_err();
    assert!(matches!(error, SendError::TooLarge { what: "body", limit_bytes: 1_000, .. }), "{error}");

    let endless = Step::Endless(b"400\r\n".iter().copied().chain([b'x'; 1_024]).chain(*b"\r\n").collect());
    let error = ask(vec![stream_head(), endless], patient()).await.unwrap().body.collect(100_000).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::TooLarge);

    let exact = vec![stream_head(), chunk("12345"), chunk("67890"), send("0\r\n\r\n")];
    assert_eq!(ask(exact, patient()).await.unwrap().body.collect(10).await.unwrap(), "1234567890");
}

#[tokio::test]
async fn endless_headers_take_bounded_memory() {
    let line = format!("x-more: {}\r\n", "y".repeat(1_000)).into_bytes();
    let error = ask(vec![send("HTTP/1.1 200 OK\r\n"), Step::Endless(line)], patient()).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::TooLarge, "{error}");

    let one_line = vec![send("HTTP/1.1 200 OK\r\nx-long: "), Step::Endless(vec![b'y'; 1_000])];
    let error = ask(one_line, patient()).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::TooLarge, "{error}");

    let many = (0..500).map(|n| format!("x-{n}: y\r\n")).collect::<Vec<_>>().concat();
    let error = ask(vec![send(&format!("HTTP/1.1 200 OK\r\n{many}\r\n"))], patient()).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::TooLarge, "{error}");
}

#[tokio::test]
async fn garbage_and_uninvited_encodings_are_bad_answers() {
    let error = ask(vec![send("SSH-2.0-OpenSSH_9.7\r\n\r\n")], patient()).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::BadAnswer, "{error}");

    let gzip = send("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x01");
    let error = ask(vec![gzip], patient()).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::BadAnswer);
    assert!(error.to_string().contains("gzip"), "{error}");

    let bad_chunk = vec![stream_head(), send("zz\r\nhello\r\n")];
    let error = ask(bad_chunk, patient()).await.unwrap().body.collect(1_000).await.unwrap_err();
    assert!(matches!(error.kind(), SendErrorKind::BadAnswer | SendErrorKind::Reset), "{error}");
}

//! A step of the wall clock changes dates and nothing else.

use crate::rig::{Answer, KEY, MOVING, Rig, first_content, hello, rest};
use banjia_sandbox::Pace;
use banjia_store::Row;
use banjia_types::{Outcome, Timestamp};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const HOUR: Duration = Duration::from_hours(1);

/// Sets the wall clock an hour back, or forward.
fn step(rig: &Rig, is_forward: bool) {
    let now = rig.clock.now();
    rig.clock.set(if is_forward { now + HOUR } else { now - HOUR });
}

/// Lets the monotonic clock go on by a span, without waiting.
async fn pass(span: Duration) {
    tokio::time::pause();
    tokio::time::advance(span).await;
    tokio::time::resume();
}

/// Asks over a connection of its own: one that is kept open would be closed for its silence when
/// the clock goes on.
async fn ask_anew(rig: &Rig) -> Answer {
    let mut request = rig.request("/v1/chat/completions", hello("one-openai", false).to_string());
    request.headers_mut().insert("connection", "close".parse().unwrap());
    rig.send(request).await
}

async fn the_row(rig: &Rig) -> Row {
    rig.rows().await.pop().unwrap()
}

#[track_caller]
fn took_less_than_a_minute(row: &Row) {
    let took = row.ended_at.since(row.accepted_at);
    assert!(row.ended_at >= row.accepted_at && took < Duration::from_mins(1), "{row:?}");
    assert!(row.first_content_ms.unwrap() < 60_000, "{row:?}");
}

#[tokio::test]
async fn a_stream_outlives_a_step_of_the_clock() {
    for is_forward in [false, true] {
        let rig = Rig::new().await;
        rig.slow(20);
        let (_, mut body) = rig.open(&hello("one-openai", true)).await;
        first_content(&mut body).await;
        step(&rig, is_forward);
        let (bytes, is_whole) = rest(body).await;
        assert!(is_whole && bytes.ends_with(b"data: [DONE]\n\n"), "{}", String::from_utf8_lossy(&bytes));
        let row = the_row(&rig).await;
        assert_eq!(row.outcome, Outcome::Answered);
        took_less_than_a_minute(&row);
    }
}

#[tokio::test]
async fn a_first_content_time_is_no_difference_of_dates() {
    for is_forward in [false, true] {
        let rig = Rig::new().await;
        let first_token = Duration::from_millis(100);
        rig.sandbox.set_pace(Pace { first_token, ..Pace::default() });
        let asked = hello(MOVING, true);
        let asking = async {
            let (_, body) = rig.open(&asked).await;
            rest(body).await
        };
        let stepping = async {
            while rig.asked("openai") == 0 {
                tokio::task::yield_now().await;
            }
            step(&rig, is_forward);
        };
        let ((_, is_whole), ()) = tokio::join!(asking, stepping);
        let row = the_row(&rig).await;
        assert_eq!((is_whole, row.attempts), (true, 1), "the source had its whole time: {row:?}");
        assert!(row.first_content_ms.unwrap() >= 90, "{row:?}");
        took_less_than_a_minute(&row);
    }
}

#[tokio::test]
async fn a_time_out_comes_although_the_clock_is_set_back() {
    let rig = Rig::new().await;
    rig.sandbox.set_pace(Pace { first_token: HOUR * 24, ..Pace::default() });
    let asked = hello("one-openai", true);
    let stepping = async {
        while rig.asked("openai") == 0 {
            tokio::task::yield_now().await;
        }
        step(&rig, false);
        pass(Duration::from_mins(10)).await;
    };
    let (answer, ()) = tokio::join!(rig.chat(&asked), stepping);
    answer.is_error(504, Some("vendor_timeout"));
}

#[tokio::test]
async fn a_limited_minute_lasts_a_minute() {
    let rig = Rig::with(|config| config.keys[0].limits.requests_per_minute = Some(1)).await;
    for is_forward in [false, true] {
        ask_anew(&rig).await.is(200);
        step(&rig, is_forward);
        ask_anew(&rig).await.is_error(429, Some("rate_limit_exceeded"));
        pass(Duration::from_secs(61)).await;
    }
    ask_anew(&rig).await.is(200);
}

#[tokio::test]
async fn a_step_of_the_clock_changes_dates() {
    let rig = Rig::new().await;
    let stepped = Timestamp(rig.clock.now().0 - 3_600_000);
    rig.clock.set(stepped);
    rig.ask("one-openai", false).await.is(200);
    let row = the_row(&rig).await;
    assert!(row.accepted_at >= stepped && row.accepted_at < stepped + Duration::from_mins(1), "{row:?}");
    let id = row.request_id.0.get_timestamp().unwrap().to_unix();
    assert!(id.0.abs_diff(stepped.0.unsigned_abs() / 1_000) < 60, "an id is in the order of the ledger's dates");
}

#[tokio::test]
async fn an_acceptance_is_dated_when_it_happens() {
    let rig = Rig::new().await;
    let body = hello("one-openai", false).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut socket = TcpStream::connect(rig.gateway.addr).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    // It is sent when the body is read for the first time: the request has arrived and is not
    // accepted yet.
    let mut begun = [0; 25];
    socket.read_exact(&mut begun).await.unwrap();
    assert_eq!(&begun, b"HTTP/1.1 100 Continue\r\n\r\n");
    step(&rig, true);
    let stepped = rig.clock.now();
    socket.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let row = the_row(&rig).await;
    assert!(row.accepted_at >= stepped, "a flush of the ledger may have happened between: {row:?}");
    took_less_than_a_minute(&row);
}

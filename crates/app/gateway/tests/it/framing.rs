//! Requests whose bytes a proxy in front could read differently, and clients that close one side.

use crate::raw::{answer, chat, connect, head, read_to_end, read_until};
use crate::rig::{KEY, Rig, first_content, hello};
use crate::vendor::{Vendor, said};
use banjia_gateway::config::RouteConfig;
use banjia_sandbox::Fault;
use tokio::io::AsyncWriteExt as _;

/// An error in OpenAI's shape, on a connection that was closed after it.
#[track_caller]
fn is_refused(seen: &str, status: u16, mark: &str) {
    assert!(seen.starts_with(&format!("HTTP/1.1 {status} ")), "{mark}: {seen:?}");
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.contains("connection: close") && head.contains("x-request-id: req_"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["error"]["code"], "malformed_request");
    assert!(body["error"]["message"].as_str().unwrap().contains(mark), "{mark}: {body}");
}

#[tokio::test]
async fn an_unclear_head_is_a_400_and_closes() {
    let rig = Rig::new().await;
    let body = hello("one-openai", false).to_string();
    let length = format!("content-length: {}\r\n", body.len());
    let plain = |version: &str, fields: &str| {
        format!("POST /v1/chat/completions HTTP/{version}\r\nauthorization: Bearer {KEY}\r\n{fields}\r\n{body}")
    };
    for (bytes, mark) in [
        (head("transfer-encoding: gzip, chunked\r\n") + "0\r\n\r\n", "Transfer-Encoding"),
        (head("transfer-encoding: chunked, identity\r\n") + "0\r\n\r\n", "Transfer-Encoding"),
        (head("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n") + "0\r\n\r\n", "Transfer-Encoding"),
        (head(&format!("{length}transfer-encoding: chunked\r\n")) + "0\r\n\r\n", "both"),
        (head(&format!("transfer-encoding: chunked\r\n{length}")) + "0\r\n\r\n", "both"),
        (head(&format!("{length}{length}")) + &body, "Content-Length"),
        (head(&format!("{length}content-length: 1\r\n")) + &body, "Content-Length"),
        (head("content-length: 5, 5\r\n") + "12345", "Content-Length"),
        (head(&format!("host: y\r\n{length}")) + &body, "Host"),
        (plain("1.1", &length), "Host"),
        (plain("1.0", "transfer-encoding: chunked\r\n"), "HTTP/1.0"),
        (head(&format!("a: b\r\n c\r\n{length}")) + &body, "white space"),
        (head(&format!("a : b\r\n{length}")) + &body, "white space"),
        (head(&format!("a: b\n{length}")) + &body, "line feed"),
        (chat(&hello("one-openai", false)).replace("\r\n", "\n"), "line feed"),
    ] {
        is_refused(&answer(&rig, &bytes).await, 400, mark);
    }
    let large = format!("a: {}\r\n", "b".repeat(200_000));
    is_refused(&answer(&rig, &head(&large)).await, 431, "too large");
    assert_eq!((rig.asked("openai"), rig.tally().await.accepted), (0, 0));
    rig.ask("one-openai", false).await.is(200);
}

#[tokio::test]
async fn a_request_before_an_unclear_one_is_answered() {
    let rig = Rig::new().await;
    let good = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let seen = answer(&rig, &format!("{good}{good}GET / HTTP/1.1\r\n\r\n{good}")).await;
    let count = |status: &str| seen.matches(&format!("HTTP/1.1 {status}\r\n")).count();
    assert_eq!((count("200 OK"), count("400 Bad Request")), (2, 1), "{seen}");
}

#[tokio::test]
async fn a_head_in_many_pieces_is_one_request() {
    let rig = Rig::new().await;
    let mut socket = connect(&rig, "").await;
    socket.set_nodelay(true).unwrap();
    for byte in chat(&hello("one-openai", false)).bytes() {
        socket.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let seen = read_until(&mut socket, "choices").await;
    assert!(seen.starts_with("HTTP/1.1 200"), "{seen}");
}

#[tokio::test]
async fn chunked_bodies_and_later_requests_are_read() {
    let rig = Rig::new().await;
    let body = hello("one-openai", false).to_string();
    let (first, second) = body.split_at(20);
    let chunked = format!(
        "{}{:x};a=b\r\n{first}\r\n{:X}\r\n{second}\r\n0\r\nx-trailer: 1\r\n\r\n",
        head("Transfer-Encoding: Chunked\r\n"),
        first.len(),
        second.len(),
    );
    let last = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let seen = answer(&rig, &format!("{chunked}{chunked}{last}")).await;
    assert_eq!(seen.matches("HTTP/1.1 200").count(), 3, "{seen}");
}

#[tokio::test]
async fn a_malformed_chunk_is_a_400_and_closes() {
    let rig = Rig::new().await;
    for chunks in ["5 \r\nhello\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "x\r\n\r\n"] {
        let seen = answer(&rig, &(head("transfer-encoding: chunked\r\n") + chunks)).await;
        assert!(seen.starts_with("HTTP/1.1 400"), "{chunks:?}: {seen:?}");
    }
    assert_eq!(rig.tally().await.accepted, 0);
}

#[tokio::test]
async fn a_half_closed_client_gets_its_answer() {
    let vendor = Vendor::start(|_, _| said("hello")).await;
    let rig = Rig::with(|config| {
        vendor.add(config, "own", "openai");
        config.routes.push(RouteConfig::new("own", ["own/gpt-4o"]));
    })
    .await;
    vendor.may_answer.forget_permits(1_000_000);
    let mut socket = connect(&rig, &chat(&hello("own", false))).await;
    socket.shutdown().await.unwrap();
    // The interim answer shows that the gateway has seen the end.
    let interim = read_until(&mut socket, "100 Continue\r\n\r\n").await;
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    vendor.may_answer.add_permits(1);
    let seen = read_to_end(&mut socket).await;
    assert!(seen.starts_with("HTTP/1.1 200") && seen.contains("hello"), "{seen}");
    let tally = rig.tally().await;
    assert_eq!((tally.accepted, tally.answered), (1, 1));
}

#[tokio::test]
async fn a_half_closed_client_gets_its_stream() {
    let rig = Rig::new().await;
    rig.slow(5);
    let mut socket = connect(&rig, &chat(&hello("one-openai", true))).await;
    socket.shutdown().await.unwrap();
    let seen = read_to_end(&mut socket).await;
    assert!(seen.contains("HTTP/1.1 200") && seen.contains("data: [DONE]"), "{seen}");
    assert_eq!(rig.tally().await.answered, 1);
}

#[tokio::test]
async fn a_client_that_leaves_a_silent_stream_is_abandoned() {
    let rig = Rig::new().await;
    rig.fault("openai", Fault::Stall);
    let (_, mut body) = rig.open(&hello("one-openai", true)).await;
    first_content(&mut body).await;
    drop(body);
    while rig.tally().await.abandoned == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.tally().await.missing(), 0);
}

#[tokio::test]
async fn an_idle_connection_that_is_half_closed_is_closed() {
    let rig = Rig::new().await;
    let mut socket = connect(&rig, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    read_until(&mut socket, "ok\n").await;
    socket.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut socket).await, "");
}

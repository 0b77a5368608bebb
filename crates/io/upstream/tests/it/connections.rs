//! Connections: refused, reused, stale, and given up by us.

use crate::vendor::{Step, Vendor, chunk, stream_head, whole};
use crate::{LONG, SHORT, call, patient, upstream};
use banjia_types::ErrorClass;
use banjia_upstream::{Call, Config, Endpoint, Phase, SendError, SendErrorKind, Timeouts, Upstream};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Notify;

#[tokio::test]
async fn a_refused_connection_and_an_unknown_name_are_named() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let endpoint = Endpoint::new(&format!("http://{free}"), "/x").unwrap();
    let error = upstream().send(call(&endpoint)).await.unwrap_err();
    assert_eq!((error.kind(), error.class()), (SendErrorKind::Connect, ErrorClass::Server));
    assert!(error.to_string().contains("127.0.0.1: no connection: Connection refused"), "{error}");

    let endpoint = Endpoint::new("http://vendor.invalid", "/x").unwrap();
    let error = upstream().send(call(&endpoint)).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::Connect, "{error}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_bounded() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new(&format!("https://{}", listener.local_addr().unwrap()), "/x").unwrap();
    let config = Config { connect_ms: SHORT.as_millis() as u64, ..Config::default() };
    let error = Upstream::new(&config).unwrap().send(call(&endpoint)).await.unwrap_err();
    assert!(matches!(error, SendError::Timeout { phase: Phase::Connect, .. }), "{error}");
}

#[tokio::test]
async fn a_connection_is_reused_after_a_whole_body() {
    let vendor = Vendor::start(vec![vec![whole("200 OK", "{}")]]).await;
    let endpoint = Endpoint::new(&vendor.base, "/x").unwrap();
    let upstream = upstream();
    for _ in 0..3 {
        let reply = upstream.send(call(&endpoint)).await.unwrap();
        assert_eq!(reply.body.collect(100).await.unwrap(), "{}");
    }
    assert_eq!((vendor.seen().len(), vendor.connections()), (3, 1));
}

#[tokio::test]
async fn a_stale_connection_is_replaced_before_use() {
    let gone = Arc::new(Notify::new());
    let first = vec![whole("200 OK", "{}"), Step::Tell(Arc::clone(&gone)), Step::Close];
    let vendor = Vendor::start(vec![first, vec![whole("200 OK", "{}")]]).await;
    let endpoint = Endpoint::new(&vendor.base, "/x").unwrap();
    let upstream = upstream();
    upstream.send(call(&endpoint)).await.unwrap().body.collect(100).await.unwrap();
    gone.notified().await;
    upstream.send(call(&endpoint)).await.unwrap();
    assert_eq!((vendor.seen().len(), vendor.connections()), (2, 2));
}

#[tokio::test]
async fn a_request_that_was_sent_is_never_sent_twice() {
    // Once on a new connection, once on one that was used before: each time the vendor reads it and
    // hangs up.
    let vendor = Vendor::start(vec![vec![Step::Close], vec![whole("200 OK", "{}")], vec![Step::Close]]).await;
    let endpoint = Endpoint::new(&vendor.base, "/x").unwrap();
    let upstream = upstream();
    let error = upstream.send(call(&endpoint)).await.unwrap_err();
    assert!(matches!(error, SendError::Reset { in_body: false, .. }), "{error}");
    upstream.send(call(&endpoint)).await.unwrap().body.collect(100).await.unwrap();
    let error = upstream.send(call(&endpoint)).await.unwrap_err();
    assert!(matches!(error, SendError::Reset { in_body: false, .. }), "{error}");
    assert_eq!(vendor.seen().len(), 3);
}

#[tokio::test]
async fn a_dropped_body_closes_the_connection() {
    let (in_body, in_head) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let scripts = vec![
        vec![stream_head(), chunk("data: 1\n\n"), Step::UntilClosed(Arc::clone(&in_body))],
        vec![Step::UntilClosed(Arc::clone(&in_head))],
    ];
    let vendor = Vendor::start(scripts).await;
    let endpoint = Endpoint::new(&vendor.base, "/x").unwrap();
    let upstream = upstream();
    let mut reply = upstream.send(call(&endpoint)).await.unwrap();
    assert!(reply.body.next_chunk().await.unwrap().is_ok());
    drop(reply);
    tokio::time::timeout(LONG, in_body.notified()).await.expect("the vendor sees that nobody listens");

    let timeouts = Timeouts { head: SHORT, ..patient() };
    let error = upstream.send(Call { timeouts: Some(timeouts), ..call(&endpoint) }).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::Timeout);
    tokio::time::timeout(LONG, in_head.notified()).await.expect("the vendor sees that nobody waits");
}

//! Keys that nobody has.

use crate::raw::{connect, read_until};
use crate::rig::{Rig, hello};
use banjia_border::peer::PeerHeader;
use std::time::{Duration, Instant};

/// The time to the answer to a wrong key, over a connection of its own.
async fn wrong_key(rig: &Rig, fields: &str) -> Duration {
    let begun = Instant::now();
    let head = format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-wrong\r\n{fields}\r\n");
    let seen = read_until(&mut connect(rig, &head).await, "invalid_api_key").await;
    assert!(seen.starts_with("HTTP/1.1 401") && !seen.contains("retry-after"), "{seen}");
    begun.elapsed()
}

#[tokio::test]
async fn wrong_keys_are_answered_more_and_more_slowly() {
    let rig = Rig::new().await;
    for _ in 0..4 {
        wrong_key(&rig, "").await;
    }
    assert!(wrong_key(&rig, "").await >= Duration::from_millis(200));
    let (delay, right) = tokio::join!(wrong_key(&rig, ""), async {
        let begun = Instant::now();
        rig.ask("one-openai", false).await.is(200);
        begun.elapsed()
    });
    assert!(delay >= Duration::from_millis(400), "{delay:?}");
    assert!(right < delay, "a right key is not delayed: {right:?}");
}

#[tokio::test]
async fn wrong_keys_behind_a_proxy_count_for_their_client() {
    let rig = Rig::with(|config| {
        config.border.peer.trusted = vec!["127.0.0.1/32".parse().unwrap()];
        config.border.peer.header = PeerHeader::XForwardedFor;
    })
    .await;
    for _ in 0..6 {
        wrong_key(&rig, "x-forwarded-for: 192.0.2.1\r\n").await;
    }
    assert!(wrong_key(&rig, "x-forwarded-for: 192.0.2.1\r\n").await >= Duration::from_millis(800));
    assert!(wrong_key(&rig, "x-forwarded-for: 192.0.2.2\r\n").await < Duration::from_millis(800));
    for _ in 0..8 {
        assert!(wrong_key(&rig, "").await < Duration::from_millis(800), "the proxy itself is exempt");
    }
}

#[tokio::test]
async fn a_wrong_key_holds_no_ledger_place() {
    let rig = Rig::new().await;
    let body = hello("one-openai", false).to_string();
    let mut request = rig.request("/v1/chat/completions", body);
    request.headers_mut().insert("authorization", "Bearer sk-wrong".parse().unwrap());
    rig.send(request).await.is_error(401, Some("invalid_api_key"));
    assert_eq!((rig.ledger.taken(), rig.tally().await.accepted), (0, 0));
}

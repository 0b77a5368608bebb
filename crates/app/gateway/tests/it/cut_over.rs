//! The day itself: traffic at a fixed rate, streams in flight, and the source begins to refuse its region.

use crate::rig::{Events, MOVING, Rig, hello};
use banjia_sandbox::{Fault, Pace};
use banjia_types::Outcome;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const REQUESTS: u64 = 400;
const CUT_AT: u64 = 150;
const EVERY: Duration = Duration::from_millis(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_an_error_and_every_request_ends_once() {
    let rig = Arc::new(Rig::new().await);
    rig.sandbox.set_pace(Pace { first_token: Duration::from_millis(10), per_token: Duration::from_millis(2) });
    let mut ticks = tokio::time::interval(EVERY);
    let mut clients = Vec::new();
    for number in 0..REQUESTS {
        ticks.tick().await;
        if number == CUT_AT {
            rig.fault("openai", Fault::Region);
        }
        let rig = rig.clone();
        clients.push(tokio::spawn(async move { client(&rig, number).await }));
    }
    let mut targets = Vec::new();
    for client in clients {
        targets.push(client.await.unwrap());
    }
    let source = targets.iter().filter(|target| *target == "openai/gpt-4o").count() as u64;
    assert!((CUT_AT / 4..=CUT_AT).contains(&source), "{source} answers from the source");
    assert!(targets[REQUESTS as usize - 50..].iter().all(|target| target == "zhipu/glm-4.6"));

    let tally = rig.tally().await;
    assert_eq!((tally.accepted, tally.answered, tally.missing()), (REQUESTS, REQUESTS, 0), "{tally:?}");
    let rows = rig.rows().await;
    let ids: std::collections::BTreeSet<_> = rows.iter().map(|row| row.request_id).collect();
    assert_eq!((rows.len() as u64, ids.len() as u64), (REQUESTS, REQUESTS));
    assert!(rows.iter().all(|row| row.outcome == Outcome::Answered));
    assert_eq!(rig.alerts.lock().unwrap().len(), 1);
    let refused = rig.sandbox.counts()["openai"].statuses.get(&403).copied().unwrap_or(0);
    assert!((1..=REQUESTS / 4).contains(&refused), "only requests under way at that moment met the block: {refused}");
}

/// One client. It panics on anything that a user would notice.
async fn client(rig: &Rig, number: u64) -> String {
    let stream = number.is_multiple_of(2);
    let mut body = hello(MOVING, stream);
    body["user"] = json!(format!("user-{number}"));
    let answer = rig.chat(&body).await;
    assert_eq!(answer.status, 200, "request {number}: {:?}", answer.body);
    if stream {
        let events: Events = answer.events();
        events.is_whole(0, "stop");
        assert!(!events.text(0).is_empty());
    } else {
        assert_eq!(answer.json()["choices"][0]["finish_reason"], "stop");
    }
    answer.header("x-banjia-target").to_owned()
}

//! Starting, reloading, draining.

use crate::rig::{MOVING, Rig, config, first_content, hello, profiles, rest};
use banjia_gateway::Snapshot;
use banjia_gateway::config::{Config, RouteConfig};
use banjia_sandbox::{Fault, Options, Sandbox};
use http::Method;

#[tokio::test]
async fn a_bad_configuration_is_told_whole_and_with_places() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let mut bad: Config = config(&sandbox);
    bad.vendors[0].profile = Some("zhipuu".into());
    bad.vendors[1].base = Some("not a url".into());
    bad.routes.push(RouteConfig::new("r", ["zhipo/glm-4.5", "glm"]));
    bad.routes.push(RouteConfig::new("empty", Vec::<String>::new()));
    bad.keys[0].hash = "md5:1".into();
    bad.keys.push(bad.keys[0].clone());
    let problems = Snapshot::compile(&bad, &profiles()).unwrap_err();
    let place = bad.routes.len() - 2;
    for (path, hint) in [
        ("vendors[0].profile".to_owned(), "zhipu"),
        ("vendors[1].base".to_owned(), ""),
        (format!("routes[{place}].targets[0]"), "zhipu"),
        (format!("routes[{place}].targets[1]"), ""),
        (format!("routes[{}].targets", place + 1), ""),
        ("keys[0].hash".to_owned(), "key new"),
        ("keys[1].id".to_owned(), ""),
    ] {
        let problem = problems.iter().find(|problem| problem.path == path);
        let problem = problem.unwrap_or_else(|| panic!("{path} is not among {problems:#?}"));
        assert!(problem.hint.as_deref().unwrap_or_default().contains(hint), "{problem}");
    }
}

#[tokio::test]
async fn a_reload_is_for_new_requests_and_forgets_no_cut() {
    let rig = Rig::new().await;
    rig.slow(3);
    let (_, mut running) = rig.open(&hello("one-openai", true)).await;
    let mut seen = first_content(&mut running).await;
    rig.fault("openai", Fault::Region);
    assert_eq!(rig.ask(MOVING, false).await.header("x-banjia-target"), "zhipu/glm-4.6");
    rig.reload(|config| {
        config.routes.retain(|route| route.name.as_str() != "one-openai");
        config.routes.push(RouteConfig::new("new", ["openai/gpt-4o", "baidu/ernie-5.1"]));
    });
    rig.sandbox.faults.clear_all();
    rig.ask("one-openai", false).await.is_error(404, Some("model_not_found"));
    assert_eq!(rig.ask("new", false).await.header("x-banjia-target"), "baidu/ernie-5.1");
    let (bytes, clean) = rest(running).await;
    seen.extend(bytes);
    assert!(clean);
    crate::rig::Events::of(&seen).is_whole(0, "stop");
}

#[tokio::test]
async fn a_drain_lets_requests_end_and_takes_no_others() {
    let rig = Rig::new().await;
    rig.slow(3);
    let (_, mut running) = rig.open(&hello("one-openai", true)).await;
    let mut seen = first_content(&mut running).await;
    let gateway = rig.gateway.clone();
    let draining = tokio::spawn(async move { gateway.drain(gateway.stop_times()).await });
    while rig.gateway.is_serving() {
        tokio::task::yield_now().await;
    }
    let (bytes, clean) = rest(running).await;
    seen.extend(bytes);
    assert!(clean);
    crate::rig::Events::of(&seen).is_whole(0, "stop");
    assert!(draining.await.unwrap(), "all requests ended by themselves");
    assert!(tokio::net::TcpStream::connect(rig.gateway.addr).await.is_err(), "nobody listens any more");
    let tally = rig.tally().await;
    assert_eq!((tally.accepted, tally.answered, tally.missing()), (1, 1, 0));
}

#[tokio::test]
async fn a_drain_books_slow_requests_as_failed() {
    let rig = Rig::with(|config| config.serve.drain_ms = 50).await;
    rig.fault("openai", Fault::Stall);
    let (_, mut running) = rig.open(&hello("one-openai", true)).await;
    first_content(&mut running).await;
    assert!(!rig.gateway.drain(rig.gateway.stop_times()).await);
    let (bytes, clean) = rest(running).await;
    assert!(!clean && !String::from_utf8_lossy(&bytes).contains("[DONE]"), "a broken stream looks broken");
    let tally = rig.tally().await;
    assert_eq!((tally.accepted, tally.failed, tally.missing()), (1, 1, 0));
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_their_turn() {
    let rig = Rig::with(|config| config.serve.connections_max = 1).await;
    let first = tokio::net::TcpStream::connect(rig.gateway.addr).await.unwrap();
    let waiting = rig.call(Method::GET, "/healthz");
    tokio::pin!(waiting);
    let early = tokio::time::timeout(std::time::Duration::from_millis(100), &mut waiting).await;
    assert!(early.is_err(), "the only place is taken");
    drop(first);
    waiting.await.is(200);
}

use super::*;
use banjia_store::{Capture, CaptureCursor, CaptureFilter, Location};
use banjia_types::{Currency, ErrorClass, Outcome, Price, PriceTier, Timestamp, TrafficKind, Usage};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const SOURCE: &str = "openai/gpt-4o";
const OTHER: &str = "zhipu/glm-4.7";

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn recorded(id: &str) -> Capture {
    Capture {
        id: id.to_owned(),
        leg: TrafficKind::Live,
        number: 0,
        at: Timestamp(1_000),
        account: Some("acme".into()),
        route: "chat".into(),
        target: target(SOURCE),
        endpoint: "chat".to_owned(),
        stream: true,
        client: None,
        request: json!({ "messages": [{ "role": "user", "content": id }], "max_tokens": 50 }),
        answer: Some(json!({ "choices": [] })),
        outcome: Outcome::Answered,
        class: None,
        usage: Some(Usage { prompt: 10, completion: 5, ..Usage::default() }),
        cost: None,
        first_content_ms: Some(5),
        total_ms: 9,
        redactions: 1,
    }
}

fn reply() -> Reply {
    Reply {
        answer: Some(json!({ "choices": [1] })),
        redactions: 2,
        outcome: Outcome::Answered,
        class: None,
        said: None,
        may_differ_later: false,
        usage: None,
        cost: Some(Money { micros: 100, currency: Currency::Cny }),
        total_ms: 3,
    }
}

fn refused(class: ErrorClass, may_differ_later: bool) -> Reply {
    Reply { answer: None, outcome: Outcome::Refused, class: Some(class), cost: None, may_differ_later, ..reply() }
}

async fn replay(ids: &[&str], more: &[Capture]) -> ReplayJob {
    let (store, key) = (Store::open(&Location::Temporary).await.unwrap(), EncryptionKey::random());
    let captures: Vec<_> = ids.iter().map(|id| recorded(id)).chain(more.iter().cloned()).collect();
    store.write_captures(&captures, &key).await.unwrap();
    let wanted = Wanted {
        route: "chat".into(),
        period: Period::ALWAYS,
        source: None,
        target: Some(target(OTHER)),
        repeats: 0,
        requests_max: None,
    };
    ReplayJob { store, key, wanted }
}

/// Ten millionths of a yuan a token.
fn priced(_: &Target) -> Known {
    let tier = PriceTier { input: 10_000_000, output: 10_000_000, ..PriceTier::default() };
    Known { price: Some(Price { currency: Currency::Cny, tiers: vec![tier] }), output_max: None }
}

fn free(_: &Target) -> Known {
    Known::default()
}

const FOUR: Bounds = Bounds { at_once_max: 4, spend_max: None };

type Asked = Arc<Mutex<Vec<(String, Target)>>>;

/// Runs to the end; what was asked, in order.
async fn run(
    replay: &ReplayJob,
    bounds: Bounds,
    answer: impl Fn(&str) -> Result<Reply, NotSent>,
) -> (Sums, Vec<(String, Target)>) {
    let asked = Asked::default();
    let ask = |question: Question| {
        let id = question.body["messages"][0]["content"].as_str().unwrap().to_owned();
        asked.lock().unwrap().push((id.clone(), question.target));
        std::future::ready(answer(&id))
    };
    let known = if bounds.spend_max.is_some() { priced } else { free };
    let plan = replay.plan(known).await.unwrap();
    let tell = |sums: &Sums| {
        assert!(sums.adds_up(), "{sums:?}");
        ControlFlow::Continue(())
    };
    let sums = replay.run((&plan, bounds), known, ask, tell).await.unwrap();
    assert!(sums.adds_up() && sums.under_way == 0, "{sums:?}");
    let asked = asked.lock().unwrap().clone();
    (sums, asked)
}

async fn kept(replay: &ReplayJob, leg: TrafficKind) -> Vec<Capture> {
    let filter = CaptureFilter { legs: vec![leg], ..CaptureFilter::default() };
    replay.store.captures(&filter, CaptureCursor::default(), 10_000, &replay.key).await.unwrap().captures
}

#[tokio::test]
async fn a_recorded_request_is_not_asked_again() {
    let mut replay = replay(&["a", "b"], &[]).await;
    let (first, asked) = run(&replay, FOUR, |_| Ok(reply())).await;
    assert_eq!((first.answered, first.recorded, asked.len()), (2, 0, 2));
    let one = &kept(&replay, TrafficKind::Replay).await[0];
    assert_eq!((one.id.as_str(), one.at, one.redactions, one.account.is_some()), ("a", Timestamp(1_000), 3, true));
    assert_eq!((one.answer.clone(), one.request.clone()), (reply().answer, recorded("a").request));
    let (second, asked) = run(&replay, FOUR, |_| Ok(reply())).await;
    assert_eq!((second.answered, second.recorded, asked.len()), (0, 2, 0));
    // Another target is another question, and so is each repeat of whoever answered.
    replay.wanted = Wanted { target: Some(target("a/b")), repeats: 2, ..replay.wanted };
    let (third, asked) = run(&replay, FOUR, |_| Ok(reply())).await;
    assert_eq!((third.answered, third.recorded), (6, 0));
    assert_eq!(asked.iter().filter(|(_, of)| *of == target(SOURCE)).count(), 4);
    let repeats: HashSet<_> =
        kept(&replay, TrafficKind::Repeat).await.iter().map(|it| (it.id.clone(), it.number)).collect();
    assert_eq!(repeats, [("a", 0), ("a", 1), ("b", 0), ("b", 1)].map(|(id, n)| (id.to_owned(), n)).into());
    replay.wanted.repeats = 3;
    assert_eq!(run(&replay, FOUR, |_| Ok(reply())).await.0.answered, 2, "the third ones alone are new");
}

#[tokio::test]
async fn the_next_run_does_the_rest_of_a_broken_one() {
    let ids: Vec<_> = (0..40).map(|n| n.to_string()).collect();
    let replay = replay(&ids.iter().map(String::as_str).collect::<Vec<_>>(), &[]).await;
    let plan = replay.plan(free).await.unwrap();
    assert_eq!((plan.requests, plan.to_ask()), (40, 40));
    let (mut asked, mut broken) = (Vec::new(), 0_usize);
    loop {
        let before: HashSet<String> = kept(&replay, TrafficKind::Replay).await.into_iter().map(|it| it.id).collect();
        let now = Asked::default();
        let ask = |question: Question| {
            let id = question.body["messages"][0]["content"].as_str().unwrap().to_owned();
            now.lock().unwrap().push((id, question.target));
            async {
                tokio::task::yield_now().await;
                Ok(reply())
            }
        };
        // Broken off in the middle, wherever that is: the future is dropped after some looks.
        let mut looks = 5 + broken;
        let running = replay.run((&plan, FOUR), free, ask, |_| ControlFlow::Continue(()));
        let mut running = std::pin::pin!(running);
        let ended = std::future::poll_fn(|context| {
            looks = looks.saturating_sub(1);
            match running.as_mut().poll(context) {
                std::task::Poll::Ready(ended) => std::task::Poll::Ready(Some(ended)),
                std::task::Poll::Pending if looks == 0 => std::task::Poll::Ready(None),
                std::task::Poll::Pending => std::task::Poll::Pending,
            }
        })
        .await;
        let again = now.lock().unwrap().clone();
        assert!(again.iter().all(|(id, _)| !before.contains(id)), "what is recorded is not asked");
        asked.extend(again);
        match ended {
            Some(sums) => {
                assert!(sums.unwrap().adds_up());
                break;
            }
            None => broken += 1,
        }
        assert!(broken < 500, "each run must come further");
    }
    let kept: Vec<_> = kept(&replay, TrafficKind::Replay).await.into_iter().map(|it| it.id).collect();
    assert_eq!((kept.len(), kept.iter().collect::<HashSet<_>>().len()), (40, 40));
    assert!(broken > 0 && asked.len() >= 40, "{broken} {}", asked.len());
}

#[tokio::test]
async fn only_refusals_of_the_moment_are_asked_again() {
    let replay = replay(&["bad", "busy", "good", "away"], &[]).await;
    let answer = |id: &str| match id {
        "bad" => Ok(refused(ErrorClass::BadRequest, false)),
        "busy" => Ok(refused(ErrorClass::Overload, true)),
        "away" => Err(NotSent("copies may not go there".to_owned())),
        _ => Ok(reply()),
    };
    let (sums, _) = run(&replay, FOUR, answer).await;
    assert_eq!((sums.answered, sums.asked(), sums.again, sums.not_asked()), (1, 3, 1, 1));
    assert_eq!((sums.refused["bad_request"], sums.refused["overload"]), (1, 1));
    assert_eq!(sums.skipped["copies may not go there"], 1);
    let (sums, asked) = run(&replay, FOUR, |_| Ok(reply())).await;
    let asked: HashSet<_> = asked.into_iter().map(|(id, _)| id).collect();
    assert_eq!((sums.recorded, asked), (2, HashSet::from(["busy".to_owned(), "away".to_owned()])));
}

#[tokio::test]
async fn a_refused_key_ends_the_replay_of_one_target() {
    let mut replay = replay(&["a", "b", "c"], &[]).await;
    replay.wanted.repeats = 1;
    let one = Bounds { at_once_max: 1, ..FOUR };
    let refusing = std::sync::atomic::AtomicBool::new(true);
    let answer = |_: &str| {
        // The first one asked is the replay of "a".
        Ok(if refusing.swap(false, Ordering::Relaxed) { refused(ErrorClass::Auth, true) } else { reply() })
    };
    let (sums, asked) = run(&replay, one, answer).await;
    assert_eq!(asked.iter().filter(|(_, of)| *of == target(OTHER)).count(), 1);
    assert_eq!((sums.answered, sums.refused["auth"], sums.not_asked()), (3, 1, 2));
    assert!(sums.skipped.keys().all(|why| why.contains(OTHER) && why.contains("key")), "{sums:?}");
}

#[tokio::test]
async fn money_bounds_what_is_asked_over_all_runs() {
    let replay = replay(&["a", "b", "c", "d"], &[]).await;
    // Fifteen tokens are expected to cost 150, and an answer costs 100.
    let bound = |micros| Bounds { at_once_max: 4, spend_max: Some(Money { micros, currency: Currency::Cny }) };
    let (sums, _) = run(&replay, bound(250), |_| Ok(reply())).await;
    assert_eq!((sums.answered, sums.skipped[&"the money for it is used up (--spend-max)".to_owned()]), (2, 2));
    assert_eq!(sums.spent, [Money { micros: 200, currency: Currency::Cny }]);
    assert_eq!(run(&replay, bound(250), |_| Ok(reply())).await.0.answered, 0, "earlier runs count");
    assert_eq!(run(&replay, bound(350), |_| Ok(reply())).await.0.answered, 1);
    let dollars = Bounds { at_once_max: 4, spend_max: Some(Money { micros: 1_000_000, currency: Currency::Usd }) };
    let (sums, _) = run(&replay, dollars, |_| Ok(reply())).await;
    assert_eq!((sums.asked(), sums.not_asked()), (0, 1));
    let plan = replay.plan(priced).await.unwrap();
    assert_eq!((plan.spent[0].micros, plan.about[0].micros, plan.about_unknown), (300, 150, 0));
    assert!(plan.at_most[0].micros > 500, "{plan:?}: fifty tokens at most are answered");
    assert_eq!(replay.plan(free).await.unwrap().about_unknown, 1);
}

#[tokio::test]
async fn a_replay_keeps_to_its_concurrency() {
    let ids: Vec<_> = (0..30).map(|n| n.to_string()).collect();
    let replay = replay(&ids.iter().map(String::as_str).collect::<Vec<_>>(), &[]).await;
    let plan = replay.plan(free).await.unwrap();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    // Nobody is answered before four are asked, so fewer at once would never end.
    let four = Arc::new(tokio::sync::Barrier::new(4));
    let ask = |_: Question| {
        let (now, most, four) = (now.clone(), most.clone(), four.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            four.wait().await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(reply())
        }
    };
    let tell = |sums: &Sums| match sums.questions {
        20 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let sums = replay.run((&plan, FOUR), free, ask, tell).await.unwrap();
    assert_eq!((sums.questions, sums.answered, sums.is_stopped), (20, 20, true));
    assert_eq!(most.load(Ordering::SeqCst), 4);
    assert_eq!(kept(&replay, TrafficKind::Replay).await.len(), 20);
}

#[tokio::test]
async fn each_chosen_request_is_replayed_once() {
    let elsewhere = Capture { target: target("other/m"), ..recorded("a") };
    let left = Capture { outcome: Outcome::Abandoned, answer: None, ..recorded("left") };
    let foreign = Capture { route: "embed".into(), ..recorded("foreign") };
    let mut replay = replay(&["a", "b"], &[elsewhere, left, foreign]).await;
    let (sums, asked) = run(&replay, FOUR, |_| Ok(reply())).await;
    let ids: Vec<_> = asked.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!((ids, sums.not_asked()), (vec!["a", "b"], 1));
    replay.wanted = Wanted { target: None, repeats: 1, source: Some(target("other/m")), ..replay.wanted };
    assert_eq!(run(&replay, FOUR, |_| Ok(reply())).await.1, [("a".to_owned(), target("other/m"))]);
    replay.wanted = Wanted { source: None, requests_max: Some(1), ..replay.wanted };
    assert_eq!(run(&replay, FOUR, |_| Ok(reply())).await.1, [("a".to_owned(), target(SOURCE))]);
}

#[test]
fn the_cost_bound_counts_copies_forms_and_limits() {
    let known = priced(&target(OTHER));
    let most = |request: Value| known.at_most(&Capture { request, ..recorded("a") }).map(|most| most.micros);
    let plain = json!({ "messages": [], "max_tokens": 50 });
    let length = i64::try_from(plain.to_string().len()).unwrap();
    assert_eq!(most(plain), Some((length + 50) * 10));
    assert!(most(json!({ "messages": [], "max_tokens": 50, "n": 3 })) > Some((length + 50) * 30));
    assert!(most(json!({ "messages": [], "max_tokens": 50, "response_format": {} })) > Some((length + 50) * 20));
    assert_eq!(most(json!({ "messages": [] })), None, "nobody knows how long the answer may be");
    assert_eq!(most(json!({ "messages": [{ "content": [{ "image_url": {} }] }], "max_tokens": 5 })), None);
}

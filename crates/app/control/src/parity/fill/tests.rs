use super::*;
use std::sync::Mutex;

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn says(text: &str) -> Answer {
    let body = json!({ "choices": [{ "finish_reason": "stop", "message": { "content": text } }] });
    Answer { body: Some(body), ..Answer::default() }
}

fn pair(id: &str, source: &str, repeat: &str, destination: &str) -> Pair {
    let request = json!({ "messages": [{ "role": "user", "content": "What is it?" }] });
    let (source, repeats, destination) = (says(source), vec![says(repeat)], says(destination));
    Pair { id: id.to_owned(), request, source, repeats, destination, ..Pair::default() }
}

fn asked() -> Asked {
    Asked { route: "third".into(), target: target("third/m-3"), at_once_max: 2 }
}

fn sides() -> Sides {
    Sides { source: target("one/m-1"), destination: target("two/m-2") }
}

fn reply(answer: Value) -> Reply {
    let cost = Some(Money { micros: 5, currency: banjia_types::Currency::Cny });
    Reply {
        answer: Some(answer),
        redactions: 0,
        outcome: Outcome::Answered,
        class: None,
        said: None,
        may_differ_later: false,
        usage: None,
        cost,
        total_ms: 1,
    }
}

fn word(text: &str) -> Reply {
    reply(json!({ "choices": [{ "message": { "content": text } }] }))
}

type Seen = Mutex<Vec<Question>>;

/// A vector for each text: its length, and the number of the letter "a" in it.
fn embedded(question: &Question) -> Reply {
    let texts = question.body["input"].as_array().unwrap();
    let one = |(index, text): (usize, &Value)| {
        let text = text.as_str().unwrap();
        json!({ "index": index, "embedding": [text.len(), text.matches('a').count()] })
    };
    // In any order: the index says whose it is.
    let data: Vec<Value> = texts.iter().enumerate().map(one).rev().collect();
    reply(json!({ "data": data }))
}

#[tokio::test]
async fn each_text_is_embedded_once_for_each_caller() {
    let mut pairs = [pair("1", "a", "a", "bb"), pair("2", "bb", "", "a"), pair("3", "a", "ccc", "a")];
    let from = |place: &str| RequestOrigin { account: Some("x".into()), network: place.parse().ok() };
    let callers: RequestOrigins =
        [("1", ""), ("2", ""), ("3", "HK")].map(|(id, place)| (id.to_owned(), from(place))).into();
    let seen = Seen::default();
    let ask = |question: Question| {
        seen.lock().unwrap().push(question.clone());
        std::future::ready(Ok(embedded(&question)))
    };
    let filled = embed(&mut pairs, &callers, &asked(), ask).await;
    assert_eq!((filled.asked, filled.filled, filled.cost[0].micros, filled.failed.len()), (2, 8, 10, 0));
    let seen = seen.lock().unwrap();
    let of: Vec<_> = seen.iter().map(|it| (it.network, it.body["input"].clone())).collect();
    assert_eq!(of, [(None, json!(["a", "bb"])), ("HK".parse().ok(), json!(["a", "ccc"]))]);
    assert!(seen.iter().all(|it| it.account == Some("x".into())));
    assert_eq!(seen[0].endpoint, "embeddings");
    assert_eq!(pairs[0].source.vector, Some(vec![1.0, 1.0]));
    assert_eq!((&pairs[1].source.vector, &pairs[1].repeats[0].vector), (&Some(vec![2.0, 0.0]), &None));
}

#[tokio::test]
async fn missing_vectors_leave_the_pairs_as_they_are() {
    for answer in [json!({}), json!({ "data": [] }), json!({ "data": [{ "index": 9, "embedding": [1] }] })] {
        let mut pairs = [pair("1", "a", "a", "b")];
        let filled =
            embed(&mut pairs, &RequestOrigins::new(), &asked(), |_| std::future::ready(Ok(reply(answer.clone()))))
                .await;
        assert_eq!((filled.filled, filled.failed.len()), (0, 1), "{answer}");
    }
    let mut pairs: Vec<Pair> = (0..100).map(|n| pair(&n.to_string(), &format!("{n}"), "", &format!("x{n}"))).collect();
    let refuse = |_| {
        let class = Some(ErrorClass::Auth);
        std::future::ready(Ok(Reply { answer: None, outcome: Outcome::Refused, class, ..reply(Value::Null) }))
    };
    let filled = embed(&mut pairs, &RequestOrigins::new(), &Asked { at_once_max: 1, ..asked() }, refuse).await;
    assert_eq!((filled.asked, filled.filled), (1, 0), "a refused key is not shown again");
    assert_eq!(filled.failed.values().sum::<u64>(), 13);
}

/// Prefers the longer of the two answers.
fn longer(question: &Question) -> Reply {
    let text = question.body["messages"][0]["content"].as_str().unwrap();
    let answer = |mark: &str| text.split(mark).nth(1).unwrap().split(">>>").next().unwrap().len();
    word(if answer("Answer A:") > answer("Answer B:") { "A" } else { "B." })
}

#[tokio::test]
async fn a_judge_sees_each_pair_in_both_orders() {
    let mut pairs = [
        pair("1", "short", "", "a longer one"),
        pair("2", "short", "", "a longer one"),
        pair("3", "a longer one", "", "short"),
        pair("4", "same", "", "same"),
        pair("5", "", "", "nothing to compare with"),
    ];
    let seen = Seen::default();
    let ask = |question: Question| {
        seen.lock().unwrap().push(question.clone());
        std::future::ready(Ok(longer(&question)))
    };
    let filled = judge(&mut pairs, &RequestOrigins::new(), &sides(), &asked(), ask).await.unwrap();
    let told: Vec<_> = pairs.iter().map(|pair| pair.preferences.first().copied()).collect();
    let (source, destination) = (Some(Preference::Source), Some(Preference::Destination));
    assert_eq!(told, [destination, destination, source, Some(Preference::Tie), None]);
    // The third pair's orders are those of the first.
    assert_eq!((filled.asked, filled.filled, seen.lock().unwrap().len()), (2, 4, 2));
}

#[tokio::test]
async fn a_judge_that_prefers_a_place_says_a_tie() {
    let mut pairs = [pair("1", "one", "", "other")];
    judge(&mut pairs, &RequestOrigins::new(), &sides(), &asked(), |_| std::future::ready(Ok(word("A")))).await.unwrap();
    assert_eq!(pairs[0].preferences, [Preference::Tie]);
    let mut pairs = [pair("1", "one", "", "other")];
    let filled =
        judge(&mut pairs, &RequestOrigins::new(), &sides(), &asked(), |_| std::future::ready(Ok(word("Hm.")))).await;
    assert_eq!((pairs[0].preferences.len(), filled.unwrap().failed.values().sum::<u64>()), (0, 2));
    // Half of a comparison is none.
    let mut pairs = [pair("1", "one", "", "other")];
    let first = AtomicBool::new(true);
    let half = |_| {
        let is_first = first.swap(false, Ordering::Relaxed);
        std::future::ready(if is_first { Ok(word("A")) } else { Err(NotSent("away".to_owned())) })
    };
    let filled = judge(&mut pairs, &RequestOrigins::new(), &sides(), &asked(), half).await.unwrap();
    assert_eq!((pairs[0].preferences.len(), filled.failed["away"]), (0, 1));
}

#[tokio::test]
async fn a_side_does_not_judge() {
    let mut pairs = [pair("1", "one", "", "other")];
    let ask = |_| -> std::future::Ready<Result<Reply, NotSent>> { panic!("nobody is asked") };
    let own = Asked { target: target("else/M-2"), ..asked() };
    let error = judge(&mut pairs, &RequestOrigins::new(), &sides(), &own, ask).await.unwrap_err();
    assert_eq!(error, Partial(target("else/M-2")));
}

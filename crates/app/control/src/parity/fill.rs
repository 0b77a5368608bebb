//! What pairs lack and somebody must be asked for: vectors of the answers, and a judge's preferences.
//!
//! Rules: each different question is asked once in a run; every question is asked in the name of the account whose request it is,
//! and as from where its end user called, so the border holds for it; a judge sees each comparison in both orders and is neither side; what could not be had is counted and
//! leaves the pair as it is. Where the key, the balance, the model or the region is refused, nothing more is asked.

use super::Sides;
use crate::moves::add_up;
use crate::side_request::{NotSent, Question, Reply};
use banjia_parity::judge::{self, Preference};
use banjia_parity::{Answer, Pair};
use banjia_store::{Capture, Store, StoreError};
use banjia_types::{AccountId, ErrorClass, Money, Operation, Outcome, Place, RouteName, Target};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

/// Texts in one request for vectors.
const TEXTS_MAX: usize = 16;
/// The longest reply of a judge, in tokens. One word is asked for; those who think before they speak need more.
const REPLY_MAX: u32 = 2_000;

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The route.
    pub route: RouteName,
    /// One of its targets: vectors of two models cannot be compared.
    pub target: Target,
    /// Questions under way at once; at least one.
    pub at_once_max: usize,
}

/// Whose request it is: the border judges by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestOrigin {
    /// The account.
    pub account: Option<AccountId>,
    /// The place of the network that the end user called from; none where the ledger does not know it.
    pub network: Option<Place>,
}

/// Whose request each pair is, by the pair's id.
pub type RequestOrigins = HashMap<String, RequestOrigin>;

/// What came of asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Questions that were asked.
    pub asked: u64,
    /// Answers with a vector, or comparisons with a preference.
    pub filled: u64,
    /// What could not be had, by reason, in questions.
    pub failed: BTreeMap<String, u64>,
    /// What it cost.
    pub cost: Vec<Money>,
}

/// A judge that is one of the two sides.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} cannot judge: it is one of the two sides, or a model of the same name, and models prefer their own writing"
)]
pub struct Partial(pub Target);

/// Whose requests were captured. Where they came from is in the ledger, not in the captures.
///
/// # Errors
/// The database.
pub async fn callers_of(captures: &[Capture], store: &Store) -> Result<RequestOrigins, StoreError> {
    let mut callers = RequestOrigins::new();
    for Capture { id, at, account, .. } in captures {
        let network = store.network_of(*at, id).await?;
        callers.insert(id.clone(), RequestOrigin { account: account.clone(), network });
    }
    Ok(callers)
}

/// Gives each answer that has a text its vector.
pub async fn embed<F, Fut>(pairs: &mut [Pair], callers: &RequestOrigins, asked: &Asked, ask: F) -> Filled
where
    F: Fn(Question) -> Fut,
    Fut: Future<Output = Result<Reply, NotSent>>,
{
    let mut texts: BTreeMap<RequestOrigin, Vec<String>> = BTreeMap::new();
    for pair in pairs.iter() {
        let own = texts.entry(caller(callers, pair)).or_default();
        own.extend(pair.sources().chain(pair.destinations()).map(Answer::text).filter(|text| !text.is_empty()));
    }
    let mut batches = Vec::new();
    for (caller, mut texts) in texts {
        texts.sort_unstable();
        texts.dedup();
        batches.extend(texts.chunks(TEXTS_MAX).map(|texts| (caller.clone(), texts.to_vec())));
    }
    let questions = batches.iter().map(|(caller, texts)| {
        let body = json!({ "model": asked.route, "input": texts, "encoding_format": "float" });
        question(asked, Operation::Embeddings, body, caller)
    });
    let mut filled = Filled::default();
    let replies = ask_all(questions.collect(), asked, ask, &mut filled).await;
    let mut known: HashMap<(RequestOrigin, String), Vec<f32>> = HashMap::new();
    for ((caller, texts), reply) in batches.into_iter().zip(replies) {
        let Some(answer) = reply else { continue };
        match vectors(&answer, texts.len()) {
            Some(vectors) => {
                known.extend(texts.into_iter().zip(vectors).map(|(text, vector)| ((caller.clone(), text), vector)));
            }
            None => fail(&mut filled, "its answer holds not one vector for each text"),
        }
    }
    for pair in pairs.iter_mut() {
        let caller = caller(callers, pair);
        let first = [&mut pair.source, &mut pair.destination];
        for answer in first.into_iter().chain(&mut pair.repeats).chain(&mut pair.more) {
            answer.vector = known.get(&(caller.clone(), answer.text())).cloned();
            filled.filled += u64::from(answer.vector.is_some());
        }
    }
    filled
}

/// Lets a judge compare the first answers of both sides, in both orders.
///
/// # Errors
/// A judge that is one of the sides.
pub async fn judge<F, Fut>(
    pairs: &mut [Pair],
    callers: &RequestOrigins,
    sides: &Sides,
    asked: &Asked,
    ask: F,
) -> Result<Filled, Partial>
where
    F: Fn(Question) -> Fut,
    Fut: Future<Output = Result<Reply, NotSent>>,
{
    if !judge::may_judge(&asked.target, [&sides.source, &sides.destination]) {
        return Err(Partial(asked.target.clone()));
    }
    let mut filled = Filled::default();
    let mut places: HashMap<(RequestOrigin, String), usize> = HashMap::new();
    let mut questions = Vec::new();
    let mut comparisons = Vec::new();
    for (number, pair) in pairs.iter_mut().enumerate() {
        let (source, destination) = (pair.source.text(), pair.destination.text());
        if source.is_empty() || destination.is_empty() {
            continue;
        }
        if source == destination {
            pair.preferences = vec![Preference::Tie];
            filled.filled += 1;
            continue;
        }
        let (prompt, caller) = (pair.prompt(), caller(callers, pair));
        let mut place = |first: &str, second: &str| {
            let text = judge::question(&prompt, first, second);
            *places.entry((caller.clone(), text)).or_insert_with_key(|(caller, text)| {
                let message = json!({ "role": "user", "content": text });
                let body =
                    json!({ "model": asked.route, "messages": [message], "temperature": 0, "max_tokens": REPLY_MAX });
                questions.push(question(asked, Operation::ChatCompletions, body, caller));
                questions.len() - 1
            })
        };
        comparisons.push((number, place(&source, &destination), place(&destination, &source)));
    }
    let replies = ask_all(questions, asked, ask, &mut filled).await;
    let read = |answer: &Option<Value>| {
        let answer = Answer { body: Some(answer.clone()?), ..Answer::default() };
        judge::read(&answer.text())
    };
    let unread = replies.iter().filter(|reply| reply.is_some() && read(reply).is_none()).count();
    for _ in 0..unread {
        fail(&mut filled, "its reply names neither answer, or both");
    }
    for (number, straight, swapped) in comparisons {
        let preference = match (&replies[straight], &replies[swapped]) {
            // Asked in one order alone, a judge would be heard whose place it was.
            (Some(_), Some(_)) => judge::settle(read(&replies[straight]), read(&replies[swapped])),
            _ => None,
        };
        filled.filled += u64::from(preference.is_some());
        pairs[number].preferences.extend(preference);
    }
    Ok(filled)
}

fn caller(callers: &RequestOrigins, pair: &Pair) -> RequestOrigin {
    callers.get(&pair.id).cloned().unwrap_or_default()
}

fn question(asked: &Asked, operation: Operation, body: Value, caller: &RequestOrigin) -> Question {
    let (route, target) = (asked.route.clone(), asked.target.clone());
    let RequestOrigin { account, network } = caller.clone();
    Question { route, target, endpoint: operation.as_str().to_owned(), body, account, network }
}

fn fail(filled: &mut Filled, why: &str) {
    *filled.failed.entry(why.to_owned()).or_default() += 1;
}

/// Asks all; the answers in the order of the questions, none where there was none.
async fn ask_all<F, Fut>(questions: Vec<Question>, asked: &Asked, ask: F, filled: &mut Filled) -> Vec<Option<Value>>
where
    F: Fn(Question) -> Fut,
    Fut: Future<Output = Result<Reply, NotSent>>,
{
    let is_closed = AtomicBool::new(false);
    let one = |question| {
        let (is_closed, ask) = (&is_closed, &ask);
        async move {
            if is_closed.load(Ordering::Relaxed) {
                return Err(NotSent("nothing more was asked after that".to_owned()));
            }
            let ended = ask(question).await;
            if ended.as_ref().is_ok_and(|reply| is_final(reply.class)) {
                is_closed.store(true, Ordering::Relaxed);
            }
            ended
        }
    };
    let ended: Vec<_> =
        futures_util::stream::iter(questions).map(one).buffered(asked.at_once_max.max(1)).collect().await;
    let mut answers = Vec::with_capacity(ended.len());
    for ended in ended {
        answers.push(match ended {
            Err(NotSent(why)) => {
                fail(filled, &why);
                None
            }
            Ok(reply) => {
                filled.asked += 1;
                add_up(&mut filled.cost, reply.cost);
                if reply.outcome != Outcome::Answered {
                    let class = reply.class.map_or("refused", ErrorClass::as_str);
                    fail(filled, &format!("{class}: {}", reply.said.as_deref().unwrap_or("it said no more")));
                }
                reply.answer.filter(|_| reply.outcome == Outcome::Answered)
            }
        });
    }
    answers
}

/// Whether every further question would be refused alike.
const fn is_final(class: Option<ErrorClass>) -> bool {
    matches!(class, Some(ErrorClass::Auth | ErrorClass::Quota | ErrorClass::Region | ErrorClass::ModelGone))
}

/// The vectors of an answer, by their index.
fn vectors(answer: &Value, count: usize) -> Option<Vec<Vec<f32>>> {
    let mut found: Vec<Option<Vec<f32>>> = vec![None; count];
    for item in answer.get("data")?.as_array()? {
        let index = usize::try_from(item.get("index")?.as_u64()?).ok()?;
        let vector = item.get("embedding")?.as_array()?.iter().map(|part| part.as_f64().map(|part| part as f32));
        *found.get_mut(index)? = Some(vector.collect::<Option<_>>()?);
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests;

//! Batches of embeddings that are sent in parts, and refusals of single parts.

use crate::rig::{Answer, Rig};
use crate::vendor::Vendor;
use banjia_gateway::config::RouteConfig;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Texts of the batch: four parts of ten and one of five at this vendor.
const TEXTS: usize = 45;

/// Asks for a batch of a vendor that answers these statuses for the part with this first text, one
/// after the other, and then well.
async fn ask(refusals: &[(&str, &[u16])]) -> (Answer, Vendor) {
    let left: BTreeMap<String, Vec<u16>> =
        refusals.iter().map(|(first, statuses)| ((*first).to_owned(), statuses.to_vec())).collect();
    let left = Mutex::new(left);
    let vendor = Vendor::start(move |_, body| {
        let texts = body["input"].as_array().unwrap();
        let mut left = left.lock().unwrap();
        if let Some(statuses) = left.get_mut(texts[0].as_str().unwrap())
            && !statuses.is_empty()
        {
            return (statuses.remove(0), json!({"error": {"message": "not now", "code": "rate_limit"}}).to_string());
        }
        let number = |text: &Value| text.as_str().unwrap().trim_start_matches("text ").parse::<f64>().unwrap();
        let data: Vec<Value> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": [number(text)]}))
            .collect();
        (200, json!({"object": "list", "data": data, "usage": {"prompt_tokens": 10, "total_tokens": 10}}).to_string())
    })
    .await;
    let rig = Rig::with(|config| {
        vendor.add(config, "batch", "alibaba");
        config.routes.push(RouteConfig::new("batch", ["batch/text-embedding-v4"]));
        config.routes.last_mut().unwrap().attempts_per_target_max = 1;
    })
    .await;
    let texts: Vec<String> = (0..TEXTS).map(|number| format!("text {number}")).collect();
    let answer = rig.post("/v1/embeddings", &json!({"model": "batch", "input": texts})).await;
    (answer, vendor)
}

#[track_caller]
fn is_whole(answer: &Answer) {
    let answer = answer.is(200).json();
    let data = answer["data"].as_array().unwrap();
    assert_eq!(data.len(), TEXTS);
    for (place, item) in data.iter().enumerate() {
        assert_eq!((item["index"].as_u64(), item["embedding"][0].as_f64()), (Some(place as u64), Some(place as f64)));
    }
    assert_eq!(answer["usage"]["total_tokens"], 50, "each part is counted once");
}

#[tokio::test]
async fn a_refused_part_is_asked_for_again() {
    let (answer, vendor) = ask(&[("text 20", &[429])]).await;
    is_whole(&answer);
    assert_eq!(vendor.asked(), 6);
}

#[tokio::test]
async fn several_refused_parts_lose_nothing() {
    let (answer, vendor) = ask(&[("text 0", &[429]), ("text 20", &[429, 503]), ("text 40", &[500])]).await;
    is_whole(&answer);
    assert_eq!(vendor.asked(), 9);
}

#[tokio::test]
async fn a_part_that_stays_refused_ends_the_batch() {
    let (answer, vendor) = ask(&[("text 0", &[429; 100])]).await;
    answer.is(429);
    assert!(vendor.asked() <= 8, "{} requests", vendor.asked());
}

#[tokio::test]
async fn a_wrong_part_is_not_asked_for_again() {
    let (answer, vendor) = ask(&[("text 20", &[400; 100])]).await;
    answer.is(400);
    assert!(vendor.asked() <= 5, "{} requests", vendor.asked());
}

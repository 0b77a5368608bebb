use super::{
    Inputs, JoinError, base64_to_floats, floats_to_base64, join_embeddings, parse_inputs, split_inputs, with_inputs,
};
use crate::decode::ReportedUsage;
use banjia_types::Usage;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

fn input(value: &Value) -> Result<Inputs, String> {
    parse_inputs(&json!({"model": "m", "input": value}).to_string().into()).map_err(|refusal| refusal.to_string())
}

fn answer(vectors: &[(u64, f64)], prompt: u64) -> Bytes {
    let data: Vec<Value> = vectors.iter().map(|(index, v)| json!({"index": index, "embedding": [v, 0.5]})).collect();
    json!({"data": data, "usage": {"prompt_tokens": prompt, "total_tokens": prompt}}).to_string().into()
}

#[test]
fn every_shape_of_input_is_read_or_refused() {
    assert_eq!(input(&json!("a")).unwrap(), Inputs::Texts(vec!["a".into()]));
    assert_eq!(input(&json!(["a", "b"])).unwrap(), Inputs::Texts(vec!["a".into(), "b".into()]));
    assert_eq!(input(&json!([1, 2])).unwrap(), Inputs::Tokens(vec![vec![1, 2]]));
    assert_eq!(input(&json!([[1], [2, 3]])).unwrap(), Inputs::Tokens(vec![vec![1], vec![2, 3]]));
    for bad in [
        json!(null),
        json!(7),
        json!({}),
        json!([]),
        json!(""),
        json!([""]),
        json!([[]]),
        json!(["a", 1]),
        json!([1.5]),
        json!([-1]),
    ] {
        let message = input(&bad).unwrap_err();
        assert!(message.starts_with("input: "), "{bad}: {message}");
    }
    assert!(input(&json!(vec!["a"; 2_049])).unwrap_err().contains("at most 2048"));
    assert!(parse_inputs(&Bytes::from_static(b"[")).is_err());
}

#[test]
fn batches_keep_order_and_size() {
    let texts: Vec<String> = (0..25).map(|n| n.to_string()).collect();
    let sizes: Vec<usize> = split_inputs(&texts, Some(10)).map(<[String]>::len).collect();
    assert_eq!(sizes, [10, 10, 5]);
    assert_eq!(split_inputs(&texts, None).count(), 1);
    assert_eq!(split_inputs(&texts, Some(0)).count(), 25);
}

#[test]
fn a_request_for_other_texts_keeps_everything_else() {
    let body = Bytes::from_static(br#"{"input":[1,2],"model":"m","dimensions":1e3}"#);
    assert_eq!(with_inputs(&body, &["x".into()]), br#"{"input":["x"],"model":"m","dimensions":1e3}"#.as_slice());
}

#[test]
fn answers_are_joined_in_order_with_summed_usage() {
    let answers = [(answer(&[(1, 2.0), (0, 1.0)], 3), 2), (answer(&[(0, 3.0)], 4), 1)];
    let counted = |prompt| ReportedUsage::Known(Usage { prompt, ..Usage::default() });
    let body = join_embeddings("gpt", &answers, counted(3) + counted(4), false).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let found: Vec<(u64, f64)> = body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["index"].as_u64().unwrap(), item["embedding"][0].as_f64().unwrap()))
        .collect();
    assert_eq!(found, [(0, 1.0), (1, 2.0), (2, 3.0)]);
    assert_eq!(body["usage"], json!({"prompt_tokens": 7, "total_tokens": 7}));
    assert_eq!(body["model"], "gpt");
    let unknown = join_embeddings("gpt", &answers, counted(3) + ReportedUsage::Implausible, false).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&unknown).unwrap().get("usage"), None, "no number would be right");
}

#[test]
fn base64_is_little_endian_and_both_ways() {
    let body = join_embeddings("m", &[(answer(&[(0, 1.0)], 1), 1)], ReportedUsage::Missing, true).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    // 1.0 is 00 00 80 3f and 0.5 is 00 00 00 3f.
    assert_eq!(body["data"][0]["embedding"], "AACAPwAAAD8=");
    assert_eq!(base64_to_floats("AACAPwAAAD8="), Some(vec![1.0, 0.5]));
    assert_eq!(base64_to_floats("AACA"), None);
}

#[test]
fn an_answer_that_would_shift_an_index_is_an_error() {
    let short = join_embeddings("m", &[(answer(&[(0, 1.0)], 1), 2)], ReportedUsage::Missing, false).unwrap_err();
    assert_eq!(short, JoinError::Count { batch: 0, wanted: 2, found: 1 });
    for body in ["[]", "{}", r#"{"data":[{"embedding":"?"}]}"#, r#"{"data":[{"embedding":[null]}]}"#] {
        let answers = [(Bytes::from_static(body.as_bytes()), 1)];
        let error = join_embeddings("m", &answers, ReportedUsage::Missing, false).unwrap_err();
        assert_eq!(error, JoinError::NotEmbeddings { batch: 0 }, "{body}");
    }
}

proptest! {
    #[test]
    fn any_floats_survive_base64(floats in proptest::collection::vec(any::<f32>().prop_filter("equality", |f| !f.is_nan()), 0..64)) {
        prop_assert_eq!(base64_to_floats(&floats_to_base64(&floats)), Some(floats));
    }
}

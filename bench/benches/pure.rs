//! The pure functions that every request passes through. To run it:
//! `cargo bench --manifest-path bench/Cargo.toml`.

use banjia_bench::cases;
use banjia_types::{Operation, RequestId, Timestamp};
use banjia_wire::{
    BodyLimits, Decoder, Framer, Head, Identity, Notes, Profile, decode_answer, embedded_profiles, encode, splice_model,
};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use uuid::Uuid;

fn profile(name: &str) -> Arc<Profile> {
    let find =
        |wanted: &str| embedded_profiles().iter().find(|(stem, _)| *stem == wanted).map(|(_, text)| (*text).to_owned());
    let text = find(name).expect("an embedded profile");
    let (profile, problems) = Profile::parse(name, &text, &find);
    Arc::new(profile.unwrap_or_else(|| panic!("{name}: {problems:?}")))
}

fn chat() -> Bytes {
    Bytes::from(cases::all().swap_remove(0).body)
}

/// A request with habits that only OpenAI knows.
fn openai_habits() -> Bytes {
    let mut body: serde_json::Value = serde_json::from_slice(&chat()).expect("our own body");
    body["temperature"] = serde_json::json!(1.7);
    body["stop"] = serde_json::json!(["END", "STOP"]);
    body["user"] = serde_json::json!("u1");
    body["messages"][0]["role"] = serde_json::json!("developer");
    Bytes::from(body.to_string())
}

fn requests(criterion: &mut Criterion) {
    let (limits, body) = (BodyLimits::default(), chat());
    let mut group = criterion.benchmark_group("request");
    group.throughput(Throughput::Bytes(body.len() as u64));
    let head = Head::peek(&body, Operation::ChatCompletions, &limits).expect("our own body");
    group.bench_function("peek", |b| b.iter(|| Head::peek(black_box(&body), Operation::ChatCompletions, &limits)));
    group.bench_function("opening", |b| b.iter(|| head.opening(black_box(&body))));
    group.bench_function("splice_model", |b| b.iter(|| splice_model(black_box(&body), &head, "another-model")));
    let plain = profile("openai-compatible");
    group.bench_function("encode, fast lane", |b| {
        b.iter(|| encode(&plain, Operation::ChatCompletions, "m", &head, black_box(&body)));
    });
    let (zhipu, habits) = (profile("zhipu"), openai_habits());
    let head = Head::peek(&habits, Operation::ChatCompletions, &limits).expect("our own body");
    group.bench_function("encode, zhipu's rules", |b| {
        b.iter(|| encode(&zhipu, Operation::ChatCompletions, "glm-4.7", &head, black_box(&habits)));
    });
    group.finish();
}

fn answers(criterion: &mut Criterion) {
    let chunks: Vec<Bytes> = (0..cases::CHUNKS)
        .map(|number| {
            Bytes::from(format!(
                "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\"model\":\"m\",\
                 \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word{number:02}\"}},\"finish_reason\":null}}]}}\n\n"
            ))
        })
        .chain([
            Bytes::from_static(b"data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":92,\"completion_tokens\":50,\"total_tokens\":142}}\n\n"),
            Bytes::from_static(b"data: [DONE]\n\n"),
        ])
        .collect();
    let identity = Identity { request: RequestId(Uuid::from_u128(7)), created: Timestamp(1_720_483_200_123) };
    let mut group = criterion.benchmark_group("answer");
    group.throughput(Throughput::Elements(chunks.len() as u64));
    group.bench_function("frame a 50-chunk stream", |b| {
        b.iter(|| {
            let mut framer = Framer::new(1024 * 1024);
            let mut events = 0;
            for chunk in &chunks {
                framer.feed(chunk);
                while framer.next().is_some() {
                    events += 1;
                }
            }
            events
        });
    });
    for name in ["openai-compatible", "zhipu"] {
        let (profile, notes) = (profile(name), Notes::default());
        group.bench_function(format!("decode a 50-chunk stream, {name}"), |b| {
            let mut frames = Vec::new();
            b.iter(|| {
                let mut decoder = Decoder::new(&profile, &notes, identity);
                for chunk in &chunks {
                    decoder.feed(chunk, &mut frames);
                    frames.clear();
                }
                decoder.end(&mut frames);
                frames.clear();
            });
        });
    }
    let whole = Bytes::from_static(br#"{"id":"c1","object":"chat.completion","created":1764000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"First the weight of the piano, then the stairs."},"finish_reason":"stop"}],"usage":{"prompt_tokens":92,"completion_tokens":38,"total_tokens":130}}"#);
    let (plain, notes) = (profile("openai-compatible"), Notes::default());
    group.throughput(Throughput::Bytes(whole.len() as u64));
    group.bench_function("decode a whole answer", |b| {
        b.iter(|| decode_answer(&plain, &notes, Operation::ChatCompletions, identity, black_box(&whole)));
    });
    group.finish();
}

criterion_group!(benches, requests, answers);
criterion_main!(benches);

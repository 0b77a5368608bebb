//! A vendor that answers at once, so that what is measured is the proxy before it.
//!
//! It writes HTTP/1.1 by hand: each chunk of a stream is one write, as real vendors send them, and
//! nothing is computed per request. It understands just what the proxies here send: a length, no
//! chunked bodies.

use crate::cases::{CHUNKS, DIMENSIONS, PACE, PACED_MODEL, STRUCTURED_MODEL};
use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::io::Write as _;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The key that the mock wants to see: proof that the proxy replaced the client's.
pub const UPSTREAM_KEY: &str = "sk-upstream";

/// The largest request that is read.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// Everything that is ever answered, as it goes onto the wire.
struct Answers {
    chat: Vec<u8>,
    structured: Vec<u8>,
    embedding: Vec<u8>,
    stream_head: Vec<u8>,
    stream_chunks: Vec<Vec<u8>>,
    refused: Vec<u8>,
}

/// Answers until the process ends.
pub async fn serve(listener: TcpListener) {
    let answers = Rc::new(Answers::new());
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let answers = Rc::clone(&answers);
        tokio::task::spawn_local(async move {
            if let Err(error) = connection(stream, &answers).await {
                eprintln!("mock: {error:#}");
            }
        });
    }
}

/// What one request asks for.
enum Asked {
    Chat,
    Structured,
    Stream { paced: bool },
    Embedding,
    Nothing,
}

async fn connection(mut stream: TcpStream, answers: &Answers) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(8 * 1024);
    while let Some((asked, length)) = request(&mut stream, &mut buffer).await? {
        let sent = match asked {
            Asked::Chat => stream.write_all(&answers.chat).await,
            Asked::Structured => stream.write_all(&answers.structured).await,
            Asked::Embedding => stream.write_all(&answers.embedding).await,
            Asked::Stream { paced } => answers.stream(&mut stream, paced).await,
            Asked::Nothing => stream.write_all(&answers.refused).await,
        };
        if sent.is_err() {
            // The proxy was ended while answers were under way.
            return Ok(());
        }
        buffer.drain(..length);
    }
    Ok(())
}

/// Reads one whole request into `buffer`; gives what it asks for and its length, or `None` when the
/// peer is gone.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<Option<(Asked, usize)>> {
    loop {
        if let Some(found) = parse(buffer)? {
            return Ok(Some(found));
        }
        ensure!(buffer.len() < REQUEST_BYTES_MAX, "a request of more than {REQUEST_BYTES_MAX} bytes");
        match stream.read_buf(buffer).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
    }
}

fn parse(buffer: &[u8]) -> anyhow::Result<Option<(Asked, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(buffer).context("a bad request head")? else {
        return Ok(None);
    };
    let header = |name: &str| {
        let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    let Some(length) = header("content-length").and_then(|text| text.trim().parse::<usize>().ok()) else {
        bail!("a request without a length");
    };
    let Some(body) = buffer[head..].get(..length) else { return Ok(None) };
    let known = header("authorization").and_then(|text| text.strip_prefix("Bearer ")) == Some(UPSTREAM_KEY);
    let has = |text: &str| memchr::memmem::find(body, text.as_bytes()).is_some();
    let asked = match request.path.unwrap_or_default() {
        _ if !known => Asked::Nothing,
        "/v1/chat/completions" if has("\"stream\":true") => Asked::Stream { paced: has(PACED_MODEL) },
        "/v1/chat/completions" if has(STRUCTURED_MODEL) => Asked::Structured,
        "/v1/chat/completions" => Asked::Chat,
        "/v1/embeddings" => Asked::Embedding,
        _ => Asked::Nothing,
    };
    Ok(Some((asked, head + length)))
}

impl Answers {
    fn new() -> Self {
        let mut stream_chunks: Vec<Vec<u8>> = (0..CHUNKS).map(|number| event(&chunk(number))).collect();
        stream_chunks.push(event(&last_chunk("stop")));
        stream_chunks.push(event(&usage_chunk()));
        let mut done = http_chunk(b"data: [DONE]\n\n");
        done.extend_from_slice(b"0\r\n\r\n");
        stream_chunks.push(done);
        let stream_head =
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n\
            transfer-encoding: chunked\r\n\r\n";
        Self {
            chat: whole(200, &chat_answer(PROSE)),
            structured: whole(200, &chat_answer(STRUCTURED)),
            embedding: whole(200, &embedding_answer()),
            stream_head: stream_head.to_vec(),
            stream_chunks,
            refused: whole(401, &json!({"error": {"message": "wrong key or path", "type": "invalid_request_error"}})),
        }
    }

    async fn stream(&self, stream: &mut TcpStream, paced: bool) -> std::io::Result<()> {
        stream.write_all(&self.stream_head).await?;
        for chunk in &self.stream_chunks {
            if paced {
                tokio::time::sleep(PACE).await;
            } else {
                // Lets the other streams write too, so that the proxy sees many at once and not one
                // after the other.
                tokio::task::yield_now().await;
            }
            stream.write_all(chunk).await?;
        }
        Ok(())
    }
}

fn whole(status: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn http_chunk(data: &[u8]) -> Vec<u8> {
    let mut chunk = Vec::with_capacity(data.len() + 16);
    write!(chunk, "{:x}\r\n", data.len()).expect("a vector takes every write");
    chunk.extend_from_slice(data);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

fn event(data: &Value) -> Vec<u8> {
    http_chunk(format!("data: {data}\n\n").as_bytes())
}

fn envelope(choices: &Value) -> Value {
    json!({
        "id": "chatcmpl-0123456789abcdef0123456789abcdef", "object": "chat.completion.chunk", "created": 1_764_000_000,
        "model": "mock", "service_tier": "default", "system_fingerprint": null, "usage": null, "choices": choices,
    })
}

fn chunk(number: usize) -> Value {
    let delta = match number {
        0 => json!({"role": "assistant", "content": "Ask"}),
        _ => json!({"content": format!(" word{number:02}")}),
    };
    envelope(&json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]))
}

fn last_chunk(finish: &str) -> Value {
    envelope(&json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": finish}]))
}

fn usage_chunk() -> Value {
    let mut chunk = envelope(&json!([]));
    chunk["usage"] = usage(CHUNKS);
    chunk
}

fn usage(completion: usize) -> Value {
    json!({"prompt_tokens": 92, "completion_tokens": completion, "total_tokens": 92 + completion})
}

const PROSE: &str = "First the weight of the piano and the width of the stairs, then whether the van can stop at both \
    doors, then who packs the boxes, and last the day.";
const STRUCTURED: &str =
    r#"{"questions": ["How heavy is the piano?", "How wide are the stairs?", "Who packs?"], "floors": 3}"#;

fn chat_answer(content: &str) -> Value {
    json!({
        "id": "chatcmpl-0123456789abcdef0123456789abcdef", "object": "chat.completion", "created": 1_764_000_000,
        "model": "mock", "system_fingerprint": null, "usage": usage(38),
        "choices": [{"index": 0, "logprobs": null, "finish_reason": "stop", "message": {
            "role": "assistant", "refusal": null, "content": content,
        }}],
    })
}

fn embedding_answer() -> Value {
    // Eight digits each, as vendors print them; the values repeat, which no proxy profits from.
    let numbers: Vec<Value> =
        (0..DIMENSIONS).map(|place| json!(f64::from((place * 7_919 % 10_007) as u32) / 100_070.0 - 0.05)).collect();
    json!({
        "object": "list", "model": "mock", "data": [{"object": "embedding", "index": 0, "embedding": numbers}],
        "usage": {"prompt_tokens": 18, "total_tokens": 18},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_understood_only_when_whole_and_with_the_right_key() {
        let body = "{\"model\":\"mock-paced\",\"stream\":true}";
        let text = |key: &str| {
            format!(
                "POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer {key}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let good = text(UPSTREAM_KEY);
        assert!(parse(&good.as_bytes()[..good.len() - 1]).unwrap().is_none());
        let (asked, length) = parse(good.as_bytes()).unwrap().unwrap();
        assert!(matches!(asked, Asked::Stream { paced: true }));
        assert_eq!(length, good.len());
        assert!(matches!(parse(text("sk-other").as_bytes()).unwrap(), Some((Asked::Nothing, _))));
        assert!(parse(b"GET / HTTP/1.1\r\n\r\n").is_err());
    }

    #[test]
    fn a_stream_has_its_chunks_a_finish_usage_and_done() {
        let answers = Answers::new();
        assert_eq!(answers.stream_chunks.len(), CHUNKS + 3);
        assert!(answers.stream_chunks.iter().all(|chunk| chunk.ends_with(b"\r\n")));
    }
}

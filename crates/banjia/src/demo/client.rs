//! A client as strict as the official SDKs: it notices a stream that ends early, an error event, an object that is no JSON.
//!
//! Rule: it reads answers by itself and shares no code with the gateway, so that the two can be compared.

use super::mix::{Kind, Request};
use crate::clock;
use banjia_types::Timestamp;
use banjia_upstream::{Call, Credential, Endpoint, Reply, ReplyBody, SendError, Timeouts, Upstream};
use bytes::Bytes;
use serde_json::Value;
use std::time::{Duration, Instant};

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longer waits count as broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a request ended, as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Complete and as asked.
    Answered,
    /// An error before any content.
    Refused(String),
    /// Something went wrong after content began, or what came is not what was asked for.
    Broken(String),
    /// The client left by its own will.
    Left,
}

/// What a client saw of one request.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    pub(super) kind: Kind,
    pub(super) stream: bool,
    pub(super) sent_at: Timestamp,
    /// From the send to the first content of a stream, or to the whole answer.
    pub(super) first_content: Option<Duration>,
    pub(super) total: Duration,
    pub(super) end: End,
    /// `vendor/model`, as the answer's header tells.
    pub(super) target: Option<String>,
}

impl Observed {
    /// Who answered.
    pub(super) fn vendor(&self) -> Option<&str> {
        self.target.as_deref()?.split('/').next()
    }

    /// When the first content came.
    pub(super) fn first_content_at(&self) -> Option<Timestamp> {
        Some(self.sent_at + self.first_content?)
    }
}

/// Where requests go.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) upstream: Upstream,
    pub(super) chat: Endpoint,
    pub(super) embeddings: Endpoint,
    /// One key for each account.
    pub(super) keys: Vec<Credential>,
}

impl Client {
    /// Sends `request` and watches its answer to the end.
    pub(super) async fn send(&self, request: Request) -> Observed {
        let sent_at = clock::now();
        let begun = Instant::now();
        let mut seen = Observed {
            kind: request.kind,
            stream: request.stream,
            sent_at,
            first_content: None,
            total: Duration::ZERO,
            end: End::Answered,
            target: None,
        };
        let endpoint = if request.kind == Kind::Embed { &self.embeddings } else { &self.chat };
        let call = Call {
            credential: self.keys.get(request.account),
            stream: request.stream,
            timeouts: Some(Timeouts::each(PATIENCE)),
            ..Call::post(endpoint, Bytes::from(request.body.to_string()))
        };
        seen.end = match self.upstream.send(call).await {
            Err(error) => End::Refused(error.to_string()),
            Ok(reply) => {
                let target = reply.headers.get("x-banjia-target").and_then(|target| target.to_str().ok());
                seen.target = target.map(str::to_owned);
                read(reply, &request, begun, &mut seen.first_content).await
            }
        };
        seen.total = begun.elapsed();
        seen
    }
}

async fn read(reply: Reply, request: &Request, begun: Instant, first_content: &mut Option<Duration>) -> End {
    let status = reply.status;
    if status != 200 {
        return match reply.body.collect(ANSWER_BYTES_MAX).await {
            Ok(body) => End::Refused(format!("{status} {}", error_code(&body))),
            Err(error) => End::Refused(format!("{status}, then {error}")),
        };
    }
    if request.stream {
        return read_stream(reply.body, request, begun, first_content).await;
    }
    match reply.body.collect(ANSWER_BYTES_MAX).await {
        Ok(body) => {
            *first_content = Some(begun.elapsed());
            judge_whole(&body, request)
        }
        Err(error) => End::Broken(error.to_string()),
    }
}

/// The code, or else the message, of an error in OpenAI's shape.
fn error_code(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &value["error"];
    let said = error["code"].as_str().or(error["message"].as_str()).unwrap_or("(no error object)");
    error["param"].as_str().map_or_else(|| said.to_owned(), |param| format!("{said} ({param})"))
}

fn judge_whole(body: &[u8], request: &Request) -> End {
    let wrong = |what: &str| End::Broken(what.to_owned());
    let Ok(answer) = serde_json::from_slice::<Value>(body) else { return wrong("the answer is not JSON") };
    if request.kind == Kind::Embed {
        let vectors = answer["data"].as_array().map_or(0, Vec::len);
        return if vectors == request.inputs { End::Answered } else { wrong("a wrong number of vectors came back") };
    }
    let choice = &answer["choices"][0];
    if choice["finish_reason"].as_str().is_none() {
        return wrong("the answer has no finish reason");
    }
    let content = choice["message"]["content"].as_str().unwrap_or("");
    match request.kind {
        Kind::Tool if choice["message"]["tool_calls"][0]["function"]["name"].is_string() => End::Answered,
        Kind::Json | Kind::Schema => match serde_json::from_str(content) {
            Ok(Value::Object(_)) => End::Answered,
            _ => wrong("the answer is no JSON object"),
        },
        _ if content.is_empty() => wrong("the answer is empty"),
        _ => End::Answered,
    }
}

async fn read_stream(
    mut body: ReplyBody,
    request: &Request,
    begun: Instant,
    first_content: &mut Option<Duration>,
) -> End {
    let mut lines = Lines::default();
    let mut stream = Stream::default();
    while let Some(chunk) = body.next_chunk().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => return broken(&stream, &error),
        };
        lines.feed(&chunk);
        while let Some(line) = lines.next() {
            let Some(data) = line.strip_prefix(b"data:") else { continue };
            if let Err(end) = stream.event(data.trim_ascii()) {
                return end;
            }
            if stream.contents == 1 && first_content.is_none() {
                *first_content = Some(begun.elapsed());
            }
        }
        if request.leave_after.is_some_and(|contents| stream.contents >= contents) && !stream.is_done {
            return End::Left;
        }
    }
    match (stream.is_done, stream.has_finish) {
        (true, true) => End::Answered,
        (true, false) => End::Broken("the stream has no finish reason".to_owned()),
        (false, _) => End::Broken("the stream ended without [DONE]".to_owned()),
    }
}

fn broken(stream: &Stream, error: &SendError) -> End {
    if stream.contents == 0 { End::Refused(error.to_string()) } else { End::Broken(error.to_string()) }
}

#[derive(Default)]
struct Stream {
    contents: usize,
    has_finish: bool,
    is_done: bool,
}

impl Stream {
    fn event(&mut self, data: &[u8]) -> Result<(), End> {
        if data == b"[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        let Ok(event) = serde_json::from_slice::<Value>(data) else {
            return Err(End::Broken("an event is not JSON".to_owned()));
        };
        if event.get("error").is_some() {
            let code = error_code(data);
            return Err(if self.contents == 0 { End::Refused(code) } else { End::Broken(code) });
        }
        let choice = &event["choices"][0];
        self.has_finish |= choice["finish_reason"].is_string();
        let delta = &choice["delta"];
        let has_text = ["content", "reasoning_content", "refusal"]
            .iter()
            .any(|name| delta[*name].as_str().is_some_and(|text| !text.is_empty()));
        if has_text || delta["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty()) {
            self.contents += 1;
        }
        Ok(())
    }
}

/// Cuts bytes into lines, whatever parts they come in.
#[derive(Default)]
struct Lines {
    held: Vec<u8>,
    read: usize,
}

impl Lines {
    fn feed(&mut self, chunk: &[u8]) {
        self.held.drain(..self.read);
        self.read = 0;
        self.held.extend_from_slice(chunk);
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let rest = self.held.get(self.read..)?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = rest.get(..end)?.to_vec();
        self.read += end + 1;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(events: &[&str]) -> Result<(bool, usize), End> {
        let mut stream = Stream::default();
        for event in events {
            stream.event(event.as_bytes())?;
        }
        Ok((stream.is_done && stream.has_finish, stream.contents))
    }

    #[test]
    fn a_stream_is_whole_only_with_a_finish_reason_and_done() {
        let text = r#"{"choices":[{"delta":{"content":"a"},"finish_reason":null}]}"#;
        let finish = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
        assert_eq!(judge(&[text, finish, "[DONE]"]), Ok((true, 1)));
        assert_eq!(judge(&[text, "[DONE]"]), Ok((false, 1)));
        let error = r#"{"error":{"code":"x","message":"m","param":null}}"#;
        assert_eq!(judge(&[error]), Err(End::Refused("x".to_owned())));
        assert_eq!(judge(&[text, error]), Err(End::Broken("x".to_owned())));
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_are_cut() {
        let text = b"data: a\n\ndata: b\n";
        for cut in 0..text.len() {
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            for part in [&text[..cut], &text[cut..]] {
                lines.feed(part);
                seen.extend(std::iter::from_fn(|| lines.next()));
            }
            assert_eq!(seen, [b"data: a".to_vec(), b"".to_vec(), b"data: b".to_vec()]);
        }
    }
}

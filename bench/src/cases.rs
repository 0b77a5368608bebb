//! The work that is measured.

use std::time::Duration;

/// The model that the mock answers at once.
pub const MODEL: &str = "mock";
/// The model whose stream has a pause before each chunk.
pub const PACED_MODEL: &str = "mock-paced";
/// The model whose answer has the form that the request asks for. Its vendor has no structured
/// output of its own, so the gateway asks in words and checks the answer.
pub const STRUCTURED_MODEL: &str = "mock-structured";
/// The pause before each chunk of a paced stream.
pub const PACE: Duration = Duration::from_millis(10);
/// Chunks of content in a stream.
pub const CHUNKS: usize = 50;
/// Numbers in an embedding.
pub const DIMENSIONS: usize = 1_536;

/// One kind of request at one number of connections.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in the table and on the command line.
    pub name: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    /// The path that is asked.
    pub path: &'static str,
    /// The request's body.
    pub body: String,
    /// Connections, each with one request under way.
    pub connections: usize,
    /// Whether the answer is a stream that must end with `[DONE]`.
    pub stream: bool,
    /// The highest acceptable ratio to the floor, if there is an aim.
    pub aim: Option<f64>,
}

/// Every case.
pub fn all() -> Vec<Case> {
    let chat = |name, what, model: &str, stream, connections, aim| Case {
        name,
        what,
        path: "/v1/chat/completions",
        body: chat_body(model, stream),
        connections,
        stream,
        aim: Some(aim),
    };
    vec![
        chat("chat", "chat completion, not streamed", MODEL, false, 64, 1.5),
        chat("stream", "50-chunk stream, no pauses", MODEL, true, 64, 1.1),
        chat("paced", "50-chunk stream, a chunk each 10 ms", PACED_MODEL, true, 100, 1.1),
        Case {
            name: "embeddings",
            what: "one embedding of 1,536 numbers",
            path: "/v1/embeddings",
            body: serde_json::json!({
                "model": MODEL,
                "input": "Boxes are counted twice before the van leaves and once more when it arrives.",
                "encoding_format": "float",
            })
            .to_string(),
            connections: 16,
            stream: false,
            aim: None,
        },
        Case {
            name: "structured",
            what: "an answer whose JSON schema the gateway checks",
            path: "/v1/chat/completions",
            body: structured_body(),
            connections: 64,
            stream: false,
            aim: None,
        },
    ]
}

fn structured_body() -> String {
    let mut body: serde_json::Value = serde_json::from_str(&chat_body(STRUCTURED_MODEL, false)).expect("our own JSON");
    body["response_format"] = serde_json::json!({"type": "json_schema", "json_schema": {"name": "questions", "strict": true, "schema": {
        "type": "object",
        "properties": {
            "questions": {"type": "array", "items": {"type": "string"}},
            "floors": {"type": "integer"},
        },
        "required": ["questions", "floors"],
        "additionalProperties": false,
    }}});
    body.to_string()
}

fn chat_body(model: &str, stream: bool) -> String {
    let mut body = serde_json::json!({
        "model": model,
        "messages": [
            {"role": "system", "content": "You help a removal company. Be brief, be exact, and say so when you do not know."},
            {"role": "user", "content": "A customer moves from the third floor without a lift to a ground floor flat two \
                streets away, with a piano and forty boxes. Which questions must be asked before a price can be named, and \
                in which order should they be asked?"},
        ],
        "temperature": 0.3,
        "max_tokens": 300,
    });
    if stream {
        body["stream"] = true.into();
        body["stream_options"] = serde_json::json!({"include_usage": true});
    }
    body.to_string()
}

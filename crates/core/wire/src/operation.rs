//! The table of operations: which path and method, what goes in and comes out, and what is served.
//!
//! Rules:
//! - The gateway's router, the `[endpoint]` section of a profile and the answer 501 read this one
//!   table.
//! - Paths, methods and body kinds are those of OpenAI's published document (openapi.json of
//!   2026-08-21).
//! - An operation without a row ([`Operation::BorderCheck`]) is none of OpenAI's.

use banjia_types::Operation;

#[cfg(test)]
mod tests;

/// The method of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// It reads.
    Get,
    /// It asks for work.
    Post,
}

impl Method {
    /// The method as HTTP spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// The form of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// One JSON object.
    Json,
    /// A multipart form.
    Form,
    /// No body.
    None,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// One JSON value.
    Json,
    /// One JSON value, or server-sent events if the request has `"stream": true`.
    JsonOrEvents,
    /// Bytes of a media type.
    Bytes,
    /// A socket with messages both ways.
    Socket,
}

/// Where the name of the model stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelAt {
    /// In this member of the JSON body.
    Json(&'static str),
    /// In this field of the form.
    Form(&'static str),
    /// In this parameter of the query.
    Query(&'static str),
    /// Nowhere: the operation is not about one model.
    Nowhere,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationSpec {
    /// The operation.
    pub operation: Operation,
    /// Its method, for those under its path see [`find`].
    pub method: Method,
    /// Its path.
    pub path: &'static str,
    /// The form of its requests.
    pub request: BodyKind,
    /// The form of its answers.
    pub answer: AnswerKind,
    /// Where its requests name the model.
    pub model: ModelAt,
    /// The member that holds what the model is asked; `None` if requests of this operation are not
    /// read yet.
    pub prompt: Option<&'static str>,
    /// Whether the gateway serves it.
    pub is_served: bool,
    /// Another method that OpenAI serves at this path and the gateway does not: it is answered with
    /// 501, not 405.
    pub other_method: Option<&'static str>,
}

impl OperationSpec {
    /// A row that is not served yet: a JSON body that names the model, and a JSON answer.
    const fn json(operation: Operation, path: &'static str) -> Self {
        Self {
            operation,
            method: Method::Post,
            path,
            request: BodyKind::Json,
            answer: AnswerKind::Json,
            model: ModelAt::Json("model"),
            prompt: None,
            is_served: false,
            other_method: None,
        }
    }

    /// The same, with a form as its body.
    const fn form(operation: Operation, path: &'static str) -> Self {
        Self { request: BodyKind::Form, model: ModelAt::Form("model"), ..Self::json(operation, path) }
    }

    /// The same, without a model.
    const fn without_model(self) -> Self {
        Self { model: ModelAt::Nowhere, ..self }
    }

    const fn answered_with(self, answer: AnswerKind) -> Self {
        Self { answer, ..self }
    }

    /// The first part of its path after `/v1/`.
    fn first_part(&self) -> &'static str {
        first_part(self.path)
    }
}

/// Every operation of OpenAI's that has a name here. The ones that are served most stand first.
pub const TABLE: &[OperationSpec] = &[
    OperationSpec {
        prompt: Some("messages"),
        is_served: true,
        other_method: Some("GET"),
        ..OperationSpec::json(Operation::ChatCompletions, "/v1/chat/completions")
            .answered_with(AnswerKind::JsonOrEvents)
    },
    OperationSpec {
        prompt: Some("input"),
        is_served: true,
        ..OperationSpec::json(Operation::Embeddings, "/v1/embeddings")
    },
    OperationSpec {
        method: Method::Get,
        request: BodyKind::None,
        is_served: true,
        ..OperationSpec::json(Operation::Models, "/v1/models").without_model()
    },
    OperationSpec::json(Operation::Completions, "/v1/completions").answered_with(AnswerKind::JsonOrEvents),
    OperationSpec::json(Operation::Responses, "/v1/responses").answered_with(AnswerKind::JsonOrEvents),
    OperationSpec::json(Operation::Moderations, "/v1/moderations"),
    OperationSpec::json(Operation::ImageGeneration, "/v1/images/generations").answered_with(AnswerKind::JsonOrEvents),
    OperationSpec::form(Operation::ImageEdit, "/v1/images/edits").answered_with(AnswerKind::JsonOrEvents),
    OperationSpec::form(Operation::ImageVariation, "/v1/images/variations"),
    OperationSpec::json(Operation::Speech, "/v1/audio/speech").answered_with(AnswerKind::Bytes),
    OperationSpec::form(Operation::Transcription, "/v1/audio/transcriptions").answered_with(AnswerKind::JsonOrEvents),
    OperationSpec::form(Operation::Translation, "/v1/audio/translations"),
    OperationSpec {
        method: Method::Get,
        request: BodyKind::None,
        model: ModelAt::Query("model"),
        ..OperationSpec::json(Operation::Realtime, "/v1/realtime").answered_with(AnswerKind::Socket)
    },
    OperationSpec::form(Operation::Files, "/v1/files").without_model(),
    OperationSpec::json(Operation::Uploads, "/v1/uploads").without_model(),
    OperationSpec::json(Operation::Batches, "/v1/batches").without_model(),
    OperationSpec::json(Operation::FineTuning, "/v1/fine_tuning/jobs"),
    OperationSpec::json(Operation::Conversations, "/v1/conversations").without_model(),
];

/// First parts of paths that OpenAI serves and that no row of the table begins with.
const OTHER_FIRST_PARTS: [&str; 12] = [
    "assistants",
    "chatkit",
    "containers",
    "content_provenance_checks",
    "evals",
    "organization",
    "projects",
    "skills",
    "threads",
    "vector_stores",
    "videos",
    "webhooks",
];

/// The row of an operation; `None` if it is none of OpenAI's.
pub fn spec(operation: Operation) -> Option<&'static OperationSpec> {
    TABLE.iter().find(|spec| spec.operation == operation)
}

/// What a method and a path ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A served operation.
    Operation(Operation),
    /// One thing under the path of a served operation, by its id.
    Resource(Operation, &'a str),
    /// The path of a served operation, with another method than the one given here.
    WrongMethod(Method),
    /// OpenAI serves it, and the gateway does not.
    NotSupported,
    /// No path of OpenAI's.
    Unknown,
}

/// Finds what `method` and `path` ask for.
pub fn find<'a>(method: &str, path: &'a str) -> Found<'a> {
    for spec in TABLE.iter().filter(|spec| spec.is_served) {
        let Some(rest) = path.strip_prefix(spec.path) else { continue };
        if rest.is_empty() {
            return match spec.other_method {
                _ if method == spec.method.as_str() => Found::Operation(spec.operation),
                Some(other) if method == other => Found::NotSupported,
                _ => Found::WrongMethod(spec.method),
            };
        }
        // Only what can be listed has things under it.
        let id = rest.strip_prefix('/').filter(|id| !id.is_empty() && spec.method == Method::Get);
        if let Some(id) = id.filter(|_| method == spec.method.as_str()) {
            return Found::Resource(spec.operation, id);
        }
    }
    let first = first_part(path);
    let is_known = TABLE.iter().any(|spec| spec.first_part() == first) || OTHER_FIRST_PARTS.contains(&first);
    // With a slash at its end no path is OpenAI's: a client's base URL is then put together
    // wrongly.
    if is_known && !path.ends_with('/') { Found::NotSupported } else { Found::Unknown }
}

/// The first part of a path after `/v1/`; empty if there is none.
fn first_part(path: &str) -> &str {
    path.strip_prefix("/v1/").and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

/// The names of the operations that a profile's `[endpoint]` may give a path: those that are
/// served.
pub(crate) const SERVED_NAMES: [&str; count(false)] = names(false);

/// The names of the operations that a rule on a parameter may be about: those whose requests are
/// read.
pub(crate) const READ_NAMES: [&str; count(true)] = names(true);

const fn count(must_be_read: bool) -> usize {
    let (mut row, mut count) = (0, 0);
    while row < TABLE.len() {
        if TABLE[row].is_served && (!must_be_read || TABLE[row].prompt.is_some()) {
            count += 1;
        }
        row += 1;
    }
    count
}

const fn names<const N: usize>(must_be_read: bool) -> [&'static str; N] {
    let mut names = [""; N];
    let (mut row, mut place) = (0, 0);
    while row < TABLE.len() {
        if TABLE[row].is_served && (!must_be_read || TABLE[row].prompt.is_some()) {
            names[place] = TABLE[row].operation.as_str();
            place += 1;
        }
        row += 1;
    }
    names
}

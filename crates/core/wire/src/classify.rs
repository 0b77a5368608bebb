//! A vendor's error answer and what it means.
//!
//! Rules:
//! - The profile's error table decides.
//! - The HTTP status speaks only when no row fits, because vendors put "out of money" in a 429 and
//!   "unknown model" in a 401.
//! - One reader for every envelope that was seen.
//! - A message is bounded and shows no key.
//!
//! Why the envelopes are not in the profile: reading all of them costs nothing and a relay may send
//! any of them.

mod clean;
mod mask;
#[cfg(test)]
mod tests;

use crate::profile::Profile;
use banjia_types::ErrorClass;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub(crate) use clean::clean;
pub use mask::mask_key;

/// The code of a region block, which SDKs and relays know (OpenAI's body of 2024-07-09).
const REGION_CODE: &str = "unsupported_country_region_territory";
/// A vendor that asks for more patience than a day is not believed.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// The longest code that is kept, in characters.
const CODE_CHARS_MAX: usize = 100;

/// What a vendor answered instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorError {
    /// What it means; this alone decides retry, failover and the client's status.
    pub class: ErrorClass,
    /// The vendor's HTTP status, or the one that an error inside a good answer tells (else 200); 0
    /// where no answer came.
    pub status: u16,
    /// The vendor's own code, a number as its text.
    pub code: Option<String>,
    /// The vendor's message, bounded and without keys.
    pub message: String,
    /// The parameter that the vendor complains of.
    pub param: Option<String>,
    /// How long the vendor wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl VendorError {
    /// A failure that the vendor did not name itself: garbage, or an answer that stops half way.
    pub(crate) fn server(message: impl Into<String>) -> Self {
        Self::of(ErrorClass::Server, message)
    }

    pub(crate) fn of(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, status: 200, code: None, message: message.into(), param: None, retry_after: None }
    }
}

impl fmt::Display for VendorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

/// Says what an answer with an error status means.
///
/// `retry_after_header` is the text of `retry-after` in seconds, or of `retry-after-ms` with `ms`
/// put behind it. A date would need a clock and is not read.
pub fn classify(profile: &Profile, status: u16, retry_after_header: Option<&str>, body: &[u8]) -> VendorError {
    let said = match serde_json::from_slice::<Value>(body) {
        Ok(value) => Said::of(&value).map_or_else(|| Said::unnamed(body), Said::owned),
        Err(_) => Said::unnamed(body),
    };
    let retry_after = retry_after_header.and_then(parse_retry_after);
    VendorError { retry_after, ..error_of(profile, status, &said) }
}

/// The error inside a body or an event that came with a good status, if there is one.
pub(crate) fn hidden_error(profile: &Profile, status: u16, value: &Value) -> Option<VendorError> {
    Said::of(value).map(|said| error_of(profile, status, &said))
}

fn error_of(profile: &Profile, status: u16, said: &Said<'_>) -> VendorError {
    let (code, kind) = (said.code.as_deref(), said.kind.as_deref());
    // Inside a good answer some relays put the status where the code belongs.
    let told =
        code.filter(|_| status < 400).and_then(|code| code.parse().ok()).filter(|told| (400..600).contains(told));
    let status = told.unwrap_or(status);
    let class = match profile.class_of(status, code, kind, &said.message) {
        Some((class, _)) => class,
        None => by_status(status, code, &said.message),
    };
    let message = match clean(&said.message) {
        empty if empty.is_empty() => format!("the vendor answered with status {status} and no message"),
        message => message,
    };
    VendorError {
        class,
        status,
        code: said.code.as_deref().map(|code| clean(code).chars().take(CODE_CHARS_MAX).collect()),
        message,
        param: said.param.as_deref().map(clean),
        retry_after: None,
    }
}

/// The class of an error that no row of the table knows.
fn by_status(status: u16, code: Option<&str>, message: &str) -> ErrorClass {
    let region = code == Some(REGION_CODE)
        || message
            .strip_prefix('[')
            .and_then(|rest| rest.strip_prefix(REGION_CODE))
            .is_some_and(|rest| rest.starts_with(']'));
    match status {
        // A message may repeat a prompt, so a region block is believed only with a status that fits
        // it.
        403 | 451 if region => ErrorClass::Region,
        401 | 403 | 407 => ErrorClass::Auth,
        402 => ErrorClass::Quota,
        404 | 410 => ErrorClass::ModelGone,
        429 => ErrorClass::Rate,
        451 => ErrorClass::Content,
        503 | 529 => ErrorClass::Overload,
        408 | 409 | 425 => ErrorClass::Server,
        400..=499 => ErrorClass::BadRequest,
        _ => ErrorClass::Server,
    }
}

/// `12`, `1.5` (seconds) or `1500ms`.
fn parse_retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    let seconds = match text.strip_suffix("ms") {
        Some(milliseconds) => milliseconds.trim().parse::<f64>().ok()? / 1000.0,
        None => text.parse::<f64>().ok()?,
    };
    Some(Duration::try_from_secs_f64(seconds).ok()?.min(RETRY_AFTER_MAX))
}

/// What an error body says, in whatever envelope.
#[derive(Debug, Default)]
struct Said<'a> {
    code: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    message: Cow<'a, str>,
    param: Option<Cow<'a, str>>,
}

impl<'a> Said<'a> {
    /// Reads the envelopes `{error: {..}}`, `{error: ".."}`, `{code, message}`, `{error_code,
    /// error_msg}`, `{base_resp: {status_code, status_msg}}` and `{detail}`. None when the value is
    /// no error.
    fn of(value: &'a Value) -> Option<Self> {
        let body = value.as_object()?;
        match body.get("error") {
            None | Some(Value::Null | Value::Bool(false)) => {}
            Some(Value::Object(error)) => {
                let said = Self::members(error, "code", &["message", "msg"]);
                return Some(Self { code: said.code.or_else(|| text_of(body.get("code"))), ..said });
            }
            Some(other) => {
                let code = text_of(body.get("code"));
                let message = text_of(body.get("message")).or_else(|| text_of(Some(other))).unwrap_or_default();
                return Some(Self { code, message, ..Self::default() });
            }
        }
        if body.contains_key("choices") || body.contains_key("data") && !body.contains_key("code") {
            return None;
        }
        if body.get("error_code").is_some_and(|code| !code.is_null() && code != 0) {
            return Some(Self::members(body, "error_code", &["error_msg", "error_description"]));
        }
        if let Some(reply) = body.get("base_resp").and_then(Value::as_object) {
            let failed = reply.get("status_code").is_some_and(|code| !code.is_null() && code != 0);
            return failed.then(|| Self::members(reply, "status_code", &["status_msg"]));
        }
        let code = body.get("code").filter(|code| !code.is_null() && **code != 0);
        if code.is_some() && (body.contains_key("message") || body.contains_key("msg")) {
            return Some(Self::members(body, "code", &["message", "msg"]));
        }
        text_of(body.get("detail")).map(|message| Self { message, ..Self::default() })
    }

    fn members(from: &'a Map<String, Value>, code: &str, messages: &[&str]) -> Self {
        Self {
            code: text_of(from.get(code)),
            kind: text_of(from.get("type")),
            message: messages.iter().find_map(|name| text_of(from.get(*name))).unwrap_or_default(),
            param: text_of(from.get("param")).filter(|param| !param.is_empty()),
        }
    }

    /// A body without a known envelope: what it says is its message, unless it is a web page.
    fn unnamed(body: &[u8]) -> Said<'static> {
        let start = body.get(..4096).unwrap_or(body);
        let text = String::from_utf8_lossy(start).trim().to_owned();
        let message = if text.starts_with('<') { "the vendor answered with a web page".to_owned() } else { text };
        Said { message: message.into(), ..Said::default() }
    }

    fn owned(self) -> Said<'static> {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Said {
            code: self.code.map(own),
            kind: self.kind.map(own),
            message: own(self.message),
            param: self.param.map(own),
        }
    }
}

/// A string as it is, any other value as its JSON; none for null.
fn text_of(value: Option<&Value>) -> Option<Cow<'_, str>> {
    match value? {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        other => Some(Cow::Owned(other.to_string())),
    }
}

//! What a vendor cannot do and the gateway does in its place.
//!
//! Rules:
//! - An emulation changes how many requests are sent or how an answer is cut, never how a request
//!   is spelt: that is `wire::encode`. What it does to the JSON is in `wire::chat`.
//! - A request that needs no emulation is not parsed here.
//! - An answer that does not have its promised form (a schema, a forced tool) after one repair is
//!   an error, because a client that asked for it relies on it.

pub(crate) mod checked;
pub(crate) mod shape;

use crate::call::{AttemptError, FullResponse, VendorCall, Work, add_up, server_error};
use crate::error::Failure;
use banjia_wire::chat::{FirstChoice, StopCutter, join_answers, sum_numbers};
use banjia_wire::{Encoded, Notes, ReportedUsage};
use bytes::Bytes;
use checked::Checks;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

/// Maximum number of concurrent requests for the choices of one answer.
const FAN_OUT_AT_ONCE_MAX: usize = 16;

/// A whole answer, with every emulation that the notes ask for. An answer without one has its own
/// future, many times smaller, because it is moved for each request.
pub(crate) fn whole(vendor_call: VendorCall, encoded: Encoded, checks: Option<Checks>) -> Work<FullResponse> {
    let Encoded { body, notes, .. } = encoded;
    let body = vendor_call.with_reasoning(body, &notes);
    let plain = notes.requests() == 1 && checks.is_none() && notes.stop.is_empty() && !notes.replay_reasoning;
    if !plain {
        return Box::pin(emulated(vendor_call, body, notes, checks));
    }
    Box::pin(async move {
        let answer = vendor_call.answer(body, &notes).await?;
        Ok(FullResponse { body: answer.body, usage: answer.usage })
    })
}

async fn emulated(
    vendor_call: VendorCall,
    body: Bytes,
    notes: Notes,
    checks: Option<Checks>,
) -> Result<FullResponse, AttemptError> {
    let (vendor_call, notes, checks) = (&vendor_call, &notes, checks.as_ref());
    let requests = (0..notes.requests()).map(|_| one(vendor_call, body.clone(), notes, checks));
    let answers: Vec<Parsed> = stream::iter(requests).buffered(FAN_OUT_AT_ONCE_MAX).try_collect().await?;
    let usage = add_up(answers.iter().map(|answer| answer.usage));
    // The texts keep the memory of the parts accounted for until these are joined.
    let (values, texts): (Vec<_>, Vec<_>) = answers.into_iter().map(|answer| (answer.value, answer.text)).unzip();
    let mut answer = choices_of(values);
    if !notes.stop.is_empty() {
        StopCutter::new(&notes.stop).cut_answer(&mut answer);
    }
    let body = vendor_call.state.held.count(Bytes::from(answer.to_string()));
    drop(texts);
    Ok(FullResponse { body, usage })
}

/// One answer, parsed.
struct Parsed {
    value: Value,
    /// The bytes that it was read from. They stay as long as the value does, so that its memory is
    /// accounted for.
    text: Bytes,
    usage: ReportedUsage,
}

/// Joins several answers. A single one stays as it is.
fn choices_of(mut answers: Vec<Value>) -> Value {
    match answers.len() {
        1 => answers.pop().unwrap_or_default(),
        _ => join_answers(answers),
    }
}

/// One answer, checked and repaired once if its form was promised.
async fn one(
    vendor_call: &VendorCall,
    body: Bytes,
    notes: &Notes,
    checks: Option<&Checks>,
) -> Result<Parsed, AttemptError> {
    let Parsed { value: mut answer, mut text, mut usage } = parsed(vendor_call, body, notes).await?;
    if let Some(checks) = checks {
        let mut choice = FirstChoice::of_answer(&answer);
        let findings = checks.findings(&mut choice);
        if !findings.is_empty() {
            let repair = vendor_call.repair(&choice, &findings)?;
            let second = parsed(vendor_call, repair.body, &repair.notes).await?;
            let first = std::mem::replace(&mut answer, second.value);
            text = second.text;
            if let (Some(sum), Some(first)) = (answer.get_mut("usage"), first.get("usage")) {
                sum_numbers(sum, first);
            }
            usage = usage + second.usage;
            choice = FirstChoice::of_answer(&answer);
            let findings = checks.findings(&mut choice);
            if !findings.is_empty() {
                return Err(unmet(&findings).into());
            }
        }
        choice.put_text(&mut answer);
    }
    if notes.replay_reasoning {
        vendor_call.keep_reasoning_of(&answer);
    }
    Ok(Parsed { value: answer, text, usage })
}

async fn parsed(vendor_call: &VendorCall, body: Bytes, notes: &Notes) -> Result<Parsed, AttemptError> {
    let answer = vendor_call.answer(body, notes).await?;
    let value = serde_json::from_slice(&answer.body).map_err(|_| server_error("the answer is not JSON"))?;
    Ok(Parsed { value, text: answer.body, usage: answer.usage })
}

/// The error of an answer that two requests could not bring to its promised form.
pub(crate) fn unmet(findings: &[String]) -> Failure {
    Failure::form_unmet(&findings.join("; "))
}

//! `POST /v1/embeddings`: does what a vendor does not. Token arrays become text, batches are split
//! to the vendor's limit and joined again in order, floats become base64.
//!
//! Rules:
//! - A pass-through vendor gets the client's bytes, and its answer is not parsed.
//! - A part that the vendor refuses for the moment is asked for again, and the other parts keep
//!   their answers: one refusal in a batch costs one request more, not all of them.
//! - Token arrays are decoded with the vocabulary of OpenAI's embedding models (cl100k_base, as of
//!   2026-11). It is loaded at first use, on a blocking thread because that takes a tenth of a
//!   second.

use crate::call::{AttemptError, FullResponse, VendorCall, add_up, server_error};
use crate::error::Failure;
use banjia_traffic::RetryRules;
use banjia_wire::{Answer, Encoded, Notes, Refusal};
use banjia_wire::{Inputs, join_embeddings, parse_inputs, split_inputs, with_inputs};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

/// Maximum number of concurrent requests for the parts of one batch.
const PARTS_AT_ONCE_MAX: usize = 4;
/// Maximum number of requests for one part of a batch.
const PART_ATTEMPTS_MAX: u32 = 4;

/// Answers one embeddings request.
pub(crate) async fn answer(vendor_call: VendorCall, encoded: Encoded) -> Result<FullResponse, AttemptError> {
    let Encoded { body, notes, .. } = encoded;
    if vendor_call.vendor().profile.is_pass_through() {
        let answer = vendor_call.answer(body, &notes).await?;
        return Ok(FullResponse { body: answer.body, usage: answer.usage });
    }
    let texts = match parse_inputs(&body).map_err(Failure::refusal)? {
        Inputs::Texts(texts) => texts,
        Inputs::Tokens(lists) => decoded(lists).await?,
    };
    let batch_max = vendor_call.vendor().profile.embedding_batch_max(vendor_call.model());
    let parts: Vec<_> = split_inputs(&texts, batch_max).collect();
    // The vendor is asked for floats. They become what the client wants when the parts are joined.
    let plain = Notes { base64_embeddings: false, ..notes.clone() };
    let (vendor_call, body, plain) = (&vendor_call, &body, &plain);
    // A batch of one part is retried by the exchange, like any other request.
    let attempts_max = if parts.len() > 1 { PART_ATTEMPTS_MAX } else { 1 };
    let mut calls = Vec::new();
    for part in parts {
        calls.push(async move {
            let answer = answer_part(vendor_call, with_inputs(body, part), plain, attempts_max).await?;
            Ok::<_, AttemptError>(((answer.body, part.len()), answer.usage))
        });
    }
    let answers: Vec<_> = stream::iter(calls).buffered(PARTS_AT_ONCE_MAX).try_collect().await?;
    let (answers, usages): (Vec<(Bytes, usize)>, Vec<_>) = answers.into_iter().unzip();
    let usage = add_up(usages);
    let body = join_embeddings(&vendor_call.request.head.model, &answers, usage, notes.base64_embeddings)
        .map_err(|error| server_error(&error.to_string()))?;
    Ok(FullResponse { body: vendor_call.state.held.count(body), usage })
}

/// Asks for one part, and again after a pause if the vendor refuses it for the moment.
async fn answer_part(
    vendor_call: &VendorCall,
    body: Bytes,
    notes: &Notes,
    attempts_max: u32,
) -> Result<Answer, AttemptError> {
    let mut attempt = 1;
    loop {
        let error = match vendor_call.answer(body.clone(), notes).await {
            Err(AttemptError::Vendor(error)) if attempt < attempts_max && error.class.retry_helps() => error,
            answered => return answered,
        };
        let pause = RetryRules::default().pause(attempt, error.retry_after, rand::random());
        tokio::time::sleep(pause.ok_or(error)?).await;
        attempt += 1;
    }
}

async fn decoded(lists: Vec<Vec<u32>>) -> Result<Vec<String>, AttemptError> {
    let decoding = tokio::task::spawn_blocking(move || {
        let vocabulary = tiktoken_rs::cl100k_base_singleton();
        lists.iter().enumerate().map(|(place, list)| text(vocabulary, place, list)).collect()
    });
    let texts: Result<Vec<String>, Refusal> =
        decoding.await.map_err(|_| server_error("the token ids could not be read"))?;
    Ok(texts.map_err(Failure::refusal)?)
}

fn text(vocabulary: &tiktoken_rs::CoreBPE, place: usize, list: &[u32]) -> Result<String, Refusal> {
    vocabulary.decode(list).map_err(|_| Refusal {
        param: "input".to_owned(),
        message: format!("The token ids of input {place} are not text in the vocabulary cl100k_base."),
    })
}

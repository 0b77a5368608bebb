//! The head of the response.
//!
//! A stream's head waits for the first content, so that an error has its own status and another
//! target can still answer. If the vendor is silent for longer than the heartbeat's interval, the
//! head is sent before: a proxy between us and the client would give up. Then the headers that
//! describe the answer are not known yet; a comment in the stream says the same when its content
//! begins.

use super::{Drive, HeadState};
use crate::body::Body;
use crate::error::BORDER;
use banjia_types::Loss;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use std::future::poll_fn;

const TARGET: HeaderName = HeaderName::from_static("x-banjia-target");
const LOSS: HeaderName = HeaderName::from_static("x-banjia-loss");
const COST: HeaderName = HeaderName::from_static("x-banjia-cost");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-banjia-attempts");
/// The reason for the target, on routes with a move.
const REASON: HeaderName = HeaderName::from_static("x-banjia-reason");
/// Proxies neither keep nor change a stream (RFC 9111, section 5.2.2): one that compresses it would
/// hold it back.
const STREAM_CACHE_CONTROL: HeaderValue = HeaderValue::from_static("no-cache, no-transform");
/// nginx buffers a proxied response unless this header says `no` (ngx_http_proxy_module,
/// `proxy_buffering`).
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Headers of a usual answer.
const HEADERS_USUAL: usize = 16;
/// Longest value of `x-banjia-loss`; the ledger has all of them.
const LOSS_BYTES_MAX: usize = 2_048;

impl Drive {
    /// Waits until it is known whether the request is answered, and makes the response.
    pub(crate) async fn respond(mut self: Box<Self>) -> Response<Body> {
        poll_fn(|cx| self.pump(cx)).await;
        let refused =
            self.failures.final_failure.as_ref().filter(|_| !self.summary.has_content).map(super::Failure::response);
        let mut response = refused.unwrap_or_else(|| {
            let is_stream = self.request.head.stream;
            let mut response = Response::new(Body::empty());
            let headers = response.headers_mut();
            // One allocation for all that follow, instead of growing three times.
            headers.reserve(HEADERS_USUAL);
            if is_stream {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
                headers.insert(header::CACHE_CONTROL, STREAM_CACHE_CONTROL);
                headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
            } else {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            response
        });
        // The exchange goes on, and nothing of its end is known.
        let is_early = self.head == HeadState::Due && !self.summary.has_content && !self.exchange.is_over();
        if is_early {
            self.describe_border(response.headers_mut());
        } else {
            self.describe(response.headers_mut());
        }
        if self.failures.final_failure.is_none() || self.summary.has_content {
            *response.body_mut() = if self.request.head.stream {
                self.head = HeadState::Sent;
                Body::Stream(self)
            } else {
                Body::full(self.output.take().unwrap_or_default())
            };
        }
        response
    }

    fn describe(&self, headers: &mut HeaderMap) {
        if let Some(target_ix) = self.summary.target_ix {
            headers.insert(TARGET, self.route.targets[target_ix].label.clone());
        }
        if let Some(reason) = self.summary.shown_reason().filter(|_| self.routing.decision.is_some()) {
            headers.insert(REASON, HeaderValue::from_static(reason));
        }
        headers.insert(ATTEMPTS, HeaderValue::from(self.exchange.sends()));
        if let Some(losses) = loss_header(&self.summary.losses) {
            headers.insert(LOSS, losses);
        }
        self.describe_border(headers);
        if let Some(cost) = self.summary.cost.and_then(|cost| HeaderValue::try_from(cost.to_string()).ok()) {
            headers.insert(COST, cost);
        }
    }

    fn describe_border(&self, headers: &mut HeaderMap) {
        if let Some(reason) = self.routing.unserved.as_deref().and_then(|reason| HeaderValue::try_from(reason).ok()) {
            headers.insert(BORDER, reason);
        }
    }

    /// Returns the headers that describe the answer as comments of a stream whose head was sent
    /// before they were known.
    pub(super) fn late_description(&self) -> Bytes {
        let mut headers = HeaderMap::new();
        self.describe(&mut headers);
        let mut text = String::new();
        for (name, value) in headers.iter().filter(|(name, _)| **name != BORDER) {
            if let Ok(value) = value.to_str() {
                text.push_str(": ");
                text.push_str(name.as_str());
                text.push_str(": ");
                text.push_str(value);
                text.push('\n');
            }
        }
        text.push('\n');
        Bytes::from(text)
    }
}

/// Formats losses as `param=level, ...`. A parameter's name is the client's text, so characters
/// that a header cannot have become `?`.
fn loss_header(losses: &[Loss]) -> Option<HeaderValue> {
    if losses.is_empty() {
        return None;
    }
    let mut text = String::new();
    for loss in losses {
        let part: String = loss.to_string().chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
        if text.len() + part.len() + 2 > LOSS_BYTES_MAX {
            text.push_str(", ...");
            break;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&part);
    }
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use banjia_types::LossLevel;

    #[test]
    fn losses_with_any_names_fit_into_a_header() {
        let loss = |name: &str| Loss::new(name, LossLevel::Dropped, "");
        let value = loss_header(&[loss("logit_bias"), loss("中\r\nx: y")]).unwrap();
        assert_eq!(value, "logit_bias=dropped, ???x:?y=dropped");
        assert_eq!(loss_header(&[]), None);
        let many: Vec<_> = (0..1_000).map(|n| loss(&format!("name{n}"))).collect();
        assert!(loss_header(&many).unwrap().len() < LOSS_BYTES_MAX + 8);
    }
}

//! The head of the answer: what the client is told beside the content.

use super::Drive;
use crate::body::Body;
use crate::error::BORDER;
use banjia_types::Loss;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use std::future::poll_fn;

const TARGET: HeaderName = HeaderName::from_static("x-banjia-target");
const LOSS: HeaderName = HeaderName::from_static("x-banjia-loss");
const COST: HeaderName = HeaderName::from_static("x-banjia-cost");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-banjia-attempts");
/// Why this target, on routes that move.
const REASON: HeaderName = HeaderName::from_static("x-banjia-reason");
/// Headers of a usual answer.
const HEADERS_USUAL: usize = 14;
/// Longest value of `x-banjia-loss`; the ledger has all of them.
const LOSS_BYTES_MAX: usize = 2_048;

impl Drive {
    /// Waits until it is known what kind of answer it will be, and makes that answer.
    pub(crate) async fn respond(mut self: Box<Self>) -> Response<Body> {
        poll_fn(|cx| self.pump(cx)).await;
        let refused = self.failure.as_ref().filter(|_| !self.told.content).map(super::Failure::response);
        let mut response = refused.unwrap_or_else(|| {
            let streams = self.ask.head.stream;
            let mut response = Response::new(Body::empty());
            let headers = response.headers_mut();
            // One allocation for all that follow, instead of growing three times.
            headers.reserve(HEADERS_USUAL);
            if streams {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            } else {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            response
        });
        self.describe(response.headers_mut());
        if self.failure.is_none() || self.told.content {
            *response.body_mut() =
                if self.ask.head.stream { Body::Stream(self) } else { Body::full(self.out.take().unwrap_or_default()) };
        }
        response
    }

    fn describe(&self, headers: &mut HeaderMap) {
        if let Some(goal) = self.told.goal {
            headers.insert(TARGET, self.live.route.targets[goal].label.clone());
        }
        if let Some(reason) = self.told.reason().filter(|_| self.way.is_some()) {
            headers.insert(REASON, HeaderValue::from_static(reason));
        }
        headers.insert(ATTEMPTS, HeaderValue::from(self.exchange.sends()));
        if let Some(losses) = loss_header(&self.told.losses) {
            headers.insert(LOSS, losses);
        }
        if let Some(said) = self.unserved.as_deref().and_then(|said| HeaderValue::try_from(said).ok()) {
            headers.insert(BORDER, said);
        }
        if let Some(cost) = self.told.cost.and_then(|cost| HeaderValue::try_from(cost.to_string()).ok()) {
            headers.insert(COST, cost);
        }
    }
}

/// `param=level, ...`. A parameter's name is the client's text, so what a header cannot carry becomes `?`.
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
    fn losses_fit_into_a_header_whatever_the_client_called_them() {
        let loss = |name: &str| Loss::new(name, LossLevel::Dropped, "");
        let value = loss_header(&[loss("logit_bias"), loss("中\r\nx: y")]).unwrap();
        assert_eq!(value, "logit_bias=dropped, ???x:?y=dropped");
        assert_eq!(loss_header(&[]), None);
        let many: Vec<_> = (0..1_000).map(|n| loss(&format!("name{n}"))).collect();
        assert!(loss_header(&many).unwrap().len() < LOSS_BYTES_MAX + 8);
    }
}

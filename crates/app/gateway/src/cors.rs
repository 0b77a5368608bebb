//! Requests of web pages from other origins (WHATWG Fetch, "HTTP CORS protocol").
//!
//! Off unless the configuration names origins: a page that calls the gateway shows its key to
//! everybody who opens the page.

use crate::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

/// The entry of the configuration that allows every origin.
const ANY: &str = "*";
/// Seconds for which a browser may keep the answer to a preflight request. Chromium keeps none
/// for longer than this.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
/// Headers of responses that a page may read beside the few that it always may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, retry-after, retry-after-ms, x-should-retry, x-ratelimit-limit-requests, \
     x-ratelimit-remaining-requests, x-ratelimit-reset-requests, x-ratelimit-limit-tokens, \
     x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens, x-banjia-target, x-banjia-reason, \
     x-banjia-attempts, x-banjia-loss, x-banjia-cost, x-banjia-border",
);

/// A request of a page whose origin is allowed.
pub(crate) struct CrossOrigin {
    /// The value of `access-control-allow-origin`: the origin, or `*`.
    allowed: HeaderValue,
}

impl CrossOrigin {
    /// Reads the request's origin. `None` if it has none, or one that is not allowed.
    pub(crate) fn of(origins: &[String], headers: &HeaderMap) -> Option<Self> {
        if origins.is_empty() {
            return None;
        }
        let origin = headers.get(ORIGIN)?;
        if origins.iter().any(|allowed| allowed == ANY) {
            return Some(Self { allowed: HeaderValue::from_static(ANY) });
        }
        let is_allowed = origins.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()));
        is_allowed.then(|| Self { allowed: origin.clone() })
    }

    /// Lets the page read the response.
    pub(crate) fn annotate(self, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.allowed);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
}

/// Answers the preflight request of an allowed page. `None` if the request is none.
pub(crate) fn preflight<B>(request: &Request<B>) -> Option<Response<Body>> {
    let headers = request.headers();
    if request.method() != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    response.headers_mut().insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    // The gateway reads no header that a page must not send, so all that it asks for are allowed.
    if let Some(wanted) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    Some(response)
}

/// Checks an origin as the configuration writes it.
///
/// # Errors
/// A sentence with the first rule that it breaks.
pub(crate) fn check_origin(origin: &str) -> Result<(), &'static str> {
    if origin == ANY {
        return Ok(());
    }
    let Some((scheme, host)) = origin.split_once("://") else {
        return Err("an origin begins with https:// or http://");
    };
    if !matches!(scheme, "https" | "http") {
        return Err("an origin begins with https:// or http://");
    }
    if host.is_empty() || host.contains(['/', '?', '#', '@', ' ', '*']) {
        return Err("an origin is a scheme, a host and perhaps a port, without a path");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_no_path_and_no_wildcard() {
        for good in ["*", "https://app.example", "http://localhost:5173", "http://[::1]:3000"] {
            assert_eq!(check_origin(good), Ok(()), "{good}");
        }
        for bad in ["app.example", "https://app.example/", "ftp://a", "https://", "https://*.example", "null", ""] {
            assert!(check_origin(bad).is_err(), "{bad}");
        }
    }
}

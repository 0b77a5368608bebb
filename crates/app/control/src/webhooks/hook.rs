//! One listener: its settings, and how an event looks on its way to it.
//!
//! Rules: https, or http to this machine, unless the operator says otherwise; an address may hold a secret in its path or
//! its query, so only its origin is ever shown; an event goes out as small JSON (`type`, `timestamp`, `data`).

use super::sign::{Signer, seconds};
use banjia_store::{Delivery, EVENTS};
use banjia_types::{Secret, Timestamp};
use banjia_upstream::{Call, Endpoint, Timeouts};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use std::fmt;
use std::time::Duration;
use url::{Host, Url};

/// How long a receiver may take. Standard Webhooks recommends 15 to 30 seconds.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// A listener. Part of the configuration file as `[[webhooks]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Its name: what was delivered is remembered under it.
    pub name: String,
    /// Where events are posted.
    pub url: Secret,
    /// The key that signs them, `whsec_...` as `banjia webhook secret` makes it.
    pub secret: Secret,
    /// Which events: names such as `policy.paused`, or `policy.*` for all of a topic. Default: all.
    #[serde(default = "all")]
    pub events: Vec<String>,
    /// Plain http to another machine. Default: false.
    #[serde(default)]
    pub allow_http: bool,
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

/// What is wrong with a listener's settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("webhooks.{key}: {message}; {hint}")]
pub struct WebhookProblem {
    /// Which key.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

fn problem(key: &'static str, message: impl Into<String>, hint: impl Into<String>) -> WebhookProblem {
    WebhookProblem { key, message: message.into(), hint: hint.into() }
}

impl WebhookConfig {
    /// Everything that is wrong. `with_secrets`: judge the secret and the URL too, which a machine
    /// without secrets does not know.
    pub fn problems(&self, with_secrets: bool) -> Vec<WebhookProblem> {
        let mut problems = self.problems_without_secrets();
        if with_secrets {
            problems.extend(self.signer().err());
            problems.extend(endpoint(self).err());
        }
        problems
    }

    fn signer(&self) -> Result<Signer, WebhookProblem> {
        Signer::read(&self.secret).map_err(|why| {
            let message = format!("the secret of {:?} cannot sign: {why}", self.name);
            problem("secret", message, "`banjia webhook secret` makes one")
        })
    }

    fn problems_without_secrets(&self) -> Vec<WebhookProblem> {
        let mut problems = Vec::new();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(is_name) {
            let hint = "up to 64 letters, digits, - and _";
            problems.push(problem("name", format!("{:?} is no name for a webhook", self.name), hint));
        }
        for wanted in self.events.iter().filter(|wanted| !EVENTS.iter().any(|event| fits(wanted, event))) {
            problems.push(problem("events", format!("there is no event {wanted:?}"), known_events()));
        }
        problems
    }
}

fn known_events() -> String {
    format!("known are: {}; or a whole topic such as policy.*", EVENTS.join(", "))
}

/// Whether an event is what somebody wants.
fn fits(wanted: &str, event: &str) -> bool {
    wanted == "*"
        || wanted == event
        || wanted.strip_suffix('*').is_some_and(|topic| topic.ends_with('.') && event.starts_with(topic))
}

/// A listener that events can be sent to.
#[derive(Clone)]
pub(super) struct Hook {
    pub(super) name: String,
    endpoint: Endpoint,
    signer: Signer,
    events: Vec<String>,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("name", &self.name).field("origin", &self.origin()).finish_non_exhaustive()
    }
}

impl Hook {
    pub(super) fn new(config: &WebhookConfig) -> Result<Self, WebhookProblem> {
        if let Some(problem) = config.problems_without_secrets().into_iter().next() {
            return Err(problem);
        }
        let (signer, endpoint) = (config.signer()?, endpoint(config)?);
        Ok(Self { name: config.name.clone(), endpoint, signer, events: config.events.clone() })
    }

    /// Scheme, host and port; the rest may be secret.
    pub(super) fn origin(&self) -> String {
        self.endpoint.origin().to_string()
    }

    pub(super) fn wants(&self, event: &str) -> bool {
        self.events.iter().any(|wanted| fits(wanted, event))
    }

    /// The body and the headers of an attempt.
    pub(super) fn write(&self, delivery: &Delivery, now: Timestamp) -> (Bytes, [(HeaderName, HeaderValue); 3]) {
        let happened = delivery.at.to_string();
        let body = json!({ "type": delivery.kind, "timestamp": happened, "data": delivery.data }).to_string();
        let text = |text: &str| HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("unprintable"));
        let headers = [
            (HeaderName::from_static("webhook-id"), text(&delivery.id)),
            (HeaderName::from_static("webhook-timestamp"), HeaderValue::from(seconds(now))),
            (HeaderName::from_static("webhook-signature"), text(&self.signer.sign(&delivery.id, now, body.as_bytes()))),
        ];
        (Bytes::from(body), headers)
    }

    pub(super) fn call<'a>(&'a self, body: Bytes, headers: &'a [(HeaderName, HeaderValue)]) -> Call<'a> {
        Call { headers, timeouts: Some(Timeouts::each(ANSWER_WITHIN)), ..Call::post(&self.endpoint, body) }
    }
}

fn endpoint(config: &WebhookConfig) -> Result<Endpoint, WebhookProblem> {
    let name = &config.name;
    // The address is not shown: it may hold a secret anywhere.
    let whole = "write it whole, like https://hooks.example.com/banjia";
    let url = Url::parse(config.url.expose())
        .map_err(|error| problem("url", format!("the url of {name:?} cannot be read: {error}"), whole))?;
    let is_here = match url.host() {
        Some(Host::Domain(host)) => host == "localhost" || host.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "http" && !is_here && !config.allow_http {
        let message = format!("the url of {name:?} is not https, so everybody on the way reads what happens");
        return Err(problem("url", message, "use https, or say allow_http = true where the network is yours"));
    }
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        let message =
            format!("the url of {name:?} holds a name, a password or a fragment, which no receiver would see");
        return Err(problem("url", message, "put a secret into its path or its query"));
    }
    let mut base = url.clone();
    base.set_path("");
    base.set_query(None);
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    Endpoint::new(base.as_str(), &path)
        .map_err(|_| problem("url", format!("the url of {name:?} is no http or https address"), whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhooks::secret;

    fn config(url: &str, events: &[&str]) -> WebhookConfig {
        WebhookConfig {
            name: "ops".to_owned(),
            url: Secret::new(url),
            secret: secret(&[7; 32]),
            events: events.iter().map(|&event| event.to_owned()).collect(),
            allow_http: false,
        }
    }

    #[test]
    fn plain_http_needs_the_operators_word() {
        for good in
            ["https://hooks.example.com/a?token=x", "http://127.0.0.1:9/a", "http://[::1]:9/", "http://localhost"]
        {
            assert!(Hook::new(&config(good, &["*"])).is_ok(), "{good}");
        }
        for bad in
            ["http://hooks.example.com/", "ftp://127.0.0.1/", "hooks.example.com", "https://u:secret@x.example/", ""]
        {
            let said = Hook::new(&config(bad, &["*"])).unwrap_err();
            assert_eq!(said.key, "url", "{bad}");
            assert!(!said.to_string().contains("secret@"), "{said}");
        }
        let plain = WebhookConfig { allow_http: true, ..config("http://hooks.example.com/", &["*"]) };
        assert_eq!(Hook::new(&plain).unwrap().origin(), "http://hooks.example.com:80");
    }

    #[test]
    fn every_problem_is_found_at_once() {
        let bad = WebhookConfig { secret: Secret::new("hunter2"), ..config("no url", &["polcy.*"]) };
        let keys = |with_secrets| bad.problems(with_secrets).iter().map(|problem| problem.key).collect::<Vec<_>>();
        assert_eq!(keys(true), ["events", "secret", "url"]);
        assert_eq!(keys(false), ["events"], "a machine without secrets");
        let said: String = bad.problems(true).iter().map(ToString::to_string).collect();
        assert!(!said.contains("hunter2") && !said.contains("no url"), "{said}");
    }

    #[test]
    fn a_misspelt_event_is_an_error() {
        let hook = Hook::new(&config("https://x.example", &["policy.*", "vendor.cut"])).unwrap();
        assert!(hook.wants("policy.paused") && hook.wants("vendor.cut"));
        assert!(!hook.wants("vendor.cut_lifted") && !hook.wants("notice.sent"));
        for bad in ["polcy.*", "policy", "policy*", "vendor.cat", ""] {
            assert_eq!(config("https://x.example", &[bad]).problems(false).len(), 1, "{bad:?}");
        }
    }
}

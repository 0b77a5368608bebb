//! What the caller is told: headers from the notice on, and the refusal.
//!
//! Rules: `Deprecation` is a structured date (RFC 9745), `Sunset` an HTTP date (RFC 8594); both speak of a resource and ours
//! is per caller, so the answer is marked as private; a header of our own names the verdict, the rule and the case. A block
//! is 403 with the body that the official SDKs know; a brownout is 403 with its own code, because SDKs silently retry 408,
//! 409, 429 and 5xx; 451 (RFC 7725) only where the deciding rule records a legal demand.

use super::{ActivePolicies, ActivePolicy, BorderCheck};
use crate::error::{BORDER, Failure};
use banjia_border::decide::{RuleRef, Verdict};
use banjia_border::facts::FactKind;
use banjia_types::hash::hash_parts;
use banjia_types::{Timestamp, VerdictKind};
use chrono::DateTime;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use std::borrow::Cow;

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// The name of the rule that decided. Names that are built in cost nothing.
pub(super) fn rule_name(rules: &ActivePolicies, rule: &ActivePolicy, verdict: &Verdict) -> Cow<'static, str> {
    match verdict.rule {
        RuleRef::Served => "served".into(),
        RuleRef::Unknown => "unknown".into(),
        RuleRef::List(FactKind::Network) => "list.network".into(),
        RuleRef::List(FactKind::Residence) => "list.residence".into(),
        RuleRef::List(FactKind::Billing) => "list.billing".into(),
        RuleRef::List(FactKind::Owners) => "list.owners".into(),
        other => other.name(&rule.policy, &rules.exemptions).into_owned().into(),
    }
}

impl BorderCheck {
    /// The headers for the caller. `None` if it is served and no policy will change that.
    pub(crate) fn headers(&self) -> Option<HeaderMap> {
        if self.kind() == VerdictKind::Allow {
            return None;
        }
        let mut headers = HeaderMap::new();
        self.add_headers(&mut headers);
        Some(headers)
    }

    /// Adds the headers for the caller to a response.
    pub(crate) fn annotate<B>(&self, response: &mut Response<B>) {
        self.add_headers(response.headers_mut());
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        let Some((rule, verdict)) = self.ruling().filter(|(_, verdict)| verdict.kind != VerdictKind::Allow) else {
            return;
        };
        let phases = rule.policy.phases();
        let mut put = |name: HeaderName, value: Option<String>| {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.append(name, value);
            }
        };
        put(DEPRECATION, phases.notice.map(|at| format!("@{}", at.0.div_euclid(1000))));
        put(SUNSET, phases.block.and_then(http_date));
        if let Some(link) = rule.policy.link() {
            put(header::LINK, Some(format!("<{link}>; rel=\"deprecation\", <{link}>; rel=\"sunset\"")));
        }
        if let Some(demand) = verdict.rule.demand(&rule.policy).filter(|_| verdict.kind == VerdictKind::Block) {
            put(header::LINK, Some(format!("<{}>; rel=\"blocked-by\"", demand.link)));
        }
        let name = rule_name(&self.rules, rule, verdict);
        let (kind, label, case) = (verdict.kind, rule.policy.label(), self.case());
        put(BORDER, Some(format!("{kind}; policy={label}; rule={name}; case={case}")));
        put(header::CACHE_CONTROL, Some("private".to_owned()));
        put(header::VARY, Some("Authorization".to_owned()));
    }

    /// The refusal, if the caller is refused.
    pub(crate) fn refusal(&self) -> Option<Failure> {
        let (rule, verdict) = self.ruling()?;
        match verdict.kind {
            VerdictKind::Allow | VerdictKind::Notice => None,
            VerdictKind::Brownout => Some(Failure::brownout(self.block_text().as_deref())),
            VerdictKind::Block => Some(match verdict.rule.demand(&rule.policy) {
                Some(demand) => Failure::legal_demand(&demand.by),
                None => Failure::not_served_here(),
            }),
        }
    }

    /// The name of the caller's case: the same for an account in a policy, so that mails, headers and appeals meet.
    fn case(&self) -> String {
        let account = self.facts.account.as_ref().map_or("", |account| account.id.as_str());
        let policy = self.ruling().map_or("", |(rule, _)| rule.policy.id());
        format!("{:08x}", hash_parts(&[policy.as_bytes(), account.as_bytes()]) >> 32)
    }
}

fn http_date(at: Timestamp) -> Option<String> {
    DateTime::from_timestamp_millis(at.0).map(|at| at.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

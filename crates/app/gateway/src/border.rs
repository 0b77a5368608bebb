//! The border as a request meets it: who asks, from where, and what the policies in force say.
//!
//! Rules: it stands after the key and before the body; a request keeps the rules that it began with; an address that a
//! trusted proxy tells badly is an unknown address; where no policy is in force nothing is refused, but the place is still
//! written into the ledger, because a dry run over last month needs it. Nothing here waits.

mod answer;
mod evidence;
#[cfg(test)]
mod tests;

pub(crate) use evidence::Evidence;

use crate::config::BorderConfig;
use banjia_border::decide::{Question, Verdict, decide, decide_all};
use banjia_border::facts::{AccountFacts, Agreement, Facts, NetworkFact};
use banjia_border::geo::{GeoTable, Placeless, judged, look_up, placeless};
use banjia_border::mmdb::Mmdb;
use banjia_border::peer::{Client, PeerError};
use banjia_border::policy::{Exemption, Policy, Streams};
use banjia_store::BorderNote;
use banjia_types::calendar;
use banjia_types::{Place, RequestId, Timestamp, VerdictKind};
use http::HeaderMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A policy that judges, or only observes.
#[derive(Clone, Debug)]
pub struct ActivePolicy {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Paused: its verdicts are counted and change nothing.
    pub is_paused: bool,
}

/// The rules of the moment. Swapped as a whole.
#[derive(Debug, Default)]
pub struct ActivePolicies {
    /// The policies in force. The strictest verdict counts.
    pub policies: Vec<ActivePolicy>,
    /// Exemptions that people granted.
    pub exemptions: Vec<Exemption>,
    /// The operator's own table of addresses.
    pub mmdb: Option<Arc<Mmdb>>,
}

/// What the border saw of a request and said to it.
#[derive(Debug)]
pub(crate) struct BorderCheck {
    rules: Arc<ActivePolicies>,
    pub(crate) facts: Facts,
    /// The client's address; none when it is unknown.
    address: Option<IpAddr>,
    at: Timestamp,
    draw: u64,
    /// The place of the deciding policy, and its verdict; none where no policy is in force.
    ruling: Option<(usize, Verdict)>,
}

/// Who asks, as far as a request itself tells.
#[derive(Clone, Copy)]
pub(crate) struct BorderSubject<'a> {
    pub(crate) peer: IpAddr,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) account: Option<&'a Arc<AccountFacts>>,
    pub(crate) id: RequestId,
}

/// The client's address: the connection's own, or the one in a trusted proxy's header.
pub(crate) fn client(config: &BorderConfig, peer: IpAddr, headers: &HeaderMap) -> Result<Client, PeerError> {
    let header = config.peer.header.name();
    let lines = header.map(|name| headers.get_all(name).iter().map(http::HeaderValue::as_bytes));
    match lines {
        Some(lines) => config.peer.client(peer, lines.collect::<Vec<_>>().into_iter()),
        None => config.peer.client(peer, std::iter::empty()),
    }
}

/// Checks a caller against the policies.
pub(crate) fn check(
    rules: Arc<ActivePolicies>,
    config: &BorderConfig,
    caller: BorderSubject<'_>,
    at: Timestamp,
) -> BorderCheck {
    let address = match client(config, caller.peer, caller.headers) {
        Ok(client) => Some(client.address),
        Err(error) => {
            tracing::debug!(request = %caller.id, peer = %caller.peer, %error, "the client's address is unknown");
            None
        }
    };
    let network = address.and_then(|address| network(&rules, config.home, address, at));
    let facts = Facts { network, account: caller.account.cloned() };
    let mut check = BorderCheck { rules, facts, address, at, draw: caller.id.sample_seed(), ruling: None };
    check.ruling = check.judge(at);
    check
}

fn network(rules: &ActivePolicies, home: Option<Place>, address: IpAddr, at: Timestamp) -> Option<NetworkFact> {
    match placeless(address) {
        // Translated from a network that is not ours: a private address carried in a public one can
        // be anybody's.
        Some(Placeless::Carried) => None,
        Some(_) => at_home(home, at),
        None => look_up(GeoTable::embedded(), rules.mmdb.as_deref(), address),
    }
}

/// Callers in the operator's own network are where the operator says that this network is.
fn at_home(home: Option<Place>, at: Timestamp) -> Option<NetworkFact> {
    let fact =
        |place| NetworkFact { place, agreement: Agreement::Alone, asn: None, source: "border.home".into(), as_of: at };
    home.map(fact)
}

/// Whether a vendor with this list serves somebody of whom this is known.
pub(crate) fn serves(vendor: &Policy, facts: &Facts, at: Timestamp) -> bool {
    !decide(vendor, &Question::of(facts, at)).kind.refuses()
}

impl BorderCheck {
    fn judge(&self, at: Timestamp) -> Option<(usize, Verdict)> {
        if self.rules.policies.is_empty() {
            return None;
        }
        decide_all(self.rules.policies.iter().map(|rule| (&*rule.policy, self.question(rule, at))))
    }

    fn question<'a>(&'a self, rule: &ActivePolicy, at: Timestamp) -> Question<'a> {
        Question { facts: &self.facts, granted: &self.rules.exemptions, at, draw: self.draw, is_paused: rule.is_paused }
    }

    /// The policy that decided and its verdict.
    fn ruling(&self) -> Option<(&ActivePolicy, &Verdict)> {
        let (at, verdict) = self.ruling.as_ref()?;
        Some((self.rules.policies.get(*at)?, verdict))
    }

    /// What was decided; served where no policy is in force.
    pub(crate) fn kind(&self) -> VerdictKind {
        self.ruling.as_ref().map_or(VerdictKind::Allow, |(_, verdict)| verdict.kind)
    }

    /// Whether a vendor with this list serves this caller. The same engine as for our own border.
    pub(crate) fn is_served_by(&self, vendor: &Policy) -> bool {
        serves(vendor, &self.facts, self.at)
    }

    /// What a vendor's list says of a caller that it does not serve, for our own header; none for one that it serves.
    pub(crate) fn refusal_by(&self, vendor: &Policy) -> Option<String> {
        let verdict = decide(vendor, &Question::of(&self.facts, self.at));
        let rule = verdict.rule.name(vendor, &[]);
        verdict.kind.refuses().then(|| format!("{}; list={}; rule={rule}", verdict.kind, vendor.label()))
    }

    /// How long a stream that begins now may go on; none where no policy ends it.
    pub(crate) fn stream_ends_in(&self) -> Option<Duration> {
        let ends = self.rules.policies.iter().filter_map(|rule| {
            let Streams::EndAfter(span) = rule.policy.streams() else { return None };
            let block = rule.policy.phases().block.filter(|block| *block > self.at)?;
            let then = decide(&rule.policy, &self.question(rule, block));
            (then.kind == VerdictKind::Block).then(|| block.since(self.at) + span)
        });
        ends.min()
    }

    /// What the ledger keeps; none when nothing is known and nobody judged.
    pub(crate) fn note(&self) -> Option<Box<BorderNote>> {
        let network = self.facts.network.as_ref();
        if network.is_none() && self.ruling.is_none() {
            return None;
        }
        let ruling = self.ruling();
        let differs = match network.map(|fact| fact.agreement) {
            Some(Agreement::Differ(country)) => Some(country),
            _ => None,
        };
        Some(Box::new(BorderNote {
            network: network.map(|fact| fact.place),
            network_differs: differs,
            asn: network.and_then(|fact| fact.asn),
            address: self.address.and_then(judged).map(truncated),
            verdict: self.kind(),
            rule: ruling.map_or("none".into(), |(rule, verdict)| answer::rule_name(&self.rules, rule, verdict)),
            policy: ruling.map(|(rule, _)| rule.policy.label().clone()),
        }))
    }

    /// When the block begins for whoever it will meet, as a sentence's part.
    fn block_text(&self) -> Option<String> {
        let (rule, _) = self.ruling()?;
        Some(calendar::show(rule.policy.phases().block?, rule.policy.zone()))
    }
}

/// An address cut to its network: /24 for IPv4, /48 for IPv6. The rest is a person's and not
/// needed. An IPv4 address that is carried must be taken out before: with 6to4 the first 48 bits
/// hold all of it.
fn truncated(address: IpAddr) -> Box<str> {
    match address {
        IpAddr::V4(v4) => format!("{}/24", std::net::Ipv4Addr::from_bits(v4.to_bits() & !0xff)).into(),
        IpAddr::V6(v6) => format!("{}/48", std::net::Ipv6Addr::from_bits(v6.to_bits() >> 80 << 80)).into(),
    }
}

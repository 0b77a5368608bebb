//! What an operator may say about the gateway, as plain data.
//!
//! Rules: no behaviour but defaults. The configuration file is the sum of such structs;
//! [`crate::Snapshot::compile`] turns them into what a request uses and reports every problem at
//! once. Units are in the names. Unknown keys are refused, so that a misspelt limit is an error and
//! not a limit that is not there.

use banjia_border::owners::Owner;
use banjia_border::peer::PeerRules;
use banjia_types::{AccountId, KeyId, LossPolicy, Place, RouteName, Secret, VendorName};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Everything the data plane is told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The listener and its bounds.
    pub serve: ServeConfig,
    /// Vendors that may be used, each a profile with a credential.
    pub vendors: Vec<VendorConfig>,
    /// The model names that clients may ask for.
    pub routes: Vec<RouteConfig>,
    /// Customers.
    pub accounts: Vec<AccountConfig>,
    /// Credentials of customers.
    pub keys: Vec<KeyConfig>,
    /// Where requests come from, and who else may ask the border.
    pub border: BorderConfig,
    /// What is recorded, and how.
    pub capture: CaptureConfig,
}

/// The recording of exchanges. A move records by its own shares; these are for routes that do
/// not move. The worker's bounds (queue, days, key, bounds of copies) and what is redacted are
/// those of the start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CaptureConfig {
    /// The part of exchanges that is recorded, from 0 to 1. Default: 0, nothing.
    pub share: f64,
    /// Other parts for single routes.
    pub routes: BTreeMap<RouteName, f64>,
    /// Captures of older requests are forgotten; 0 keeps them for ever. Default: 90.
    pub keep_days: u32,
    /// Request and answer together may have so many bytes; larger exchanges are not recorded.
    /// Default: 1 MiB.
    pub bytes_max: usize,
    /// Captures that may wait to be written. Default: 1000.
    pub queue_len_max: usize,
    /// Bytes that may wait to be written. Default: 64 MiB.
    pub queue_bytes_max: usize,
    /// The key that seals them, 64 hexadecimal digits. Default: one in a file beside the database
    /// (`<database>.key`), made once.
    pub key: Option<Secret>,
    /// What is taken out before they are kept.
    pub redact: RedactConfig,
    /// Where copies of requests (shadows, repeats, replays) may go: hosts with one of these
    /// residencies in their profile. Default: empty, all targets of the route.
    pub residency: Vec<String>,
    /// Copies under way at once. Default: 4.
    pub copies_at_once_max: usize,
    /// Copies that begin in a minute. Default: 600.
    pub copies_per_minute_max: u32,
    /// Copies that may wait. Default: 256.
    pub copies_queue_len_max: usize,
}

impl Default for CaptureConfig {
    fn default() -> Self {
        Self {
            share: 0.0,
            routes: BTreeMap::new(),
            keep_days: 90,
            bytes_max: 1024 * 1024,
            queue_len_max: 1_000,
            queue_bytes_max: 64 * 1024 * 1024,
            key: None,
            redact: RedactConfig::default(),
            residency: Vec::new(),
            copies_at_once_max: 4,
            copies_per_minute_max: 600,
            copies_queue_len_max: 256,
        }
    }
}

/// What is taken out of captures before they are kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the configuration")]
pub struct RedactConfig {
    /// API keys, tokens, private keys: `[key]`. Default: yes.
    pub keys: bool,
    /// E-mail addresses: `[email]`. Default: yes.
    pub emails: bool,
    /// Phone numbers of mainland China and in the international form: `[phone]`. Default: yes.
    pub phones: bool,
    /// Resident identity numbers of mainland China with a right check character: `[id]`. Default:
    /// yes.
    pub ids: bool,
    /// Bank cards with a right check digit: `[card]`. Default: yes.
    pub cards: bool,
    /// True if images and other data stay. Default: no; their kind, size and digest stand in their
    /// place.
    pub keep_data: bool,
    /// Patterns of your own.
    pub patterns: Vec<PatternConfig>,
}

impl Default for RedactConfig {
    fn default() -> Self {
        Self { keys: true, emails: true, phones: true, ids: true, cards: true, keep_data: false, patterns: Vec::new() }
    }
}

/// A pattern of the operator's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatternConfig {
    /// What stands in the place of a match: `[name]`.
    pub name: String,
    /// A regular expression in the syntax of the `regex` crate, which matches in linear time.
    pub pattern: String,
}

/// Sources from which the border learns where a request comes from. Policies are not here: they are
/// dated, and put in force one by one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BorderConfig {
    /// Our own proxies, and the header in which they tell the client's address.
    pub peer: PeerRules,
    /// True if connections from trusted addresses begin with a PROXY header (version 1 or 2).
    /// Default: no.
    pub proxy_protocol: bool,
    /// Where the operator's own network is, for callers with private addresses. Default: not known.
    pub home: Option<Place>,
    /// True if trusted proxies may ask for a verdict at `/border/check` and `/border/envoy`.
    /// Default: no.
    pub check: bool,
    /// True if those proxies' word for the caller's account is believed (`x-banjia-account`). A
    /// proxy must then set or clear it for every request. Default: no.
    pub check_account: bool,
}

/// The listener and its bounds. Every number has a default that suits a small machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeConfig {
    /// Where to listen. Port 0 takes a free one.
    pub bind: SocketAddr,
    /// Mixed into the hash of every key (HMAC-SHA-256). Without it keys are hashed with SHA-256
    /// alone.
    pub pepper: Option<Secret>,
    /// Largest request body that is read; a larger one is answered 413.
    pub body_bytes_max: usize,
    /// Deepest nesting of a request body.
    pub body_depth_max: usize,
    /// A request's head must be complete within this time, from the first byte or from the end of
    /// the one before (so it bounds idle keep-alive connections too).
    pub header_read_ms: u64,
    /// A request's body must be complete within this time.
    pub body_read_ms: u64,
    /// A client that leaves its answer unread for this long is let go.
    pub write_stall_ms: u64,
    /// A stream that is silent for so long gets a comment, so that no proxy between gateway and
    /// client gives it up: if no content has come, its head goes first, and an error after that is
    /// an event of the stream. 0: never. Default: 30,000, half of what nginx waits.
    pub heartbeat_ms: u64,
    /// Most bytes of request bodies and whole answers that are held in memory at once; beyond it
    /// requests are answered 503. Default: a quarter of the memory that this process may use, at
    /// least 64 MiB. Never below `body_bytes_max`.
    pub held_bytes_max: Option<usize>,
    /// True if each request that ends is a line in the log: who asked, which target answered, how
    /// it ended, times, tokens, cost, losses. Default: no.
    pub access_log: bool,
    /// Web pages that may call the gateway, by their origins (`https://app.example`), or `*`. A
    /// page shows the key that it calls with to everybody who opens it. Default: none.
    pub cors_origins: Vec<String>,
    /// Connections beyond this wait in the listener's queue.
    pub connections_max: usize,
    /// Connections of one client address (an IPv6 client is its /64). Further ones are closed.
    /// Trusted proxies are exempt. Default: a quarter of `connections_max`.
    pub connections_per_address_max: Option<usize>,
    /// The longest wait of a request for a place in the ledger. After it the answer is 503.
    pub overload_wait_ms: u64,
    /// How long a stop may take in all, in milliseconds; at least 1,000. Its last quarter, at most
    /// two seconds, is kept for the last writes: see [`crate::StopTimes`].
    pub drain_ms: u64,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 8080)),
            pepper: None,
            body_bytes_max: 32 * 1024 * 1024,
            body_depth_max: 128,
            header_read_ms: 30_000,
            body_read_ms: 60_000,
            write_stall_ms: 60_000,
            heartbeat_ms: 30_000,
            held_bytes_max: None,
            access_log: false,
            cors_origins: Vec::new(),
            connections_max: 10_000,
            connections_per_address_max: None,
            overload_wait_ms: 2_000,
            drain_ms: 30_000,
        }
    }
}

impl ServeConfig {
    /// The interval of comments in a silent stream; `None` if there are none.
    pub(crate) fn heartbeat(&self) -> Option<Duration> {
        (self.heartbeat_ms > 0).then(|| Duration::from_millis(self.heartbeat_ms))
    }

    /// The bound of bytes that are held, with its default.
    pub(crate) fn held_bytes_max(&self) -> usize {
        self.held_bytes_max.unwrap_or_else(crate::held::default_bytes_max).max(self.body_bytes_max)
    }

    /// The bound of connections of one client, with its default.
    pub(crate) fn connections_per_address_max(&self) -> usize {
        self.connections_per_address_max.unwrap_or(self.connections_max.div_ceil(4)).max(1)
    }
}

/// One vendor as this gateway uses it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorConfig {
    /// The name that targets use: `zhipu` in `zhipu/glm-4.7`.
    pub name: VendorName,
    /// The profile; `name` when not said. Two entries may share one, for example for two regions of
    /// a vendor.
    #[serde(default)]
    pub profile: Option<String>,
    /// Which of the profile's hosts; its first when not said.
    #[serde(default)]
    pub host: Option<String>,
    /// A base URL instead of the profile's hosts (a sandbox, a private endpoint).
    #[serde(default)]
    pub base: Option<String>,
    /// The vendor's key. It is sent to this vendor's host and nowhere else.
    #[serde(default)]
    pub credential: Option<Secret>,
    /// Which list of the registry says whom this vendor serves: a list's name, or `none`. Default:
    /// the newest whole list of the provider that is called as the profile, where there is one.
    #[serde(default)]
    pub serves: Option<String>,
    /// True if callers of whom nothing is known are sent to it. Default: yes, since a gateway in a
    /// private network knows no country of anybody; the vendor's own border still stands.
    #[serde(default = "yes")]
    pub serves_unknown: bool,
}

impl VendorConfig {
    /// A vendor with every option at its default, and no key.
    pub fn new(name: impl Into<VendorName>) -> Self {
        Self {
            name: name.into(),
            profile: None,
            host: None,
            base: None,
            credential: None,
            serves: None,
            serves_unknown: yes(),
        }
    }
}

/// One model name that clients may ask for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// What clients write in `model`.
    pub name: RouteName,
    /// Targets in order, `vendor/model`: the first that can answer does.
    pub targets: Vec<String>,
    /// Which losses pass.
    #[serde(default)]
    pub losses: LossPolicy,
    /// True if a conversation stays with the target that answered it.
    #[serde(default = "yes")]
    pub sticky: bool,
    /// Time limits.
    #[serde(default)]
    pub timeouts: TimeoutConfig,
    /// Requests to one target, the first included, before the next is tried.
    #[serde(default = "two")]
    pub attempts_per_target_max: u32,
}

impl RouteConfig {
    /// A route with every option at its default.
    pub fn new(name: impl Into<RouteName>, targets: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            name: name.into(),
            targets: targets.into_iter().map(Into::into).collect(),
            losses: LossPolicy::default(),
            sticky: true,
            timeouts: TimeoutConfig::default(),
            attempts_per_target_max: two(),
        }
    }
}

const fn yes() -> bool {
    true
}

const fn two() -> u32 {
    2
}

/// Time limits of a route, in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutConfig {
    /// A streamed answer's first content must come from a target within this time, else the next
    /// one is tried.
    pub first_content_ms: u64,
    /// A whole answer (not streamed) must come from a target within this time.
    pub answer_ms: u64,
    /// The longest pause inside a stream.
    pub idle_ms: u64,
    /// The whole request, retries and other targets included, until its first content.
    pub deadline_ms: u64,
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self { first_content_ms: 60_000, answer_ms: 300_000, idle_ms: 120_000, deadline_ms: 600_000 }
    }
}

/// A customer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// Its id, as the ledger shows it.
    pub id: AccountId,
    /// Limits over all of its keys together.
    #[serde(default)]
    pub limits: LimitConfig,
    /// Where it resides: `HK`, `UA-43`.
    #[serde(default)]
    pub residence: Option<Place>,
    /// Where its bills go.
    #[serde(default)]
    pub billing: Option<Place>,
    /// Who owns it, with shares from 0 to 1.
    #[serde(default)]
    pub owners: Vec<Owner>,
    /// Who told residence, billing and owners. Default: `configuration`.
    #[serde(default)]
    pub facts_source: Option<String>,
    /// Of when they are: `2024-06-01`. Without it they are of unknown age.
    #[serde(default)]
    pub facts_as_of: Option<String>,
    /// Where notices go.
    #[serde(default)]
    pub contact: Option<ContactConfig>,
}

impl AccountConfig {
    /// An account of which nothing is known but its name.
    pub fn new(id: impl Into<AccountId>) -> Self {
        Self {
            id: id.into(),
            limits: LimitConfig::default(),
            residence: None,
            billing: None,
            owners: Vec::new(),
            facts_source: None,
            facts_as_of: None,
            contact: None,
        }
    }
}

/// Where an account's notices go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactConfig {
    /// An e-mail address.
    pub email: String,
    /// `en` or `zh`. Default: `en`.
    #[serde(default)]
    pub language: banjia_border::country::Lang,
}

/// A credential of an account. The secret is known only to its owner.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// Its public id, as the ledger shows it.
    pub id: KeyId,
    /// What [`crate::keys::hash`] makes of the secret: `sha256:<hex>`, or `hmac-sha256:<hex>` with
    /// a pepper.
    pub hash: String,
    /// Whose it is.
    pub account: AccountId,
    /// Limits of this key alone.
    #[serde(default)]
    pub limits: LimitConfig,
}

/// Limits of a key or an account; what is not said is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitConfig {
    /// Requests a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute, prompt and answer together, charged when the answer's usage is known.
    pub tokens_per_minute: Option<u32>,
    /// Requests under way at once.
    pub concurrency_max: Option<u32>,
}

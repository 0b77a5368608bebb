//! Faults on demand: what a vendor does wrong, and when.
//!
//! Rules: a rule names a vendor, a fault and a condition (always, from a moment on, for the next N requests, for a share of
//! them). The newest rule that holds decides. A request's own `x-sandbox-fault` header goes before every rule, so that a
//! test can ask for one fault without disturbing its neighbours. Shares are drawn from the seed and the request's number:
//! the same run gives the same faults.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The most rules that are kept; the oldest go first.
const RULES_MAX: usize = 256;

/// One thing that can go wrong at a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The vendor refuses the caller's country, in its own words.
    Region,
    /// Too many requests.
    Rate,
    /// The vendor has no capacity at the moment.
    Overload,
    /// The account has no money.
    Arrears,
    /// The content check refuses the request.
    Content,
    /// The content check stops the answer in the middle of a stream.
    ContentStream,
    /// An error of the vendor's servers.
    Server,
    /// The connection is dropped in the middle of the answer.
    Cut,
    /// The answer stops in the middle and the connection stays open.
    Stall,
    /// Each piece takes [`SLOW_TOKEN`].
    Slow,
    /// Bytes that are no answer in any format, in the place of the answer or in its middle.
    Garbage,
    /// JSON that breaks off.
    Malformed,
    /// HTTP 200 with an error object.
    OkWithError,
    /// A line that never ends.
    LongLine,
    /// HTTP 200 and nothing.
    Empty,
    /// The connection is closed before any header.
    Reset,
    /// The stream ends in order but its finish reason says that inference broke (`network_error` at Zhipu).
    NetworkError,
    /// The answer never begins: no header, no byte.
    Silent,
    /// A good answer to another question: no tool is called and no form is kept. The wire is as it should be; what breaks is
    /// what the client needs.
    Careless,
}

/// The wait before each piece under [`Fault::Slow`].
pub const SLOW_TOKEN: Duration = Duration::from_millis(400);

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 19] = [
        Self::Region,
        Self::Rate,
        Self::Overload,
        Self::Arrears,
        Self::Content,
        Self::ContentStream,
        Self::Server,
        Self::Cut,
        Self::Stall,
        Self::Slow,
        Self::Garbage,
        Self::Malformed,
        Self::OkWithError,
        Self::LongLine,
        Self::Empty,
        Self::Reset,
        Self::NetworkError,
        Self::Silent,
        Self::Careless,
    ];

    /// The fault's name in the header and in `POST /_faults`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Rate => "rate",
            Self::Overload => "overload",
            Self::Arrears => "arrears",
            Self::Content => "content",
            Self::ContentStream => "content-stream",
            Self::Server => "server",
            Self::Cut => "cut",
            Self::Stall => "stall",
            Self::Slow => "slow",
            Self::Garbage => "garbage",
            Self::Malformed => "malformed",
            Self::OkWithError => "ok-with-error",
            Self::LongLine => "long-line",
            Self::Empty => "empty",
            Self::Reset => "reset",
            Self::NetworkError => "network-error",
            Self::Silent => "silent",
            Self::Careless => "careless",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == text).ok_or(UnknownFault)
    }
}

/// A name that is no fault. Its text lists the names that are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFault;

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Fault::ALL.iter().map(|fault| fault.as_str()).collect();
        write!(f, "no such fault; there are: {}", names.join(", "))
    }
}

impl std::error::Error for UnknownFault {}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// From now on.
    Always,
    /// From this long after now on.
    After(Duration),
    /// For this many requests.
    Next(u32),
    /// For this share of the requests, 0 to 1.
    Share(f64),
}

#[derive(Debug)]
struct Rule {
    vendor: String,
    fault: Fault,
    when: When,
    set_at: Instant,
}

/// The faults of a sandbox. Clones share one set of rules.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    rules: Arc<Mutex<Vec<Rule>>>,
}

impl Faults {
    /// Adds a rule for one vendor (`openai`, `alibaba`, ...). It goes before the vendor's earlier rules.
    pub fn set(&self, vendor: &str, fault: Fault, when: When) {
        let mut rules = self.lock();
        if rules.len() >= RULES_MAX {
            rules.remove(0);
        }
        rules.push(Rule { vendor: vendor.to_owned(), fault, when, set_at: Instant::now() });
    }

    /// Takes away every rule of a vendor.
    pub fn clear(&self, vendor: &str) {
        self.lock().retain(|rule| rule.vendor != vendor);
    }

    /// Takes away every rule.
    pub fn clear_all(&self) {
        self.lock().clear();
    }

    /// The fault for one request. `draw` is in 0..1.
    pub(crate) fn pick(&self, vendor: &str, draw: f64) -> Option<Fault> {
        let now = Instant::now();
        let mut rules = self.lock();
        rules.retain(|rule| rule.when != When::Next(0));
        let hit = rules.iter_mut().rev().find(|rule| {
            rule.vendor == vendor
                && match rule.when {
                    When::Always | When::Next(_) => true,
                    When::After(span) => now.duration_since(rule.set_at) >= span,
                    When::Share(share) => draw < share,
                }
        })?;
        if let When::Next(left) = &mut hit.when {
            *left -= 1;
        }
        Some(hit.fault)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Rule>> {
        // A panic while the lock was held cannot leave a rule half written, so the rules are still good.
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What came in: counters per vendor and per fault, and the last requests for tests to look at.
//!
//! Rules: keys never come in here. Headers and query members that carry credentials are left out before a request is kept,
//! and bodies are kept up to a bound.

use bytes::Bytes;
use http::HeaderMap;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Requests kept per vendor.
const KEPT_MAX: usize = 64;
/// Bytes kept of one body.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// Headers that carry credentials.
const SECRET_HEADERS: [&str; 6] =
    ["authorization", "x-api-key", "api-key", "cookie", "proxy-authorization", "x-bce-security-token"];

/// The counters of one vendor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests that arrived, whatever became of them.
    pub requests: u64,
    /// Requests by the fault that struck them.
    pub faults: BTreeMap<&'static str, u64>,
    /// Answers by HTTP status (connections that were closed without an answer are only in `faults`).
    pub statuses: BTreeMap<u16, u64>,
}

/// One request as a vendor saw it, without credentials.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The HTTP method.
    pub method: String,
    /// The path after the vendor's mount point, without query.
    pub path: String,
    /// Header names (lower case) and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body, or its beginning when it is longer than a mebibyte.
    pub body: Bytes,
    /// The fault that struck this request.
    pub fault: Option<&'static str>,
}

impl Seen {
    /// The body as JSON; `Null` when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Default)]
struct Vendor {
    counts: Counts,
    seen: VecDeque<Seen>,
}

/// The counters and the last requests of all vendors.
#[derive(Debug, Default)]
pub(crate) struct Records {
    vendors: Mutex<BTreeMap<&'static str, Vendor>>,
}

impl Records {
    pub(crate) fn note(&self, vendor: &'static str, seen: Seen) {
        let mut vendors = self.lock();
        let vendor = vendors.entry(vendor).or_default();
        vendor.counts.requests += 1;
        if let Some(fault) = seen.fault {
            *vendor.counts.faults.entry(fault).or_default() += 1;
        }
        if vendor.seen.len() == KEPT_MAX {
            vendor.seen.pop_front();
        }
        vendor.seen.push_back(seen);
    }

    pub(crate) fn answered(&self, vendor: &'static str, status: u16) {
        *self.lock().entry(vendor).or_default().counts.statuses.entry(status).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, Counts> {
        self.lock().iter().map(|(name, vendor)| (*name, vendor.counts.clone())).collect()
    }

    pub(crate) fn last(&self, vendor: &str) -> Vec<Seen> {
        self.lock().get(vendor).map(|vendor| vendor.seen.iter().cloned().collect()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Vendor>> {
        // Each change is complete before the lock is given back, so a poisoned lock still guards good data.
        self.vendors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Headers without credentials.
pub(crate) fn plain_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| !SECRET_HEADERS.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

/// A body, bounded.
pub(crate) fn kept(body: &Bytes) -> Bytes {
    Bytes::copy_from_slice(body.get(..KEPT_BYTES_MAX).unwrap_or(body))
}

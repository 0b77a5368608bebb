//! Token counts of vendors that cannot be true: counted, logged and noted as a loss.
//!
//! Rules:
//! - The request's usage and cost are unknown, and its row in the ledger has the loss `usage`.
//! - There is one log line for each vendor and minute, however many answers it is about.

use crate::lock::lock;
use banjia_types::{Loss, LossLevel, RequestId, Target, VendorName};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const LOG_EVERY: Duration = Duration::from_mins(1);

/// Counts implausible usage reports since the start.
#[derive(Debug, Default)]
pub(crate) struct ImplausibleUsage {
    total: AtomicU64,
    by_vendor: Mutex<HashMap<VendorName, Unlogged>>,
}

/// The reports of one vendor that no line was logged for.
#[derive(Debug, Default)]
struct Unlogged {
    reports: u64,
    logged_at: Option<Instant>,
}

impl ImplausibleUsage {
    /// Counts one report, and returns how it is noted in the ledger.
    pub(crate) fn note(&self, target: &Target, request: RequestId) -> Loss {
        self.total.fetch_add(1, Ordering::Relaxed);
        if let Some(reports) = self.due(&target.vendor, Instant::now()) {
            tracing::warn!(
                vendor = %target.vendor,
                %target,
                %request,
                reports,
                "the vendor reported token counts that cannot be true: usage and cost of these requests are unknown"
            );
        }
        let why = "the vendor reported more tokens than the request can have had, or no whole number: usage and cost are unknown";
        Loss::new("usage", LossLevel::Dropped, why)
    }

    /// Counts one report. Returns the number of reports for the log line, if one is due now.
    fn due(&self, vendor: &VendorName, now: Instant) -> Option<u64> {
        let mut by_vendor = lock(&self.by_vendor);
        let unlogged = by_vendor.entry(vendor.clone()).or_default();
        unlogged.reports = unlogged.reports.saturating_add(1);
        if unlogged.logged_at.is_some_and(|at| now.duration_since(at) < LOG_EVERY) {
            return None;
        }
        unlogged.logged_at = Some(now);
        Some(std::mem::take(&mut unlogged.reports))
    }

    /// The number of implausible reports since the start.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_vendor_has_one_line_a_minute() {
        let (counter, begun) = (ImplausibleUsage::default(), Instant::now());
        let due = |vendor: &str, seconds| counter.due(&vendor.into(), begun + Duration::from_secs(seconds));
        assert_eq!((due("a", 0), due("a", 1), due("a", 59)), (Some(1), None, None));
        assert_eq!(due("b", 30), Some(1), "another vendor has its own");
        assert_eq!(due("a", 60), Some(3), "the line says how many there were since the last one");
        assert_eq!(due("a", 61), None);
    }
}

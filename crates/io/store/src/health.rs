//! The state of writing to the database, for load balancers, the log and webhooks.

use crate::Store;
use banjia_types::{Timestamp, VendorName};
use std::fmt;
use tokio::sync::watch;

/// Since when writes fail, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFault {
    /// When the first of these writes began.
    pub since: Timestamp,
    /// Why the last one failed, in plain words and without paths.
    pub reason: String,
    /// Rows of the ledger that wait to be written, as of the last try.
    pub rows: u64,
}

/// The state of writing to the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreHealth {
    /// The ledger cannot be written. `None` if it can.
    pub fault: Option<StoreFault>,
    /// Vendors that were cut and whose cut is neither in the database nor in the file beside it:
    /// the end of the process would lose it.
    pub cuts_in_memory: Vec<VendorName>,
}

impl StoreHealth {
    /// True if everything is written.
    pub const fn is_ok(&self) -> bool {
        self.fault.is_none() && self.cuts_in_memory.is_empty()
    }
}

impl fmt::Display for StoreHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(StoreFault { since, reason, rows }) = &self.fault {
            writeln!(f, "the database cannot be written since {since}: {reason}; {rows} rows of the ledger wait")?;
        }
        if !self.cuts_in_memory.is_empty() {
            let vendors: Vec<_> = self.cuts_in_memory.iter().map(VendorName::as_str).collect();
            let vendors = vendors.join(", ");
            writeln!(
                f,
                "the cut of {vendors} is kept in memory only: neither the database nor the file beside it can be written"
            )?;
        }
        if self.is_ok() {
            writeln!(f, "the database can be written")?;
        }
        Ok(())
    }
}

/// Where writers report. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct HealthReport(watch::Sender<StoreHealth>);

impl HealthReport {
    pub(crate) fn fault(&self) -> Option<StoreFault> {
        self.0.borrow().fault.clone()
    }

    pub(crate) fn set_fault(&self, fault: Option<StoreFault>) {
        self.0.send_if_modified(|health| {
            let is_new = health.fault != fault;
            health.fault = fault;
            is_new
        });
    }

    pub(crate) fn set_cut_in_memory(&self, vendor: &VendorName, is_in_memory: bool) {
        self.0.send_if_modified(|health| {
            let found = health.cuts_in_memory.iter().position(|known| known == vendor);
            match (found, is_in_memory) {
                (None, true) => health.cuts_in_memory.push(vendor.clone()),
                (Some(ix), false) => drop(health.cuts_in_memory.remove(ix)),
                _ => return false,
            }
            true
        });
    }
}

impl Store {
    /// The state of writing, as the ledger's writer and the cuts of this process last found it.
    pub fn health(&self) -> StoreHealth {
        self.health.0.borrow().clone()
    }

    /// The same, to wait for a change.
    pub fn watch_health(&self) -> watch::Receiver<StoreHealth> {
        self.health.0.subscribe()
    }
}

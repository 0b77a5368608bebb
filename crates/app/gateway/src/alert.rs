//! What people must know at once.

use banjia_types::{RequestId, Target, Timestamp, VendorName};
use std::sync::Arc;

/// Somebody who is told what people must know.
pub type OnAlert = Arc<dyn Fn(&Alert) + Send + Sync>;

/// Something that people must know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alert {
    /// A vendor refused our region. From this moment no request goes there.
    VendorCut {
        /// The vendor: its profile's name, or `profile@origin` for one without hosts of its own.
        vendor: VendorName,
        /// The target whose answer told.
        target: Target,
        /// When.
        at: Timestamp,
        /// The request that it refused (and that went on to another target, where there was one).
        request: RequestId,
        /// What it said, without any key.
        said: String,
    },
}

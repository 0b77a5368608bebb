//! The compiled part of `[capture]`.

use crate::config::CaptureConfig;
use crate::redact::Redactor;
use banjia_types::{RouteName, Share};

/// What is recorded, and what is taken out of it.
#[derive(Debug, Default)]
pub(crate) struct CaptureRules {
    pub(crate) config: CaptureConfig,
    pub(crate) redactor: Redactor,
}

impl CaptureRules {
    /// The part of a route's exchanges that is recorded while no move says otherwise.
    pub(crate) fn share(&self, route: &RouteName) -> Share {
        let fraction = self.config.routes.get(route).copied().unwrap_or(self.config.share);
        Share::of_fraction(fraction).unwrap_or(Share::NONE)
    }
}

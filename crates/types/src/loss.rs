//! What a request loses on a target, and which losses a route accepts.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How much of a parameter's meaning survives. The variants are ordered from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossLevel {
    /// Expressed differently, with the same meaning.
    Exact,
    /// The target does not support it. The gateway does it instead, and the client sees no
    /// difference.
    Emulated,
    /// Supported in part: clamped, approximated, or requested in the prompt.
    Degraded,
    /// Not sent. The response may differ from the request.
    Dropped,
    /// The target cannot serve such a request at all.
    Refused,
}

impl LossLevel {
    /// The name used in profiles, headers and the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Emulated => "emulated",
            Self::Degraded => "degraded",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for LossLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One loss of one request on one target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Loss {
    /// The parameter by the client's name. Nested ones are dotted (`messages.role`).
    pub param: String,
    /// How much is lost.
    pub level: LossLevel,
    /// The reason, for people: `clamped from 1.7 to 1`.
    pub why: String,
}

impl Loss {
    /// A loss of `param` at `level`, explained by `why`.
    pub fn new(param: impl Into<String>, level: LossLevel, why: impl Into<String>) -> Self {
        Self { param: param.into(), level, why: why.into() }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.param, self.level)
    }
}

/// The losses that a route accepts. Default: all but `dropped` and `refused`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossPolicy {
    /// The worst level that is accepted. `refused` is never accepted, even if it is set here.
    pub worst: LossLevel,
    /// Parameters that may be dropped although `worst` forbids it.
    pub may_drop: Vec<String>,
}

impl Default for LossPolicy {
    fn default() -> Self {
        Self { worst: LossLevel::Degraded, may_drop: Vec::new() }
    }
}

impl LossPolicy {
    /// The first loss that this route does not accept, if there is one.
    pub fn first_refused<'a>(&self, losses: &'a [Loss]) -> Option<&'a Loss> {
        losses.iter().find(|loss| !self.passes(loss))
    }

    fn passes(&self, loss: &Loss) -> bool {
        match loss.level {
            LossLevel::Refused => false,
            level if level <= self.worst => true,
            _ => self.may_drop.contains(&loss.param),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_passes_degraded_and_refuses_dropped() {
        let policy = LossPolicy::default();
        let degraded = Loss::new("temperature", LossLevel::Degraded, "clamped");
        let dropped = Loss::new("logit_bias", LossLevel::Dropped, "unknown there");
        assert_eq!(policy.first_refused(std::slice::from_ref(&degraded)), None);
        assert_eq!(policy.first_refused(&[degraded, dropped.clone()]), Some(&dropped));
    }

    #[test]
    fn a_named_parameter_may_be_dropped() {
        let policy = LossPolicy { may_drop: vec!["logit_bias".into()], ..LossPolicy::default() };
        assert_eq!(policy.first_refused(&[Loss::new("logit_bias", LossLevel::Dropped, "")]), None);
    }

    #[test]
    fn a_refusal_is_never_accepted() {
        let policy = LossPolicy { may_drop: vec!["logit_bias".into()], ..LossPolicy::default() };
        let refused = Loss::new("logit_bias", LossLevel::Refused, "");
        assert!(policy.first_refused(&[refused]).is_some());
    }
}

//! Names and ids. Each has its own type, so that an account is never passed in place of a key.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use uuid::Uuid;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name as shared text, which is cloned without a copy.
            pub const fn shared(&self) -> &Arc<str> {
                &self.0
            }
        }

        impl<S: AsRef<str>> From<S> for $name {
            fn from(text: S) -> Self {
                Self(Arc::from(text.as_ref()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// A vendor, by the name of its profile's file: `zhipu`.
    VendorName
}
name! {
    /// A model, by its vendor's name for it: `glm-4.7`.
    ModelName
}
name! {
    /// A route: the model name in clients' requests.
    RouteName
}
name! {
    /// A customer of this gateway.
    AccountId
}
name! {
    /// A credential of an account, by its public id (never the secret itself).
    KeyId
}

/// A vendor and one of its models, written `vendor/model`. The model's name may contain slashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Target {
    /// The vendor.
    pub vendor: VendorName,
    /// The model, by the vendor's name.
    pub model: ModelName,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.vendor, self.model)
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Target {
    type Err = String;

    /// Reads `vendor/model`.
    ///
    /// # Errors
    /// Text without a slash, or with nothing on one side of the first slash.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((vendor, model)) if !vendor.is_empty() && !model.is_empty() => {
                Ok(Self { vendor: vendor.into(), model: model.into() })
            }
            _ => Err(format!("a target is written vendor/model, for example openai/gpt-4o; found {text:?}")),
        }
    }
}

/// The id of one accepted request, end to end: time-ordered (UUID version 7), made by the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub Uuid);

impl RequestId {
    /// Returns when the request arrived; `None` if the id is not of version 7.
    pub fn arrived_at(self) -> Option<Timestamp> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        Some(Timestamp(i64::try_from(seconds).ok()? * 1000 + i64::from(nanos / 1_000_000)))
    }

    /// The number that decides whether this request is in a sample. It is the same on every machine
    /// and in every version: the random bits of the id and its time, folded into 64 bits.
    pub const fn sample_seed(self) -> u64 {
        let (high, low) = self.0.as_u64_pair();
        high.rotate_left(32) ^ low
    }
}

/// A text that is no request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRequestId(pub String);

impl fmt::Display for BadRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        write!(f, "{text:?} is no request id: it is `req_` and 32 hexadecimal digits, as in the header x-request-id")
    }
}

impl std::error::Error for BadRequestId {}

impl FromStr for RequestId {
    type Err = BadRequestId;

    fn from_str(text: &str) -> Result<Self, BadRequestId> {
        let digits = text.trim().strip_prefix("req_").unwrap_or(text.trim());
        Uuid::try_parse(digits).map(Self).map_err(|_| BadRequestId(text.to_owned()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{}", self.0.simple())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_gives_a_known_sample_seed() {
        let id = RequestId(Uuid::from_u128(0x018f_3c5a_9b1e_7a2b_8c3d_4e5f_6071_8293));
        assert_eq!(id.sample_seed(), 0x1723_3474_61fe_bec9);
    }

    #[test]
    fn a_request_id_is_read_as_it_is_shown() {
        let id = RequestId(Uuid::from_u128(7));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("00000000000000000000000000000007".parse(), Ok(id));
        for bad in ["", "req_", "req_7", "chatcmpl-1"] {
            assert!(bad.parse::<RequestId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_target_keeps_slashes_of_the_model() {
        let target: Target = "alibaba/siliconflow/deepseek-v3.2".parse().unwrap();
        assert_eq!((target.vendor.as_str(), target.model.as_str()), ("alibaba", "siliconflow/deepseek-v3.2"));
        assert_eq!(target.to_string(), "alibaba/siliconflow/deepseek-v3.2");
        for bad in ["", "zhipu", "/glm", "zhipu/"] {
            assert!(bad.parse::<Target>().is_err(), "{bad:?} must be refused");
        }
    }
}

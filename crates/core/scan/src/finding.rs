//! The parts of a finding.
//!
//! # Rules
//! - Names of fields and kinds are an interface (docs/guide/scan.md). They change only with a
//!   changelog fragment.
//! - A finding never contains the value of a secret. Of the source's values it contains only model
//!   names, hosts, numbers and truth values.

use serde::Serialize;

/// The kind of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A client is created, or a framework's object that represents one endpoint.
    Client,
    /// An endpoint is called through an SDK.
    Call,
    /// An endpoint is called with an HTTP library.
    Http,
    /// The code contains the host of a vendor.
    Host,
    /// The code sets or reads an environment variable that an SDK uses.
    Environment,
    /// The file contains a key.
    Key,
    /// Something sends data past the base address.
    SideChannel,
}

impl Kind {
    /// Every kind, in the order of reports.
    pub const ALL: [Self; 7] =
        [Self::Client, Self::Call, Self::Http, Self::Host, Self::Environment, Self::Key, Self::SideChannel];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Call => "call",
            Self::Http => "http",
            Self::Host => "host",
            Self::Environment => "environment",
            Self::Key => "key",
            Self::SideChannel => "side-channel",
        }
    }
}

/// The confidence of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Traced to an SDK's import, a vendor's host or a key's unmistakable form.
    Certain,
    /// The file uses an SDK and this looks like a call of it, but the origin of the object is
    /// unknown.
    Likely,
    /// Only its name and arguments look like a call.
    Possible,
}

impl Confidence {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

/// Where a client gets its base address or its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "lowercase")]
pub enum Setting {
    /// The code sets none: the SDK uses its own variable or its vendor's address.
    Default,
    /// Written into the code.
    Literal {
        /// The host, for a base address; a key is never shown.
        #[serde(skip_serializing_if = "Option::is_none")]
        host: Option<String>,
    },
    /// From a variable of the environment.
    Environment {
        /// Its name.
        name: String,
    },
    /// From another part of the program.
    Dynamic,
}

/// A named parameter of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// The name as written. In Java and in Go's options, that of the method.
    pub name: String,
    /// The value, if it is a number or a truth value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The kind of the finding.
    pub kind: Kind,
    /// The confidence of the finding.
    pub confidence: Confidence,
    /// The path that was given to [`find`](fn@crate::find).
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The SDK by its name in the rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdk: Option<String>,
    /// The endpoint without its version, such as `chat/completions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether a gateway serves that endpoint today.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_served: Option<bool>,
    /// The model, or `dynamic` if it is known only when the program runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The named parameters, in the order of the text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Whether a variable that was not followed may hold more parameters.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_more_parameters: bool,
    /// For a client: its base address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Setting>,
    /// For a client: its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Setting>,
    /// The host, the variable, the kind of key or the side channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For a key: the beginning of its SHA-256, to find the same key elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// What to do about it before a move to a gateway.
    pub advice: Vec<String>,
    /// For a client: the numbers of SDK and rule.
    #[serde(skip)]
    pub(crate) rule: Option<(usize, usize)>,
}

impl Finding {
    /// A finding without details.
    pub(crate) fn new(kind: Kind, confidence: Confidence) -> Self {
        Self {
            kind,
            confidence,
            file: String::new(),
            line: 0,
            column: 0,
            sdk: None,
            endpoint: None,
            is_served: None,
            model: None,
            parameters: Vec::new(),
            has_more_parameters: false,
            base_url: None,
            key: None,
            name: None,
            fingerprint: None,
            advice: Vec::new(),
            rule: None,
        }
    }
}

//! What a scan finds.
//!
//! Rules: the names of fields and kinds are an interface (docs/guide/scan.md) and change only with a changelog fragment; no
//! value of a secret is ever in a finding, and of the source's values only model names, hosts, numbers and truth values are.

use serde::Serialize;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A client is made here, or a framework's object that stands for one endpoint.
    Client,
    /// An endpoint is called through an SDK.
    Call,
    /// An endpoint is called with an HTTP library.
    Http,
    /// The host of a vendor is written into the code.
    Host,
    /// A variable of the environment is set or read that an SDK goes by.
    Environment,
    /// A key is written down.
    Key,
    /// Something that sends data past the base address.
    SideChannel,
}

impl Kind {
    /// All kinds, in the order of reports.
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

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Traced to an SDK's import, a vendor's host or a key's unmistakable form.
    Certain,
    /// The file uses an SDK and this looks like it, but where the object comes from is not seen.
    Likely,
    /// It looks like a call by its name and arguments alone.
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

/// Where a client takes its base address or its key from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "lowercase")]
pub enum Setting {
    /// Not given: the SDK's own variable, or its vendor's address.
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
    /// From elsewhere in the program.
    Dynamic,
}

/// A named parameter of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Its name as it stands there; in Java and in options of Go the method's.
    pub name: String,
    /// Its value, when that is a number or a truth value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// How sure it is.
    pub confidence: Confidence,
    /// The file, as it was named to [`find`](fn@crate::find).
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
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
    /// The model; `dynamic` when it is not known before the program runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The named parameters, in the order of the text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Whether there may be more parameters, from a variable that was not followed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_more_parameters: bool,
    /// Of a client: its base address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Setting>,
    /// Of a client: its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Setting>,
    /// The host, the variable, the kind of key or the side channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of a key: the beginning of its SHA-256, to find the same key elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// What to do about it for a move to a gateway.
    pub advice: Vec<String>,
    /// Of a client: SDK and rule by number.
    #[serde(skip)]
    pub(crate) rule: Option<(usize, usize)>,
}

impl Finding {
    /// A finding of which nothing more is known yet.
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

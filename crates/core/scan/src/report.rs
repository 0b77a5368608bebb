//! A scan as data: JSON with stable names, and SARIF for programs that show findings beside code.

mod sarif;

use crate::coverage::Coverage;
use crate::finding::{Finding, Kind, Setting};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// The version of the JSON report. It grows if a name changes its meaning.
const FORMAT: u32 = 1;

/// The result of scanning a tree.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The path of the tree, as it was given.
    pub root: String,
    /// What was read and what was not.
    pub coverage: Coverage,
    /// The findings, by file and place.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The report as JSON: `format`, `root`, `coverage`, `findings`.
    pub fn to_json(&self) -> Value {
        let mut value = serde_json::json!({ "format": FORMAT });
        let own = serde_json::to_value(self).expect("a report holds names, numbers and lists");
        if let (Value::Object(value), Value::Object(own)) = (&mut value, own) {
            value.extend(own);
        }
        value
    }

    /// The report as a SARIF 2.1.0 log. `version` is the tool's.
    pub fn to_sarif(&self, version: &str) -> Value {
        sarif::log(self, version)
    }
}

/// A finding in one sentence.
pub fn sentence(finding: &Finding) -> String {
    let name = finding.name.as_deref().unwrap_or_default();
    let by = finding.sdk.as_deref().map(|sdk| format!(" through {sdk}")).unwrap_or_default();
    let endpoint = finding.endpoint.as_deref().unwrap_or("an endpoint that is not known");
    let mut text = match finding.kind {
        Kind::Client => match &finding.endpoint {
            Some(endpoint) => format!("a client for {endpoint} is made{by}"),
            None => format!("a client is made{by}"),
        },
        Kind::Call => format!("{endpoint} is called{by}"),
        Kind::Http if name.is_empty() => format!("{endpoint} is called over HTTP at an address that is not known"),
        Kind::Http => format!("{endpoint} is called over HTTP at {name}"),
        Kind::Host => format!("the host {name} is written into the code"),
        Kind::Environment => format!("the variable {name} is used"),
        Kind::Key => format!("a key is written down ({name})"),
        Kind::SideChannel => format!("data leaves past the base address ({name})"),
    };
    if let Some(model) = &finding.model {
        write!(text, ", model {model}").expect("a string takes all that is written to it");
    }
    if let Some(base) = &finding.base_url {
        write!(text, ", base address {}", setting(base)).expect("a string takes all that is written to it");
    }
    text
}

/// Where a setting comes from, in words.
pub fn setting(setting: &Setting) -> String {
    match setting {
        Setting::Default => "by default".to_owned(),
        Setting::Literal { host: Some(host) } => format!("fixed to {host}"),
        Setting::Literal { host: None } => "fixed".to_owned(),
        Setting::Environment { name } => format!("from {name}"),
        Setting::Dynamic => "from the program".to_owned(),
    }
}

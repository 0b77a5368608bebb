//! The data of the rules, before any check.

use serde::Deserialize;
use std::collections::HashMap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sdks {
    pub(super) surface: Vec<Surface>,
    pub(super) sdk: Vec<Sdk>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Surface {
    pub(super) name: String,
    #[serde(default)]
    pub(super) skip: Vec<String>,
    #[serde(default)]
    pub(super) keeps: Vec<String>,
    pub(super) model_at: Option<usize>,
    pub(super) call: Vec<Call>,
    #[expect(dead_code, reason = "for readers of the data, and required of its writers")]
    source: String,
    #[expect(dead_code, reason = "for readers of the data, and required of its writers")]
    as_of: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    pub(super) endpoint: String,
    #[serde(default)]
    pub(super) at: Vec<String>,
    #[serde(default)]
    pub(super) verbs: Vec<String>,
    #[serde(default)]
    pub(super) below: Vec<String>,
    #[serde(default)]
    pub(super) tell: Vec<String>,
    #[serde(default)]
    pub(super) alone: bool,
    pub(super) model_at: Option<usize>,
}

/// An SDK: how it is imported and what it makes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sdk {
    pub(crate) name: String,
    pub(crate) language: String,
    pub(crate) modules: Vec<String>,
    #[serde(default)]
    below: bool,
    pub(crate) surface: Vec<String>,
    /// Symbols of which one must be imported before the module is believed to be this SDK.
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    #[serde(default)]
    pub(crate) client: Vec<Client>,
    /// Constants of the SDK that are names of models.
    #[serde(default)]
    pub(crate) constants: HashMap<String, String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the data, and required of its writers"))]
    pub(crate) source: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the data, and required of its writers"))]
    pub(crate) as_of: String,
}

impl Sdk {
    /// Whether a module is this SDK.
    pub(crate) fn is(&self, module: &str) -> bool {
        self.modules.iter().any(|own| own == module || (self.below && is_under(module, own)))
    }

    /// Whether a module is this SDK or a part of it.
    pub(crate) fn is_around(&self, module: &str) -> bool {
        self.modules.iter().any(|own| own == module || is_under(module, own))
    }
}

fn is_under(module: &str, top: &str) -> bool {
    module.strip_prefix(top).is_some_and(|rest| rest.starts_with(['.', '/']))
}

/// What makes a client.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Client {
    pub(crate) names: Vec<String>,
    pub(crate) types: Vec<String>,
    pub(crate) instances: Vec<String>,
    pub(crate) base: Vec<String>,
    pub(crate) key: Vec<String>,
    pub(crate) model: Vec<String>,
    pub(crate) base_at: Option<usize>,
    pub(crate) key_at: Option<usize>,
    pub(crate) model_at: Option<usize>,
    pub(crate) config_at: Option<usize>,
    pub(crate) is_config: bool,
    pub(crate) builder: bool,
    pub(crate) root: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) base_env: Option<String>,
    pub(crate) key_env: Option<String>,
    pub(crate) only: Vec<String>,
    pub(crate) advice: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRules {
    pub(super) words: Vec<String>,
    pub(super) served: Vec<String>,
    pub(super) host: Vec<Host>,
    pub(super) paths: Paths,
    pub(super) http: HttpRules,
    pub(super) env: Vec<Env>,
    pub(super) key: Vec<Key>,
    pub(super) placeholders: Placeholders,
    pub(super) side_channel: Vec<SideChannel>,
    pub(super) advice: Advice,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    #[serde(rename = "host")]
    pub(super) whole: Option<String>,
    pub(super) ends: Option<String>,
    pub(super) vendor: String,
    #[expect(dead_code, reason = "for readers of the data, and required of its writers")]
    source: String,
    #[expect(dead_code, reason = "for readers of the data, and required of its writers")]
    as_of: String,
}

/// Paths of raw requests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paths {
    pub(crate) known: Vec<String>,
    pub(crate) telling: Vec<String>,
    #[expect(dead_code, reason = "for readers of the data, and required of its writers")]
    source: String,
    #[expect(dead_code, reason = "for readers of the data, and required of its writers")]
    as_of: String,
}

/// How each language sends HTTP.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpRules {
    python: Vec<String>,
    javascript: Vec<String>,
    go: Vec<String>,
    java: Vec<String>,
    pub(crate) wraps: Vec<String>,
    pub(crate) url: Vec<String>,
    pub(crate) body: Vec<String>,
    #[expect(dead_code, reason = "for readers of the data, and required of its writers")]
    source: String,
    #[expect(dead_code, reason = "for readers of the data, and required of its writers")]
    as_of: String,
}

impl HttpRules {
    /// The last names of calls that send, in a family of languages.
    pub(crate) fn verbs(&self, family: &str) -> &[String] {
        match family {
            "python" => &self.python,
            "go" => &self.go,
            "java" => &self.java,
            _ => &self.javascript,
        }
    }
}

/// What a variable is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EnvRole {
    Key,
    BaseUrl,
    Setting,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Env {
    pub(super) names: Vec<String>,
    pub(super) role: EnvRole,
    #[expect(dead_code, reason = "for readers of the data, and required of its writers")]
    source: String,
    #[expect(dead_code, reason = "for readers of the data, and required of its writers")]
    as_of: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    pub(super) kind: String,
    pub(super) pattern: String,
    #[serde(default)]
    pub(super) anywhere: bool,
    #[serde(default)]
    pub(super) likely: bool,
    #[expect(dead_code, reason = "for readers of the data, and required of its writers")]
    source: String,
    #[expect(dead_code, reason = "for readers of the data, and required of its writers")]
    as_of: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Placeholders {
    pub(super) words: Vec<String>,
}

/// Something that sends data past the base address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SideChannel {
    pub(crate) name: String,
    pub(crate) language: String,
    pub(crate) modules: Vec<String>,
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    #[serde(default)]
    pub(crate) off_calls: Vec<String>,
    #[serde(default)]
    pub(crate) off_names: Vec<String>,
    #[serde(default)]
    pub(crate) env_on: Vec<String>,
    #[serde(default)]
    pub(crate) env_off: Vec<String>,
    pub(crate) says: String,
    pub(crate) advice: String,
    #[expect(dead_code, reason = "for readers of the data, and required of its writers")]
    source: String,
    #[expect(dead_code, reason = "for readers of the data, and required of its writers")]
    as_of: String,
}

/// The sentences of advice; `{name}` is replaced.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Advice {
    pub(crate) client_default: String,
    pub(crate) client_no_env: String,
    pub(crate) client_literal: String,
    pub(crate) client_environment: String,
    pub(crate) client_dynamic: String,
    pub(crate) client_key_literal: String,
    pub(crate) served: String,
    pub(crate) not_served: String,
    pub(crate) native: String,
    pub(crate) model_literal: String,
    pub(crate) model_dynamic: String,
    pub(crate) http: String,
    pub(crate) host: String,
    pub(crate) env_key: String,
    pub(crate) env_base: String,
    pub(crate) env_setting: String,
    pub(crate) key: String,
    pub(crate) untraced: String,
    /// Sentences that rules of clients refer to.
    pub(crate) more: HashMap<String, String>,
}

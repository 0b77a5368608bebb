//! What a scan knows, read from the data beside the code: SDKs, hosts, variables, forms of keys,
//! side channels, advice.
//!
//! # Rules
//! - No vendor, SDK or host is named in Rust. Each fact in the data has its source and date.
//! - The tests of this crate find wrong data, so no user ever meets it.

mod raw;

use crate::lang::Language;
use aho_corasick::{AhoCorasick, MatchKind};
use regex::bytes::Regex;
use std::collections::HashMap;
use std::sync::LazyLock;

pub(crate) use raw::{Advice, Client, EnvRole, HttpRules, Paths, Sdk, SideChannel};

/// Resources below which every method counts have these methods; others are steps on the way.
const VERBS: [&str; 38] = [
    "create",
    "new",
    "retrieve",
    "get",
    "list",
    "update",
    "delete",
    "cancel",
    "content",
    "retrievecontent",
    "poll",
    "createandpoll",
    "createandrun",
    "createandrunpoll",
    "createandrunstream",
    "stream",
    "createandstream",
    "newandpoll",
    "submittooloutputs",
    "submittooloutputsandpoll",
    "submittooloutputsstream",
    "upload",
    "uploadandpoll",
    "search",
    "modify",
    "connect",
    "listevents",
    "pause",
    "resume",
    "complete",
    "add",
    "inputitems",
    "waitforprocessing",
    "uploadfilechunked",
    "remix",
    "download",
    "compact",
    "run",
];

/// A method and its endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    pub(crate) endpoint: String,
    /// Parameters of which an untraced call must show one.
    pub(crate) tell: Vec<String>,
    /// Whether path and parameters are enough where no SDK is imported.
    pub(crate) is_alone: bool,
    /// The position of the model, where it has no name or may go without.
    pub(crate) model_at: Option<usize>,
}

/// The methods of one SDK.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surface {
    methods: HashMap<String, Method>,
    below: Vec<(String, String)>,
    /// Steps that change nothing.
    pub(crate) skip: Vec<String>,
    /// Methods that give the client back.
    pub(crate) keeps: Vec<String>,
}

impl Surface {
    /// The method at a path; `is_traced` allows those that only a traced receiver makes clear.
    pub(crate) fn method(&self, path: &str, is_traced: bool) -> Option<Method> {
        if let Some(method) = self.methods.get(path) {
            return Some(method.clone());
        }
        let last = path.rsplit('.').next()?;
        if !is_traced || !VERBS.contains(&last) {
            return None;
        }
        let below =
            self.below.iter().find(|(top, _)| path.strip_prefix(top.as_str()).is_some_and(|r| r.starts_with('.')));
        below.map(|(_, endpoint)| Method {
            endpoint: endpoint.clone(),
            tell: Vec::new(),
            is_alone: false,
            model_at: None,
        })
    }
}

/// A form of keys.
#[derive(Debug)]
pub(crate) struct KeyForm {
    pub(crate) kind: String,
    pub(crate) regex: Regex,
    pub(crate) is_anywhere: bool,
    pub(crate) is_likely: bool,
}

/// Everything that a scan knows.
#[derive(Debug)]
pub struct ScanRules {
    pub(crate) sdks: Vec<Sdk>,
    surfaces: Vec<Surface>,
    words: AhoCorasick,
    pub(crate) keys: Vec<KeyForm>,
    pub(crate) placeholders: Vec<String>,
    envs: HashMap<String, EnvRole>,
    hosts: HashMap<String, String>,
    host_ends: Vec<(String, String)>,
    pub(crate) paths: Paths,
    pub(crate) http: HttpRules,
    pub(crate) side_channels: Vec<SideChannel>,
    pub(crate) served: Vec<String>,
    pub(crate) advice: Advice,
}

static EMBEDDED: LazyLock<ScanRules> = LazyLock::new(|| {
    ScanRules::read(include_str!("../data/sdks.toml"), include_str!("../data/places.toml"))
        .expect("the embedded rules are read by the tests of this crate")
});

impl ScanRules {
    /// The rules that come with this version.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    fn read(sdks: &str, places: &str) -> Result<Self, String> {
        let to_text = |error: toml::de::Error| error.to_string();
        let sdks: raw::Sdks = toml::from_str(sdks).map_err(to_text)?;
        let places: raw::RawRules = toml::from_str(places).map_err(to_text)?;
        let surfaces = sdks.sdk.iter().map(|sdk| surface(sdk, &sdks.surface)).collect::<Result<_, _>>()?;
        let words = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(&places.words)
            .map_err(|error| error.to_string())?;
        let keys = places.key.into_iter().map(key_form).collect::<Result<_, _>>()?;
        let env = places.env.into_iter().flat_map(|env| env.names.into_iter().map(move |name| (name, env.role)));
        let (mut hosts, mut host_ends) = (HashMap::new(), Vec::new());
        for host in places.host {
            match (host.whole, host.ends) {
                (Some(whole), None) => {
                    hosts.insert(whole, host.vendor);
                }
                (None, Some(end)) => host_ends.push((end, host.vendor)),
                _ => return Err(format!("a host of {} has either `host` or `ends`", host.vendor)),
            }
        }
        Ok(Self {
            sdks: sdks.sdk,
            surfaces,
            words,
            keys,
            placeholders: places.placeholders.words,
            envs: env.collect(),
            hosts,
            host_ends,
            paths: places.paths,
            http: places.http,
            side_channels: places.side_channel,
            served: places.served,
            advice: places.advice,
        })
    }

    /// Whether a file holds a word without which nothing can be found in it.
    pub(crate) fn is_of_interest(&self, text: &[u8]) -> bool {
        self.words.is_match(text)
    }

    pub(crate) fn surface(&self, sdk: usize) -> &Surface {
        &self.surfaces[sdk]
    }

    /// What a variable of the environment is for.
    pub(crate) fn env(&self, name: &str) -> Option<EnvRole> {
        self.envs.get(name).copied()
    }

    /// Whose host this is.
    pub(crate) fn vendor_of(&self, host: &str) -> Option<&str> {
        let ends = || self.host_ends.iter().find(|(end, _)| host.ends_with(end.as_str())).map(|(_, vendor)| vendor);
        self.hosts.get(host).or_else(ends).map(String::as_str)
    }

    /// The SDKs of a language that a module belongs to.
    pub(crate) fn sdks_of(&self, language: Language, module: &str) -> impl Iterator<Item = usize> {
        let family = family(language);
        self.sdks.iter().enumerate().filter(move |(_, sdk)| sdk.language == family && sdk.is(module)).map(|(at, _)| at)
    }

    /// The first such SDK.
    pub(crate) fn sdk_of(&self, language: Language, module: &str) -> Option<usize> {
        self.sdks_of(language, module).next()
    }

    /// SDKs of a language that a module is a part of, types included: the file deals with them.
    pub(crate) fn sdks_around(&self, language: Language, module: &str) -> impl Iterator<Item = usize> {
        let family = family(language);
        self.sdks
            .iter()
            .enumerate()
            .filter(move |(_, sdk)| sdk.language == family && sdk.is_around(module))
            .map(|(at, _)| at)
    }
}

/// The language by which rules are written: TypeScript uses JavaScript's.
pub(crate) fn family(language: Language) -> &'static str {
    match language {
        Language::TypeScript | Language::Tsx => Language::JavaScript.as_str(),
        other => other.as_str(),
    }
}

/// The form of a name that all languages share.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

fn surface(sdk: &Sdk, all: &[raw::Surface]) -> Result<Surface, String> {
    let mut surface = Surface::default();
    for name in &sdk.surface {
        let found = all.iter().find(|one| one.name == *name);
        let found = found.ok_or_else(|| format!("{} uses the surface {name}, which is not there", sdk.name))?;
        surface.skip.extend(found.skip.iter().cloned());
        surface.keeps.extend(found.keeps.iter().cloned());
        for call in &found.call {
            surface.below.extend(call.below.iter().map(|top| (top.clone(), call.endpoint.clone())));
            for (at, verb) in call.at.iter().flat_map(|at| call.verbs.iter().map(move |verb| (at, verb))) {
                let path = format!("{at}.{verb}").trim_matches('.').to_owned();
                let method = Method {
                    endpoint: call.endpoint.clone(),
                    tell: call.tell.clone(),
                    is_alone: call.alone,
                    model_at: call.model_at.or(found.model_at),
                };
                surface.methods.insert(path, method);
            }
        }
    }
    Ok(surface)
}

fn key_form(key: raw::Key) -> Result<KeyForm, String> {
    let regex = Regex::new(&format!("(?-u){}", key.pattern)).map_err(|error| format!("{}: {error}", key.kind))?;
    Ok(KeyForm { kind: key.kind, regex, is_anywhere: key.anywhere, is_likely: key.likely })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_rules_are_sound() {
        let rules = ScanRules::embedded();
        assert!(rules.sdks.len() > 15);
        for sdk in &rules.sdks {
            assert!(!sdk.source.is_empty() && sdk.as_of.len() >= 7, "{}", sdk.name);
            for tag in sdk.client.iter().filter_map(|client| client.advice.as_ref()) {
                assert!(rules.advice.more.contains_key(tag), "{}: there is no advice {tag}", sdk.name);
            }
        }
    }

    #[test]
    fn nothing_is_known_that_the_words_would_hide() {
        let rules = ScanRules::embedded();
        let modules = rules.sdks.iter().flat_map(|sdk| &sdk.modules).filter(|module| *module != "agents");
        let channels =
            rules.side_channels.iter().flat_map(|channel| &channel.modules).filter(|module| *module != "agents");
        let hosts = rules.hosts.keys().chain(rules.host_ends.iter().map(|(end, _)| end));
        for text in modules.chain(channels).chain(hosts) {
            assert!(rules.is_of_interest(text.as_bytes()), "{text} holds none of the words");
        }
        for name in rules.envs.keys() {
            assert!(rules.is_of_interest(name.as_bytes()), "{name} holds none of the words");
        }
        assert!(rules.is_of_interest(b"from agents import Agent") && !rules.is_of_interest(b"the agents of change"));
    }

    #[test]
    fn names_have_one_form() {
        for name in ["fine_tuning", "fineTuning", "FineTuning"] {
            assert_eq!(plain(name), "finetuning");
        }
    }
}

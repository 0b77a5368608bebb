//! What a request sees of the world: routes, vendors, keys, prices, compiled once and never
//! changed.
//!
//! Rules: a request keeps the snapshot it began with; [`Snapshot::compile`] reports every problem
//! at once, each with the place in the configuration; what changes while the process runs
//! (breakers, limits, cuts) is not here but in `live`, so that a reload loses none of it.

mod callers;

use crate::capture_rules::CaptureRules;
use crate::config::{
    BorderConfig, CaptureConfig, Config, LimitConfig, RouteConfig, ServeConfig, TimeoutConfig, VendorConfig,
};
use crate::keys::KeyHash;
use crate::problem::{Problem, near};
use crate::redact::Redactor;
use banjia_border::decide::{Question, decide};
use banjia_border::facts::{AccountFacts, Facts};
use banjia_border::policy::Policy;
use banjia_types::{AccountId, KeyId, LossPolicy, Operation, Price, RouteName, Secret, Target, Timestamp, VendorName};
use banjia_upstream::{AuthForm, Credential, Origin, UpstreamError};
use banjia_wire::{Auth, Profile};
use http::{HeaderName, HeaderValue};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Profiles by name, as `vendors/*.toml` are called.
pub type Profiles = BTreeMap<String, Arc<Profile>>;

/// The model of a target that takes the name that the client asked for, and the end of the name of
/// a route that takes every model which begins like it.
pub(crate) const ANY_MODEL: &str = "*";

/// The compiled view of a configuration.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) serve: ServeConfig,
    pub(crate) vendors: Vec<Arc<Vendor>>,
    pub(crate) routes: BTreeMap<RouteName, Arc<Route>>,
    pub(crate) keys: HashMap<KeyHash, Arc<Key>>,
    pub(crate) accounts: HashMap<AccountId, Arc<AccountFacts>>,
    pub(crate) border: BorderConfig,
    pub(crate) capture: Arc<CaptureRules>,
    warnings: Vec<Problem>,
}

/// A vendor, ready to be called.
#[derive(Debug)]
pub(crate) struct Vendor {
    /// Its name in the configuration.
    name: VendorName,
    /// Who refuses when this vendor refuses a region: all entries with the same name are cut
    /// together, because another key or another host of a vendor that refused us would be a way
    /// around its border.
    pub(crate) border: VendorName,
    pub(crate) profile: Arc<Profile>,
    /// True if it bills abroad: the host that was chosen stands in another place than the profile's
    /// first.
    abroad: bool,
    pub(crate) chat: Option<banjia_upstream::Endpoint>,
    pub(crate) embeddings: Option<banjia_upstream::Endpoint>,
    pub(crate) credential: Option<Credential>,
    /// Cut out of messages that a vendor sends us, should it ever quote our key.
    pub(crate) secret: Option<Secret>,
    /// Where its host stands, as its profile says.
    pub(crate) residency: Option<String>,
    /// Whom it serves, as far as a list tells.
    pub(crate) serves: Option<Policy>,
}

impl Vendor {
    /// Returns where requests of `operation` go; `None` if the vendor does not offer it.
    pub(crate) const fn url(&self, operation: Operation) -> Option<&banjia_upstream::Endpoint> {
        match operation {
            Operation::ChatCompletions => self.chat.as_ref(),
            Operation::Embeddings => self.embeddings.as_ref(),
            _ => None,
        }
    }

    /// The price of a model where this vendor bills. `None` if the profile does not say.
    pub(crate) fn price(&self, model: &str) -> Option<Price> {
        let facts = self.profile.model(model)?;
        let abroad = facts.price_abroad.as_ref().filter(|_| self.abroad);
        abroad.or(facts.price.as_ref()).cloned()
    }
}

/// A model name that clients may ask for, or a pattern of them.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) name: RouteName,
    pub(crate) targets: Vec<RouteTarget>,
    pub(crate) losses: LossPolicy,
    pub(crate) sticky: bool,
    pub(crate) first_content: Duration,
    pub(crate) answer: Duration,
    pub(crate) idle: Duration,
    pub(crate) deadline: Duration,
    pub(crate) attempts_per_target_max: u32,
}

/// One target of a route.
#[derive(Clone, Debug)]
pub(crate) struct RouteTarget {
    pub(crate) target: Target,
    /// Index into [`Snapshot::vendors`].
    pub(crate) vendor: usize,
    pub(crate) price: Option<Price>,
    /// `vendor/model` for the response header.
    pub(crate) label: HeaderValue,
}

/// A credential of an account.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) account: AccountId,
    pub(crate) facts: Arc<AccountFacts>,
    pub(crate) limits: LimitConfig,
    pub(crate) account_limits: LimitConfig,
}

impl Snapshot {
    /// Compiles `config` against the known profiles.
    ///
    /// # Errors
    /// Every problem found, not only the first.
    pub fn compile(config: &Config, profiles: &Profiles) -> Result<Self, Vec<Problem>> {
        let mut check = Check::default();
        let vendors = check.vendors(&config.vendors, profiles);
        let routes = check.routes(&config.routes, &config.vendors, &vendors);
        let accounts = check.accounts(&config.accounts);
        let keys = check.keys(config, &accounts);
        check.border(&config.border);
        let capture = Arc::new(check.capture(&config.capture, &routes));
        check.serve(&config.serve);
        if !check.problems.is_empty() {
            return Err(check.problems);
        }
        let vendors = vendors.into_iter().flatten().map(Arc::new).collect();
        let (serve, border) = (config.serve.clone(), config.border.clone());
        Ok(Self { serve, vendors, routes, keys, accounts, border, capture, warnings: check.warnings })
    }

    /// Under which name each vendor is cut when it refuses our region: several may stand behind one
    /// border.
    pub fn borders(&self) -> BTreeMap<VendorName, VendorName> {
        self.vendors.iter().map(|vendor| (vendor.name.clone(), vendor.border.clone())).collect()
    }

    /// Under which name a vendor of the configuration is cut; none when there is no such entry.
    pub fn border_of(&self, vendor: &VendorName) -> Option<&VendorName> {
        self.vendors.iter().find(|it| it.name == *vendor).map(|it| &it.border)
    }

    /// The vendors that have a credential, each with the name under which it is cut.
    pub fn credentials(&self) -> impl Iterator<Item = (&VendorName, &VendorName)> {
        let with_one = self.vendors.iter().filter(|vendor| vendor.credential.is_some());
        with_one.map(|vendor| (&vendor.name, &vendor.border))
    }

    /// For each vendor whose list is known, whether it serves all accounts: true or false, and not
    /// in it where the records do not tell. Records alone are judged, as if everybody called from
    /// where they reside; a request is judged by its address too.
    pub fn served(&self, at: Timestamp) -> BTreeMap<VendorName, bool> {
        let of = |vendor: &Arc<Vendor>| {
            let list = vendor.serves.as_ref()?;
            let is_served = callers::serves_all(list, self.accounts.values(), at)?;
            Some((vendor.name.clone(), is_served))
        };
        self.vendors.iter().filter_map(of).collect()
    }

    /// Each account with each vendor that does not serve it where its record says that it resides.
    pub fn unserved(&self, at: Timestamp) -> Vec<(AccountId, VendorName)> {
        let mut found = Vec::new();
        for vendor in &self.vendors {
            let Some(list) = &vendor.serves else { continue };
            for account in self.accounts.values() {
                if callers::serves_at_home(list, account, at) == Some(false) {
                    found.push((account.id.clone(), vendor.name.clone()));
                }
            }
        }
        found
    }

    /// What is allowed but worth saying: models that are switched off soon, models that no profile
    /// knows.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// What the record says of an account; none when there is no such account.
    pub fn account(&self, id: &AccountId) -> Option<Arc<AccountFacts>> {
        self.accounts.get(id).cloned()
    }

    /// Vendors whose list is known and that are sent callers of whom nothing is known all the same.
    pub fn vendors_for_unknown(&self) -> impl Iterator<Item = &VendorName> {
        let unknown = Facts::default();
        let is_for = move |list: &Policy| !decide(list, &Question::of(&unknown, Timestamp::default())).kind.refuses();
        self.vendors
            .iter()
            .filter(move |vendor| vendor.serves.as_ref().is_some_and(&is_for))
            .map(|vendor| &vendor.border)
    }

    /// What is known of a target of a route; none when it is not one of the route's.
    pub fn target(&self, route: &RouteName, target: &Target) -> Option<TargetFacts> {
        let found = self.routes.get(route)?.targets.iter().find(|it| it.target == *target)?;
        let profile = &self.vendors[found.vendor].profile;
        let output_max = profile.model(target.model.as_str()).and_then(|facts| facts.output_max);
        Some(TargetFacts { price: found.price.clone(), output_max })
    }

    /// The targets of a route, in order; none when there is no such route.
    pub fn targets(&self, route: &RouteName) -> Option<Vec<Target>> {
        Some(self.routes.get(route)?.targets.iter().map(|it| it.target.clone()).collect())
    }

    /// The route with the longest pattern that takes `model`.
    pub(crate) fn pattern(&self, model: &str) -> Option<&Arc<Route>> {
        let takes = |route: &&Arc<Route>| {
            route.name.as_str().strip_suffix(ANY_MODEL).is_some_and(|start| model.starts_with(start))
        };
        self.routes.values().filter(takes).max_by_key(|route| route.name.as_str().len())
    }

    /// The routes whose name is a model's name, and no pattern.
    pub(crate) fn named_routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.values().filter(|route| !route.name.as_str().ends_with(ANY_MODEL))
    }

    /// The names of the routes, sorted.
    pub fn route_names(&self) -> impl Iterator<Item = &RouteName> {
        self.routes.keys()
    }
}

/// What is known of a target, for whoever reckons what asking it costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetFacts {
    /// Its price.
    pub price: Option<Price>,
    /// The longest answer that it gives, in tokens.
    pub output_max: Option<u64>,
}

#[derive(Default)]
struct Check {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Check {
    fn problem(&mut self, path: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(path, message, hint));
    }

    fn serve(&mut self, serve: &ServeConfig) {
        if serve.body_bytes_max == 0 {
            self.problem(
                "serve.body_bytes_max",
                "no request body would be read",
                "give a size in bytes, or leave it out",
            );
        }
        for (i, origin) in serve.cors_origins.iter().enumerate() {
            if let Err(why) = crate::cors::check_origin(origin) {
                self.problem(
                    format!("serve.cors_origins[{i}]"),
                    format!("{origin:?} is no origin: {why}"),
                    "write it like \"https://app.example\" or \"http://localhost:5173\"",
                );
            }
        }
        if serve.connections_max == 0 {
            self.problem("serve.connections_max", "no connection would be accepted", "give a number, or leave it out");
        }
        if serve.connections_per_address_max == Some(0) {
            self.problem(
                "serve.connections_per_address_max",
                "no client could connect",
                "give a number, or leave it out",
            );
        }
    }

    /// One entry per configured vendor, so that indexes agree; none where something is wrong (and
    /// reported).
    fn vendors(&mut self, configs: &[VendorConfig], profiles: &Profiles) -> Vec<Option<Vendor>> {
        for (i, config) in configs.iter().enumerate() {
            if configs[..i].iter().any(|other| other.name == config.name) {
                self.problem(format!("vendors[{i}].name"), format!("{:?} is there twice", config.name.as_str()), "");
            }
        }
        configs.iter().enumerate().map(|(i, config)| self.vendor(i, config, profiles)).collect()
    }

    fn vendor(&mut self, i: usize, config: &VendorConfig, profiles: &Profiles) -> Option<Vendor> {
        let wanted = config.profile.as_deref().unwrap_or(config.name.as_str());
        let Some(profile) = profiles.get(wanted) else {
            let place = if config.profile.is_some() { "profile" } else { "name" };
            let hint = near(wanted, profiles.keys().map(String::as_str)).map_or_else(
                || "`profile = \"openai-compatible\"` with a `base` fits most vendors".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            self.problem(format!("vendors[{i}].{place}"), format!("there is no profile {wanted:?}"), hint);
            return None;
        };
        let base = self.base(i, config, profile)?;
        let serves = self.serves(i, config, wanted);
        let made = open_doors(&base, config, profile).map(|vendor| Vendor { serves, ..vendor });
        let place = if config.base.is_some() { ".base" } else { "" };
        made.map_err(|error| self.problem(format!("vendors[{i}]{place}"), error, "")).ok()
    }

    fn base(&mut self, i: usize, config: &VendorConfig, profile: &Profile) -> Option<String> {
        if let Some(base) = &config.base {
            return Some(base.trim_end_matches('/').to_owned());
        }
        if let Some(host) = profile.host(config.host.as_deref()) {
            return Some(host.base.trim_end_matches('/').to_owned());
        }
        let names: Vec<_> = profile.hosts().iter().map(|host| host.name.as_str()).collect();
        if let Some(host) = &config.host {
            let hint = format!("its hosts are: {}", names.join(", "));
            self.problem(format!("vendors[{i}].host"), format!("the profile has no host {host:?}"), hint);
        } else {
            let message = format!("the profile {:?} names no host", profile.vendor().as_str());
            self.problem(format!("vendors[{i}]"), message, "say `base = \"https://...\"`");
        }
        None
    }

    fn routes(
        &mut self,
        configs: &[RouteConfig],
        vendor_configs: &[VendorConfig],
        vendors: &[Option<Vendor>],
    ) -> BTreeMap<RouteName, Arc<Route>> {
        let mut routes = BTreeMap::new();
        for (i, config) in configs.iter().enumerate() {
            if config.targets.is_empty() {
                self.problem(format!("routes[{i}].targets"), "a route needs a target", "for example \"openai/gpt-4o\"");
            }
            self.pattern(i, config);
            let mut targets = Vec::with_capacity(config.targets.len());
            for (j, text) in config.targets.iter().enumerate() {
                targets.extend(self.target(&format!("routes[{i}].targets[{j}]"), text, vendor_configs, vendors));
            }
            let route = Arc::new(compile_route(config, targets));
            if routes.insert(config.name.clone(), route).is_some() {
                self.problem(format!("routes[{i}].name"), format!("{:?} is there twice", config.name.as_str()), "");
            }
        }
        routes
    }

    /// A `*` ends the name of a route or stands for a whole model, and a model left open needs a
    /// name left open.
    fn pattern(&mut self, i: usize, config: &RouteConfig) {
        let name = config.name.as_str();
        let start = name.strip_suffix(ANY_MODEL);
        if start.unwrap_or(name).contains(ANY_MODEL) {
            let hint = "`name*` takes every model that begins with name";
            self.problem(format!("routes[{i}].name"), format!("in {name:?} the * is not at the end"), hint);
        }
        for (j, text) in config.targets.iter().enumerate() {
            let Ok(target) = text.parse::<Target>() else { continue };
            let model = target.model.as_str();
            let path = format!("routes[{i}].targets[{j}]");
            if model != ANY_MODEL && model.contains(ANY_MODEL) {
                let hint = format!("{}/{ANY_MODEL} asks for the model that the client named", target.vendor);
                self.problem(path, format!("{text:?} is no model"), hint);
            } else if model == ANY_MODEL && start.is_none() {
                let hint = format!("name the model, or end the route's name in *, as in {name}*");
                self.problem(
                    path,
                    format!("{text:?} leaves the model open, but the route {name:?} is one model"),
                    hint,
                );
            }
        }
    }

    fn capture(&mut self, config: &CaptureConfig, routes: &BTreeMap<RouteName, Arc<Route>>) -> CaptureRules {
        let shares = config.routes.iter().map(|(route, share)| (format!("capture.routes.{route}"), *share));
        for (path, share) in shares.chain([("capture.share".to_owned(), config.share)]) {
            if !(0.0..=1.0).contains(&share) {
                self.problem(path, format!("{share} is no part of a whole"), "say a number from 0 to 1");
            }
        }
        for route in config.routes.keys().filter(|route| !routes.contains_key(*route)) {
            let hint = near(route.as_str(), routes.keys().map(RouteName::as_str))
                .map_or_else(String::new, |near| format!("did you mean {near}?"));
            self.problem(format!("capture.routes.{route}"), "there is no such route", hint);
        }
        let redactor = Redactor::compile(&config.redact).unwrap_or_else(|problems| {
            self.problems.extend(problems);
            Redactor::default()
        });
        CaptureRules { config: config.clone(), redactor }
    }

    fn target(
        &mut self,
        path: &str,
        text: &str,
        configs: &[VendorConfig],
        vendors: &[Option<Vendor>],
    ) -> Option<RouteTarget> {
        let target: Target = match text.parse() {
            Ok(target) => target,
            Err(message) => {
                self.problem(path, message, "");
                return None;
            }
        };
        let Some(vendor) = configs.iter().position(|config| config.name == target.vendor) else {
            let hint = near(target.vendor.as_str(), configs.iter().map(|config| config.name.as_str()))
                .map_or_else(|| "add it under `vendors`".to_owned(), |near| format!("did you mean {near}?"));
            self.problem(path, format!("there is no vendor {:?}", target.vendor.as_str()), hint);
            return None;
        };
        let Ok(label) = HeaderValue::from_str(text) else {
            self.problem(path, "a model's name must be visible ASCII", "");
            return None;
        };
        let profile = &vendors[vendor].as_ref()?.profile;
        let facts = profile.model(target.model.as_str());
        if facts.is_none() && target.model.as_str() != ANY_MODEL && profile.models().next().is_some() {
            let (message, hint) = unknown_model(target.model.as_str(), profile);
            self.warnings.push(Problem::new(path, message, hint));
        }
        let price = vendors[vendor].as_ref()?.price(target.model.as_str());
        if let Some(date) = facts.and_then(|facts| facts.shutdown_date.as_ref()) {
            let message = format!("{text} is switched off on {date}");
            self.warnings.push(Problem::new(path, message, "name another target before that day"));
        }
        Some(RouteTarget { target, vendor, price, label })
    }
}

/// The warning about a model that its vendor's profile does not have.
fn unknown_model(model: &str, profile: &Profile) -> (String, String) {
    let known = profile.models().map(|facts| facts.name.text());
    let hint = near(model, known).map_or_else(String::new, |near| format!("did you mean {near}?"));
    let message = format!("the profile does not know the model {model:?}; its price is unknown");
    (message, hint)
}

fn open_doors(base: &str, config: &VendorConfig, profile: &Arc<Profile>) -> Result<Vendor, String> {
    let said = |error: UpstreamError| error.to_string();
    let origin = Origin::parse(base).map_err(said)?;
    let url = |operation| profile.path(operation).map(|path| banjia_upstream::Endpoint::new(base, path)).transpose();
    let form = match profile.auth() {
        Auth::Bearer => AuthForm::Bearer,
        Auth::Header { name } => AuthForm::Header(
            HeaderName::try_from(name.as_str()).map_err(|_| format!("{name:?} cannot be the name of a header"))?,
        ),
        other => return Err(format!("this version cannot show a key in the form {other:?}")),
    };
    let (chat, embeddings) =
        (url(Operation::ChatCompletions).map_err(said)?, url(Operation::Embeddings).map_err(said)?);
    let bind = |secret| Credential::new(secret, &form, [origin.clone()]);
    let credential = config.credential.as_ref().map(bind).transpose().map_err(said)?;
    let border = if profile.hosts().is_empty() {
        VendorName::from(format!("{}@{origin}", profile.vendor()))
    } else {
        profile.vendor().clone()
    };
    let secret = config.credential.clone();
    let chosen = config.host.as_deref().and_then(|name| profile.host(Some(name)));
    let host = chosen.or(profile.host(None)).filter(|_| config.base.is_none());
    let residency = host.and_then(|host| host.residency.clone());
    let abroad = chosen.is_some_and(|host| profile.host(None).is_some_and(|first| first.residency != host.residency));
    Ok(Vendor {
        name: config.name.clone(),
        border,
        abroad,
        profile: profile.clone(),
        chat,
        embeddings,
        credential,
        secret,
        residency,
        serves: None,
    })
}

fn compile_route(config: &RouteConfig, targets: Vec<RouteTarget>) -> Route {
    let TimeoutConfig { first_content_ms, answer_ms, idle_ms, deadline_ms } = config.timeouts;
    Route {
        name: config.name.clone(),
        targets,
        losses: config.losses.clone(),
        sticky: config.sticky,
        first_content: Duration::from_millis(first_content_ms),
        answer: Duration::from_millis(answer_ms),
        idle: Duration::from_millis(idle_ms),
        deadline: Duration::from_millis(deadline_ms),
        attempts_per_target_max: config.attempts_per_target_max.max(1),
    }
}

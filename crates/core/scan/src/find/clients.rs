//! Where clients are made, and frameworks' objects that stand for an endpoint.

use super::Search;
use crate::finding::{Confidence, Finding, Kind, Setting};
use crate::keys;
use crate::resolve::{Named, Thing};
use crate::rules::Client;
use crate::syntax::{Arg, Form, Id};

impl Search<'_, '_> {
    /// A construction of a client; whether it was one.
    pub(super) fn client(&mut self, id: Id, callee: Id, args: &[Arg]) -> bool {
        let Some((sdk, at, mut named)) = self.construction(id, callee, args) else { return false };
        let client = self.r.client(sdk, at).clone();
        // What stands in a known place is no unknown object of parameters.
        named.is_open &= client.key_at.is_none() && client.config_at.is_none();
        let mut finding = Finding::new(Kind::Client, Confidence::Certain);
        finding.sdk = Some(self.r.rules.sdks[sdk].name.clone());
        finding.rule = Some((sdk, at));
        finding.endpoint.clone_from(&client.endpoint);
        if client.endpoint.is_some() {
            finding.model = self.client_model(&client, sdk, &named, args);
            if !client.only.is_empty() && !is_meant(finding.model.as_deref(), &client.only) {
                return false;
            }
        }
        if !(client.base.is_empty() && client.base_env.is_none() && client.key_env.is_none()) {
            let base = self.argument(&client.base, client.base_at, &named, args, &client);
            finding.base_url = Some(self.setting(base, true, named.is_open));
        }
        if !(client.key.is_empty() && client.key_env.is_none()) {
            let key = self.argument(&client.key, client.key_at, &named, args, &client);
            finding.key = Some(self.setting(key, false, named.is_open));
        }
        finding.parameters = self.parameters(&named.list);
        finding.has_more_parameters = named.is_open;
        self.add(id, finding);
        true
    }

    /// What is made by a call, if it is a client: SDK, rule and named arguments.
    fn construction(&self, id: Id, callee: Id, args: &[Arg]) -> Option<(usize, usize, Named)> {
        match self.r.callable(callee)? {
            Thing::Maker(sdk, at) => {
                let client = self.r.client(sdk, at);
                let is_builder = client.builder && is_builder_name(self.r.form(callee));
                // What is imported for its name in types alone makes nothing.
                let makes = !client.is_config && !is_builder && self.is_maker(callee, client);
                makes.then(|| (sdk, at, self.r.named(args)))
            }
            Thing::Builder(sdk, at) => {
                if !matches!(self.r.form(callee), Form::Member(_, name) if name == "build") {
                    return None;
                }
                let links =
                    self.r.chain(id).into_iter().filter(|(name, _)| name != "build" && !name.ends_with("uilder"));
                Some((sdk, at, Named { list: links.collect(), is_open: false }))
            }
            Thing::Here(class) => {
                let (sdk, at) = self.r.base(class, 0)?;
                Some((sdk, at, self.r.named(args)))
            }
            _ => None,
        }
    }

    /// Whether a callee is the name that makes a client, or a method on it such as `fromEnv`.
    fn is_maker(&self, callee: Id, client: &Client) -> bool {
        match self.r.form(callee) {
            Form::Member(_, name) => client.names.contains(name) || client.builder,
            _ => true,
        }
    }

    fn client_model(&self, client: &Client, sdk: usize, named: &Named, args: &[Arg]) -> Option<String> {
        let at = |at: usize| args.iter().filter(|arg| arg.name.is_none() && !arg.is_splat).nth(at).map(|arg| arg.value);
        let model = named.get(&client.model).or_else(|| client.model_at.and_then(at));
        match model {
            Some(id) => Some(self.model(id, Some(sdk))),
            None => named.is_open.then(|| "dynamic".to_owned()),
        }
    }

    /// An argument by one of its names, a path such as `configuration.baseURL` included, or by its position.
    fn argument(
        &self,
        names: &[String],
        at: Option<usize>,
        named: &Named,
        args: &[Arg],
        client: &Client,
    ) -> Option<Id> {
        if let Some(id) = named.get(names) {
            return Some(id);
        }
        for (outer, inner) in names.iter().filter_map(|name| name.split_once('.')) {
            if let Some(id) = named.get(&[outer.to_owned()]) {
                let found = self.r.record(id).and_then(|entries| entries.get(&[inner.to_owned()]));
                return found.or_else(|| self.r.record(id).is_none().then_some(id));
            }
        }
        let positional = |at: usize| args.iter().filter(|arg| arg.name.is_none() && !arg.is_splat).nth(at);
        if let Some(arg) = at.and_then(positional) {
            return Some(arg.value);
        }
        // Settings that were put into a configuration before: `config.BaseURL = url`.
        let config = client.config_at.and_then(positional)?.value;
        let Form::Name(name) = self.r.form(config) else { return None };
        let expr = &self.r.unit.exprs[config as usize];
        let field = |field: &String| self.r.binding(&format!("{name}.{field}"), expr.scope, expr.start);
        if let Some(binding) = names.iter().find_map(field) {
            return binding.value;
        }
        let Form::Call(maker, args) = self.r.form(self.r.behind(config)) else { return None };
        let Some(Thing::Maker(sdk, at)) = self.r.thing(*maker) else { return None };
        let config = self.r.client(sdk, at);
        let at = if *names == client.key { config.key_at } else { config.base_at };
        args.get(at?).map(|arg| arg.value)
    }

    /// Where a setting comes from. The finding then speaks for it.
    fn setting(&mut self, id: Option<Id>, is_base: bool, is_open: bool) -> Setting {
        let Some(id) = id else {
            return if is_open { Setting::Dynamic } else { Setting::Default };
        };
        let behind = self.r.behind(id);
        if *self.r.form(behind) == Form::Null {
            return Setting::Default;
        }
        self.tell(id);
        if let Some(name) = self.r.env_name(id) {
            return Setting::Environment { name };
        }
        match self.r.whole_text(id) {
            Some(text) if is_base => {
                let host = super::host_of(&text).map(|(host, _)| keys::clean(&host, self.r.rules));
                Setting::Literal { host }
            }
            Some(_) => Setting::Literal { host: None },
            None => Setting::Dynamic,
        }
    }
}

/// `builder`, `newBuilder`.
fn is_builder_name(callee: &Form) -> bool {
    matches!(callee, Form::Member(_, name) if name.ends_with("uilder"))
}

/// Whether a model is one of those that a general constructor is reported for.
fn is_meant(model: Option<&str>, only: &[String]) -> bool {
    model.is_some_and(|model| only.iter().any(|begin| model.starts_with(begin.as_str())))
}

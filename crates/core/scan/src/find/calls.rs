//! Calls through SDKs.

use super::Search;
use crate::finding::{Confidence, Finding, Kind};
use crate::resolve::Thing;
use crate::rules::{Method, plain};
use crate::syntax::{Arg, Form, Id};

/// Steps of a path that is looked at without a traced receiver.
const STEPS_MAX: usize = 8;

impl Search<'_, '_> {
    /// A call of an endpoint; whether it was one.
    pub(super) fn call(&mut self, id: Id, callee: Id, args: &[Arg]) -> bool {
        let Some((sdk, method, confidence)) = self.method(callee, args) else { return false };
        self.report(id, sdk, &method, confidence, args);
        true
    }

    /// Methods that are handed to something that calls them later: `to_thread(client.embeddings.create, model=...)`.
    pub(super) fn references(&mut self, args: &[Arg]) {
        for (at, arg) in args.iter().enumerate().filter(|(_, arg)| arg.name.is_none() && !arg.is_splat) {
            if !matches!(self.r.form(arg.value), Form::Member(..)) {
                continue;
            }
            let Some(Thing::Path { sdk, path, is_sure }) = self.r.thing(arg.value) else { continue };
            let Some(method) = self.r.rules.surface(sdk).method(&path, true) else { continue };
            let confidence = if is_sure { Confidence::Certain } else { Confidence::Likely };
            self.report(arg.value, Some(sdk), &method, confidence, &args[at + 1..]);
        }
    }

    fn report(&mut self, id: Id, sdk: Option<usize>, method: &Method, confidence: Confidence, args: &[Arg]) {
        let is_model = |name: &str| matches!(plain(name).as_str(), "model" | "modelid");
        let mut named = self.r.named(args);
        let by_name = named.list.iter().find(|(name, _)| is_model(name)).map(|(_, id)| *id);
        let mut by_place = None;
        if let Some(at) = method.model_at.filter(|_| by_name.is_none()) {
            by_place = args.iter().filter(|arg| arg.name.is_none()).nth(at).map(|arg| arg.value);
            // A model by its place is no unknown object of parameters.
            named.is_open &= at > 0 || by_place.is_none();
        }
        let model = by_name.or(by_place);
        let mut finding = Finding::new(Kind::Call, confidence);
        finding.sdk = sdk.map(|sdk| self.r.rules.sdks[sdk].name.clone());
        finding.endpoint = Some(method.endpoint.clone());
        finding.model = match model {
            Some(id) => Some(self.model(id, sdk)),
            None => (named.is_open && !method.tell.is_empty()).then(|| "dynamic".to_owned()),
        };
        finding.parameters = self.parameters(&named.list);
        finding.has_more_parameters = named.is_open;
        self.add(id, finding);
    }

    fn method(&self, callee: Id, args: &[Arg]) -> Option<(Option<usize>, Method, Confidence)> {
        match self.r.thing(callee) {
            Some(Thing::Path { sdk, path, is_sure }) => {
                let method = self.r.rules.surface(sdk).method(&path, true)?;
                let confidence = if is_sure { Confidence::Certain } else { Confidence::Likely };
                Some((Some(sdk), method, confidence))
            }
            // A module whose functions are the methods.
            Some(_) => None,
            None => self.untraced(callee, args),
        }
    }

    /// A call on a thing unknown. It counts when an SDK of the file has such a method and the arguments fit; without an SDK
    /// only when path and model are unmistakable.
    fn untraced(&self, callee: Id, args: &[Arg]) -> Option<(Option<usize>, Method, Confidence)> {
        let (steps, is_whole) = self.steps(callee)?;
        let named = self.r.named(args);
        let tells =
            |method: &Method| named.is_open || named.list.iter().any(|(name, _)| method.tell.contains(&plain(name)));
        // The longest path first. A path that is the whole callee has no receiver, and so no client.
        let paths = (usize::from(is_whole)..steps.len()).map(|from| steps[from..].join("."));
        for path in paths {
            for sdk in &self.sdks {
                let method = self.r.rules.surface(*sdk).method(&path, false);
                if let Some(method) = method.filter(|method| !method.tell.is_empty() && tells(method)) {
                    return Some((Some(*sdk), method, Confidence::Likely));
                }
            }
            if !self.sdks.is_empty() {
                continue;
            }
            let all = 0..self.r.rules.sdks.len();
            let mut methods = all.filter_map(|sdk| self.r.rules.surface(sdk).method(&path, false));
            let has_model = named.list.iter().any(|(name, _)| plain(name) == "model");
            if let Some(method) = methods.find(|method| method.is_alone && has_model) {
                return Some((None, method, Confidence::Possible));
            }
        }
        None
    }

    /// The plain names of a callee, steps without meaning left out, and whether they begin with a variable.
    fn steps(&self, callee: Id) -> Option<(Vec<String>, bool)> {
        let mut steps = Vec::new();
        let mut at = callee;
        let mut is_whole = false;
        while steps.len() < STEPS_MAX {
            match self.r.form(at) {
                Form::Member(object, name) => {
                    let name = plain(name);
                    if !matches!(name.as_str(), "beta" | "withrawresponse" | "withstreamingresponse" | "async") {
                        steps.push(name);
                    }
                    at = *object;
                }
                // In Java each step is a call.
                Form::Call(callee, args) if args.is_empty() => at = *callee,
                Form::Name(name) => {
                    steps.push(plain(name));
                    is_whole = true;
                    break;
                }
                _ => break,
            }
        }
        steps.reverse();
        (!steps.is_empty()).then_some((steps, is_whole))
    }
}

//! Calls with HTTP libraries.

use super::{Search, places};
use crate::finding::{Confidence, Finding, Kind};
use crate::resolve::GAP;
use crate::rules::{family, plain};
use crate::syntax::{Arg, Form, Id};

impl Search<'_, '_> {
    /// A request to a vendor's address, or to an unknown one with an unmistakable path.
    pub(super) fn http(&mut self, id: Id, callee: Id, args: &[Arg]) {
        if !self.sends(callee) {
            return;
        }
        let Some((url, text)) = self.url(args) else { return };
        let Some((host, path)) = places::host_of(&text) else { return };
        let vendor = self.r.rules.vendor_of(&host);
        let path_endpoint = self.endpoint(&path);
        let is_telling = self.r.rules.paths.telling.iter().any(|telling| path.ends_with(telling.as_str()));
        let body = self.body(args);
        let confidence = match vendor {
            Some(_) => Confidence::Certain,
            None if host.contains(GAP) && is_telling => Confidence::Likely,
            None => return,
        };
        self.tell(url);
        let mut finding = Finding::new(Kind::Http, confidence);
        finding.name = (!host.contains(GAP)).then_some(host);
        finding.endpoint = path_endpoint;
        if let Some(body) = body {
            let model = body.list.iter().find(|(name, _)| plain(name) == "model").map(|(_, id)| *id);
            finding.model = model.map(|id| self.model(id, None));
            finding.parameters = self.parameters(&body.list);
            finding.has_more_parameters = body.is_open;
        }
        self.add(id, finding);
    }

    /// Whether a call sends HTTP, by its last name.
    fn sends(&self, callee: Id) -> bool {
        let verbs = self.r.rules.http.verbs(family(self.r.unit.language));
        matches!(self.r.form(callee), Form::Member(_, name) | Form::Name(name) if verbs.contains(name))
    }

    /// The address among the arguments: by name, or the first that looks like one.
    fn url(&self, args: &[Arg]) -> Option<(Id, String)> {
        let rules = &self.r.rules.http;
        let named = args.iter().filter(|arg| arg.name.as_ref().is_some_and(|name| rules.url.contains(name)));
        let entry = args.first().and_then(|arg| self.r.record(arg.value)).and_then(|record| record.get(&rules.url));
        let positional = args.iter().filter(|arg| arg.name.is_none()).take(3).map(|arg| arg.value);
        named.map(|arg| arg.value).chain(entry).chain(positional).find_map(|id| {
            // A request that was made before is found where it was made.
            if let Form::Call(callee, _) = self.r.form(self.r.behind(id))
                && self.sends(*callee)
            {
                return None;
            }
            let text = self.r.text(id)?;
            places::host_of(&text).map(|_| (id, text))
        })
    }

    fn body(&self, args: &[Arg]) -> Option<crate::resolve::Named> {
        let names = &self.r.rules.http.body;
        let mut named = args.iter().filter(|arg| arg.name.as_ref().is_some_and(|name| names.contains(name)));
        if let Some(record) = named.find_map(|arg| self.r.record(arg.value)) {
            return Some(record);
        }
        // `fetch(url, { body: JSON.stringify({...}) })`, `axios.post(url, {...})`, `axios({ url, data: {...} })`
        let mut records =
            args.iter().filter(|arg| arg.name.is_none()).take(3).filter_map(|arg| self.r.record(arg.value));
        records.find_map(|record| match record.get(names) {
            Some(id) => self.r.record(id),
            None => record.list.iter().any(|(name, _)| name == "model").then_some(record),
        })
    }

    /// The endpoint of a path.
    fn endpoint(&self, path: &str) -> Option<String> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let known = self.r.rules.paths.known.iter().find(|known| {
            let wanted = format!("/{known}");
            path.find(&wanted).is_some_and(|at| {
                path.get(at + wanted.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', GAP]))
            })
        });
        known.cloned()
    }
}

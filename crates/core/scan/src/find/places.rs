//! Hosts in strings, variables of the environment, and what sends data past the base address.

use super::Search;
use crate::finding::{Confidence, Finding, Kind};
use crate::resolve::{GAP, is_environment};
use crate::rules::{SideChannel, family};
use crate::syntax::{Form, Id};

/// The host of an address and its path. An address begins with a scheme, or with something unknown; a host alone is one too.
pub(crate) fn host_of(text: &str) -> Option<(String, String)> {
    let rest = ["https://", "http://", "wss://", "ws://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let rest = match rest {
        Some(rest) => rest,
        None if text.starts_with(GAP) => text,
        None if text.contains(char::is_whitespace) || !text.contains('.') => return None,
        None => text,
    };
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(at);
    let host = host.rsplit('@').next().unwrap_or(host);
    let host = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | GAP));
    (is_host && !path.contains(char::is_whitespace)).then(|| (host, path.to_owned()))
}

impl Search<'_, '_> {
    /// Vendors' hosts in strings that something is done with.
    pub(super) fn hosts(&mut self) {
        for (id, expr) in self.r.unit.exprs.iter().enumerate() {
            let id = id as Id;
            let Form::Text(text) = &expr.form else { continue };
            if !self.r.unit.used.contains(&id) || self.told.contains(&id) {
                continue;
            }
            let Some((host, path)) = host_of(text) else { continue };
            let is_address = text.contains("://") || path.is_empty();
            if !is_address || self.r.rules.vendor_of(&host).is_none() {
                continue;
            }
            let mut finding = Finding::new(Kind::Host, Confidence::Certain);
            finding.name = Some(host);
            self.add(id, finding);
        }
    }

    /// Variables that SDKs go by, read or set in code.
    pub(super) fn environment(&mut self) {
        for (id, expr) in self.r.unit.exprs.iter().enumerate() {
            let id = id as Id;
            let name = match &expr.form {
                Form::Text(text) if self.r.unit.used.contains(&id) => text,
                Form::Member(object, name) if is_environment(&self.r.dotted(*object)) => name,
                _ => continue,
            };
            if self.told.contains(&id) || self.r.rules.env(name).is_none() {
                continue;
            }
            let mut finding = Finding::new(Kind::Environment, Confidence::Certain);
            finding.name = Some(name.clone());
            self.add(id, finding);
        }
    }

    /// Imports of what sends data elsewhere, unless the file switches it off.
    pub(super) fn side_channels(&mut self) {
        let rules = self.r.rules;
        let language = family(self.r.unit.language);
        for channel in rules.side_channels.iter().filter(|channel| channel.language == language) {
            let Some(at) = self.imported(channel) else { continue };
            if self.is_off(channel) {
                continue;
            }
            let mut finding = Finding::new(Kind::SideChannel, Confidence::Certain);
            finding.name = Some(channel.name.clone());
            self.found.push((at, finding));
        }
    }

    /// Where a channel is imported.
    fn imported(&self, channel: &SideChannel) -> Option<usize> {
        let is_channel = |module: &str| {
            let top = module.split(['.', '/']).next().unwrap_or(module);
            channel.modules.iter().any(|own| own == module || own == top)
        };
        let mut imports = self.r.unit.imports.iter().filter(|(module, _, _)| is_channel(module));
        let first = imports.clone().map(|(_, _, at)| *at).next()?;
        let is_meant = channel.needs.is_empty()
            || imports.any(|(_, symbol, _)| symbol.as_ref().is_some_and(|symbol| channel.needs.contains(symbol)));
        is_meant.then_some(first)
    }

    /// Whether the file switches a channel off: by a call, by an argument, or by a variable.
    fn is_off(&self, channel: &SideChannel) -> bool {
        self.r.unit.exprs.iter().enumerate().any(|(id, expr)| match &expr.form {
            Form::Call(callee, args) => {
                let is_call = match self.r.form(*callee) {
                    Form::Name(name) | Form::Member(_, name) => channel.off_calls.contains(name),
                    _ => false,
                };
                let named =
                    |arg: &crate::syntax::Arg| arg.name.as_ref().is_some_and(|name| channel.off_names.contains(name));
                is_call || args.iter().any(named)
            }
            Form::Record(fields) => {
                fields.iter().any(|field| field.name.as_ref().is_some_and(|name| channel.off_names.contains(name)))
            }
            Form::Text(text) => channel.env_off.contains(text) && self.r.unit.used.contains(&(id as Id)),
            Form::Member(object, name) => channel.env_off.contains(name) && is_environment(&self.r.dotted(*object)),
            _ => false,
        })
    }
}

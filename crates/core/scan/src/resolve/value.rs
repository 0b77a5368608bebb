//! The literal values of expressions: texts, records, environment variables, named arguments.
//!
//! # Rules
//! - A value is returned only if there is exactly one. A name with two values, or one that a caller
//!   may replace, has none.
//! - Unknown parts of a text are [`GAP`].

use super::{Resolver, Thing};
use crate::rules::family;
use crate::syntax::{Arg, Form, Id};

/// Stands in a text for what is not known.
pub(crate) const GAP: char = '\u{0}';
/// How far values are followed.
const STEPS_MAX: u32 = 24;
/// Links of a chain of calls, entries of a record, parts of a text.
const PARTS_MAX: usize = 512;
/// Longer texts are neither addresses nor names.
const TEXT_MAX: usize = 4096;

/// Arguments by name, and whether there may be more.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) list: Vec<(String, Id)>,
    pub(crate) is_open: bool,
}

impl Named {
    /// The first argument with one of these names.
    pub(crate) fn get(&self, names: &[String]) -> Option<Id> {
        self.list.iter().find(|(name, _)| names.contains(name)).map(|(_, id)| *id)
    }
}

impl Resolver<'_> {
    /// `a.b.c` of names alone; empty for anything else.
    pub(crate) fn dotted(&self, id: Id) -> String {
        let mut parts = Vec::new();
        let mut at = id;
        while parts.len() < PARTS_MAX {
            match self.form(at) {
                Form::Member(object, name) => {
                    parts.push(name.as_str());
                    at = *object;
                }
                Form::Name(name) => {
                    parts.push(name);
                    parts.reverse();
                    return parts.join(".");
                }
                _ => break,
            }
        }
        String::new()
    }

    /// The expression behind names, as far as each has one value.
    pub(crate) fn behind(&self, id: Id) -> Id {
        let mut at = id;
        for _ in 0..STEPS_MAX {
            let Some(next) = self.one_behind(at).filter(|next| *next != at) else { break };
            at = next;
        }
        at
    }

    fn one_behind(&self, id: Id) -> Option<Id> {
        let expr = &self.unit.exprs[id as usize];
        let sole = |list: &[crate::syntax::Binding]| {
            let mut values = list.iter().filter(|one| one.value.is_none_or(|value| *self.form(value) != Form::Null));
            let first = values.next()?;
            if values.next().is_some() || first.is_default { None } else { first.value }
        };
        match &expr.form {
            Form::Name(name) => sole(self.bindings(name, expr.scope)?),
            Form::Member(object, name) => match self.thing(*object) {
                Some(Thing::Instance(class) | Thing::Here(class)) => sole(self.unit.bindings.get(name)?.get(&class)?),
                Some(Thing::Record(record)) => match self.form(record) {
                    Form::Record(fields) => {
                        fields.iter().find(|field| field.name.as_deref() == Some(name)).map(|field| field.value)
                    }
                    _ => None,
                },
                _ => {
                    let Form::Name(owner) = self.form(*object) else { return None };
                    sole(self.bindings(&format!("{owner}.{name}"), expr.scope)?)
                }
            },
            _ => None,
        }
    }

    /// A text with gaps; nothing when there is no text at all.
    pub(crate) fn text(&self, id: Id) -> Option<String> {
        let mut text = String::new();
        self.add_text(id, &mut text, 0);
        (text.chars().any(|c| c != GAP) && text.len() <= TEXT_MAX).then_some(text)
    }

    /// A text without gaps.
    pub(crate) fn whole_text(&self, id: Id) -> Option<String> {
        self.text(id).filter(|text| !text.contains(GAP))
    }

    fn add_text(&self, id: Id, text: &mut String, depth: u32) {
        if depth > STEPS_MAX || text.len() > TEXT_MAX {
            return text.push(GAP);
        }
        match self.form(self.behind(id)) {
            Form::Text(part) => text.push_str(part),
            Form::Joined(parts) => {
                for part in parts.iter().take(PARTS_MAX) {
                    self.add_text(*part, text, depth + 1);
                }
            }
            Form::Call(callee, args) => self.add_call(*callee, args, text, depth),
            _ => text.push(GAP),
        }
    }

    /// Formats, and calls that only wrap a text.
    fn add_call(&self, callee: Id, args: &[Arg], text: &mut String, depth: u32) {
        let name = self.dotted(callee);
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_wrap = self.rules.http.wraps.iter().any(|wrap| *wrap == name || wrap == last);
        let Some(first) = args.first() else { return text.push(GAP) };
        if matches!(name.as_str(), "fmt.Sprintf" | "String.format") {
            let mut format = String::new();
            self.add_text(first.value, &mut format, depth + 1);
            let mut rest = args.iter().skip(1);
            for (at, piece) in format.split('%').enumerate() {
                let piece = if at == 0 {
                    piece
                } else {
                    match rest.next() {
                        Some(arg) => self.add_text(arg.value, text, depth + 1),
                        None => text.push(GAP),
                    }
                    piece.strip_prefix(['s', 'v', 'd']).unwrap_or(piece)
                };
                text.push_str(piece);
            }
        } else if is_wrap {
            self.add_text(first.value, text, depth + 1);
        } else {
            text.push(GAP);
        }
    }

    /// The entries of a record, wraps and spreads included; the second says whether there may be more.
    pub(crate) fn record(&self, id: Id) -> Option<Named> {
        let mut named = Named::default();
        self.add_record(id, &mut named, 0).then_some(named)
    }

    fn add_record(&self, id: Id, named: &mut Named, depth: u32) -> bool {
        if depth > 8 {
            return false;
        }
        match self.form(self.behind(id)) {
            Form::Record(fields) => {
                for field in fields.iter().take(PARTS_MAX) {
                    match &field.name {
                        Some(name) => named.list.push((name.clone(), field.value)),
                        None => named.is_open |= !self.add_record(field.value, named, depth + 1),
                    }
                }
                true
            }
            // `json.dumps({...}).encode()`
            Form::Call(callee, args) if args.is_empty() => match self.form(*callee) {
                Form::Member(object, name) if name == "encode" => self.add_record(*object, named, depth + 1),
                _ => false,
            },
            // `JSON.stringify({...})`, `json.dumps({...})`, `T{...}` in Go.
            Form::Call(callee, args) if args.first().is_some_and(|arg| !arg.is_splat) => {
                let name = self.dotted(*callee);
                let is_wrap = self.rules.http.wraps.contains(&name) || family(self.unit.language) == "go";
                is_wrap
                    && matches!(self.form(args[0].value), Form::Record(_) | Form::Name(_))
                    && self.add_record(args[0].value, named, depth + 1)
            }
            _ => false,
        }
    }

    /// The arguments of a call by name, in the way of the language.
    pub(crate) fn named(&self, args: &[Arg]) -> Named {
        let mut named = Named::default();
        let language = family(self.unit.language);
        let mut is_first = true;
        for arg in args {
            if let Some(name) = &arg.name {
                named.list.push((name.clone(), arg.value));
            } else if arg.is_splat {
                named.is_open |= !self.add_record(arg.value, &mut named, 0);
            } else {
                match language {
                    "javascript" if is_first => self.add_positional(arg.value, &mut named),
                    "go" => self.add_go(arg.value, &mut named),
                    "java" => named.is_open |= !self.add_chain(arg.value, &mut named),
                    _ => {}
                }
                is_first = false;
            }
        }
        named
    }

    fn add_positional(&self, id: Id, named: &mut Named) {
        let is_value = matches!(self.form(id), Form::Text(_) | Form::Joined(_) | Form::Scalar(_) | Form::Function(_));
        if !self.add_record(id, named, 0) {
            named.is_open |= !is_value;
        }
    }

    /// A struct, or an option such as `option.WithBaseURL(url)`.
    fn add_go(&self, id: Id, named: &mut Named) {
        if self.add_record(id, named, 0) {
            return;
        }
        match self.form(id) {
            Form::Call(callee, args) => {
                let name = self.dotted(*callee);
                let last = name.rsplit('.').next().unwrap_or_default();
                if let Some(arg) = args.first().filter(|_| last.starts_with("With")) {
                    named.list.push((last.to_owned(), arg.value));
                }
            }
            Form::Name(name) => named.is_open |= !matches!(name.as_str(), "ctx" | "_"),
            _ => {}
        }
    }

    /// `X.builder().name(value)....build()`: each link is a named argument.
    fn add_chain(&self, id: Id, named: &mut Named) -> bool {
        let links = self.chain(id);
        let is_built = links.iter().any(|(name, _)| name == "build");
        named.list.extend(links.into_iter().filter(|(name, _)| name != "build" && !name.ends_with("uilder")));
        is_built || matches!(self.form(id), Form::Text(_) | Form::Scalar(_))
    }

    /// The links of a chain of calls with their first arguments, in the order of the text.
    pub(crate) fn chain(&self, id: Id) -> Vec<(String, Id)> {
        let mut links = Vec::new();
        let mut at = self.behind(id);
        while links.len() < PARTS_MAX {
            let Form::Call(callee, args) = self.form(at) else { break };
            let Form::Member(object, name) = self.form(*callee) else { break };
            links.push((name.clone(), args.first().map_or(*callee, |arg| arg.value)));
            at = *object;
        }
        links.reverse();
        links
    }

    /// The variable of the environment that an expression reads.
    pub(crate) fn env_name(&self, id: Id) -> Option<String> {
        self.env_name_within(id, 0)
    }

    fn env_name_within(&self, id: Id, depth: u32) -> Option<String> {
        if depth > 8 {
            return None;
        }
        let text = |id: Id| match self.form(self.behind(id)) {
            Form::Text(text) => Some(text.clone()),
            _ => None,
        };
        match self.form(self.behind(id)) {
            Form::Call(callee, args) => {
                let first = args.first()?;
                let name = self.dotted(*callee);
                let reads = ["getenv", "Getenv", "LookupEnv", "environ.get"].iter().any(|end| name.ends_with(end));
                if let Some(variable) = text(first.value) {
                    return (reads || self.rules.env(&variable).is_some()).then_some(variable);
                }
                // A conversion of what was read.
                self.env_name_within(first.value, depth + 1)
            }
            Form::Index(object, key) if is_environment(&self.dotted(*object)) => text(*key),
            Form::Member(object, name) if is_environment(&self.dotted(*object)) => Some(name.clone()),
            Form::Either(sides) => sides.iter().find_map(|side| self.env_name_within(*side, depth + 1)),
            _ => None,
        }
    }
}

/// Whether this is the environment itself.
pub(crate) fn is_environment(dotted: &str) -> bool {
    matches!(dotted, "os.environ" | "environ" | "process.env")
}

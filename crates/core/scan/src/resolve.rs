//! What an expression stands for, as far as one file shows it.
//!
//! # Rules
//! - There is an answer only if the file shows it (an import, a construction, a type, a result of a
//!   function of the file). Otherwise there is none, and the caller decides how to treat an unknown
//!   thing.
//! - Answers are cached, so the cost is proportional to the size of a file. The depth is bounded,
//!   so no file exhausts the stack.

mod value;

use crate::rules::{Client, ScanRules, family, plain};
use crate::syntax::{Arg, Binding, Form, Id, Scope, ScopeKind, Unit};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

pub(crate) use value::{GAP, Named, is_environment};

/// Inner expressions were looked at before outer ones, so chains are not walked again; only odd
/// code comes here.
const DEPTH_MAX: u32 = 100;

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Thing {
    /// An SDK's module.
    Module(usize),
    /// What makes a client: SDK and rule.
    Maker(usize, usize),
    /// A client that is being made.
    Builder(usize, usize),
    /// A client (empty) or a method on it, by plain names joined with dots.
    Path {
        /// The SDK.
        sdk: usize,
        /// The path.
        path: String,
        /// True if every step was seen.
        is_sure: bool,
    },
    /// A class of this file.
    Here(Scope),
    /// An object of a class of this file.
    Instance(Scope),
    /// A function of this file.
    Function(Scope),
    /// An object literal.
    Record(Id),
    /// Known to be something else.
    Unrelated,
}

/// A file with what was found out about it.
#[derive(Debug)]
pub(crate) struct Resolver<'u> {
    pub(crate) unit: &'u Unit,
    pub(crate) rules: &'u ScanRules,
    known: RefCell<HashMap<Id, Option<Thing>>>,
    depth: Cell<u32>,
}

impl<'u> Resolver<'u> {
    pub(crate) fn new(unit: &'u Unit, rules: &'u ScanRules) -> Self {
        Self { unit, rules, known: RefCell::default(), depth: Cell::new(0) }
    }

    pub(crate) fn form(&self, id: Id) -> &'u Form {
        &self.unit.exprs[id as usize].form
    }

    pub(crate) fn client(&self, sdk: usize, client: usize) -> &'u Client {
        &self.rules.sdks[sdk].client[client]
    }

    /// What an expression stands for.
    pub(crate) fn thing(&self, id: Id) -> Option<Thing> {
        if let Some(known) = self.known.borrow().get(&id) {
            return known.clone();
        }
        if self.depth.get() >= DEPTH_MAX {
            return None;
        }
        // A value that is made of itself stands for nothing.
        self.known.borrow_mut().insert(id, None);
        self.depth.set(self.depth.get() + 1);
        let thing = self.look(id);
        self.depth.set(self.depth.get() - 1);
        self.known.borrow_mut().insert(id, thing.clone());
        thing
    }

    fn look(&self, id: Id) -> Option<Thing> {
        match self.form(id) {
            Form::Name(name) => self.name(id, name),
            Form::Member(object, name) => self.member(*object, name),
            Form::Call(callee, args) => self.call(*callee, args),
            Form::Index(object, _) => match self.thing(*object)? {
                Thing::Record(record) => self.any_of(record),
                _ => None,
            },
            Form::Either(sides) => sides.iter().find_map(|side| self.thing(*side)),
            Form::Record(_) | Form::List(_) => Some(Thing::Record(id)),
            Form::Function(scope) => Some(Thing::Function(*scope)),
            Form::Class(scope) => Some(Thing::Here(*scope)),
            Form::Import(module, symbol) => self.import(module, symbol.as_deref()),
            Form::Text(_) | Form::Joined(_) | Form::Scalar(_) | Form::Null => None,
        }
    }

    /// The first known thing in a record or a list.
    fn any_of(&self, id: Id) -> Option<Thing> {
        match self.form(id) {
            Form::Record(fields) => fields.iter().find_map(|field| self.thing(field.value)),
            Form::List(items) => items.iter().find_map(|item| self.thing(*item)),
            _ => None,
        }
    }

    fn name(&self, id: Id, name: &str) -> Option<Thing> {
        let expr = &self.unit.exprs[id as usize];
        if self.unit.language.is_own_object(name)
            && let Some(class) = self.class_around(expr.scope)
        {
            return Some(Thing::Instance(class));
        }
        if let Some(binding) = self.binding(name, expr.scope, expr.start) {
            return self.bound(binding);
        }
        let wildcards = self.unit.wildcards.iter();
        wildcards.filter_map(|module| self.import(module, Some(name))).find(|thing| matches!(thing, Thing::Maker(..)))
    }

    /// The class that contains a scope.
    fn class_around(&self, scope: Scope) -> Option<Scope> {
        let mut at = scope;
        while at != 0 {
            let space = &self.unit.spaces[at as usize];
            if space.room == ScopeKind::Class {
                return Some(at);
            }
            at = space.outer;
        }
        None
    }

    /// Where a name gets its value, as seen from a place in the text.
    pub(crate) fn binding(&self, name: &str, scope: Scope, from: usize) -> Option<&'u Binding> {
        let list = self.bindings(name, scope)?;
        let is_value = |binding: &&Binding| binding.value.is_none_or(|id| *self.form(id) != Form::Null);
        let is_own = self.unit.bindings.get(name)?.get(&scope).is_some();
        let before = list.iter().rev().filter(|binding| !is_own || binding.from <= from).find(is_value);
        before.or_else(|| list.iter().find(is_value)).or_else(|| list.last())
    }

    /// All values that a name gets in the nearest scope that knows it.
    fn bindings(&self, name: &str, scope: Scope) -> Option<&'u [Binding]> {
        let scopes = self.unit.bindings.get(name)?;
        let mut at = scope;
        loop {
            let space = &self.unit.spaces[at as usize];
            let is_seen = space.room != ScopeKind::Class || at == scope || self.unit.language.sees_fields();
            if let Some(list) = scopes.get(&at).filter(|_| is_seen) {
                return Some(list);
            }
            if at == 0 {
                return None;
            }
            at = space.outer;
        }
    }

    fn bound(&self, binding: &Binding) -> Option<Thing> {
        let value = binding.value.and_then(|id| self.thing(id));
        value.or_else(|| self.of_type(binding.kind?, 0))
    }

    /// An object of a type.
    fn of_type(&self, id: Id, depth: u32) -> Option<Thing> {
        if depth > 8 {
            return None;
        }
        match self.form(id) {
            Form::Name(_) | Form::Member(..) => self.made(&self.thing(id)?),
            Form::Index(outer, inner) => self.of_type(*inner, depth + 1).or_else(|| self.of_type(*outer, depth + 1)),
            Form::Either(sides) => sides.iter().find_map(|side| self.of_type(*side, depth + 1)),
            Form::Text(name) => {
                let expr = &self.unit.exprs[id as usize];
                self.made(&self.bound(self.binding(name, expr.scope, expr.start)?)?)
            }
            _ => None,
        }
    }

    /// The object that a maker or a class creates.
    fn made(&self, thing: &Thing) -> Option<Thing> {
        match *thing {
            Thing::Maker(sdk, client) => {
                let client = self.client(sdk, client);
                let is_client = !client.is_config && client.endpoint.is_none();
                is_client.then(|| Thing::Path { sdk, path: client.root.clone(), is_sure: true })
            }
            Thing::Here(class) => Some(match self.base(class, 0) {
                Some((sdk, client)) => self.made(&Thing::Maker(sdk, client))?,
                None => Thing::Instance(class),
            }),
            _ => None,
        }
    }

    /// The SDK's class that a class of this file extends.
    pub(crate) fn base(&self, class: Scope, depth: u32) -> Option<(usize, usize)> {
        if depth > 8 {
            return None;
        }
        self.unit.spaces[class as usize].bases.iter().find_map(|base| match self.thing(*base)? {
            Thing::Maker(sdk, client) => Some((sdk, client)),
            Thing::Here(outer) => self.base(outer, depth + 1),
            _ => None,
        })
    }

    fn import(&self, module: &str, symbol: Option<&str>) -> Option<Thing> {
        let language = self.unit.language;
        let Some(symbol) = symbol else {
            return self.rules.sdk_of(language, module).filter(|sdk| self.is_believed(*sdk)).map(Thing::Module);
        };
        if let Some(sdk) = self.rules.sdk_of(language, module).filter(|sdk| self.is_believed(*sdk)) {
            return self.part(sdk, symbol);
        }
        // `from package import module`
        let inner = format!("{module}.{symbol}");
        self.rules.sdk_of(language, &inner).filter(|sdk| self.is_believed(*sdk)).map(Thing::Module)
    }

    /// Returns whether a module with a common name is this SDK, judged by what the file imports
    /// from it.
    fn is_believed(&self, sdk: usize) -> bool {
        let sdk = &self.rules.sdks[sdk];
        let takes = |symbol: &Option<String>| symbol.as_ref().is_some_and(|symbol| sdk.needs.contains(symbol));
        sdk.needs.is_empty() || self.unit.imports.iter().any(|(module, symbol, _)| sdk.is(module) && takes(symbol))
    }

    /// The thing that a module exports under a name.
    fn part(&self, sdk: usize, name: &str) -> Option<Thing> {
        let has = |names: &[String]| names.iter().any(|one| one == name);
        let clients = &self.rules.sdks[sdk].client;
        if let Some(at) = clients.iter().position(|client| has(&client.names) || has(&client.types)) {
            return Some(Thing::Maker(sdk, at));
        }
        if let Some(at) = clients.iter().position(|client| has(&client.instances)) {
            return self.made(&Thing::Maker(sdk, at));
        }
        Some(Thing::Path { sdk, path: plain(name), is_sure: true })
    }

    fn member(&self, object: Id, name: &str) -> Option<Thing> {
        let thing = self.thing(object);
        let thing = match thing {
            // A property: its result counts.
            Some(Thing::Function(scope)) => self.result(scope),
            other => other,
        };
        match thing {
            Some(Thing::Module(sdk)) => self.module_member(sdk, object, name),
            Some(Thing::Path { sdk, path, is_sure }) => Some(self.step(sdk, path, name, is_sure)),
            Some(Thing::Maker(sdk, client)) => match name {
                // `openai.OpenAI` of a default import is a maker again.
                _ if self.client(sdk, client).names.iter().any(|one| one == name) => self.part(sdk, name),
                _ => Some(Thing::Maker(sdk, client)),
            },
            Some(Thing::Builder(sdk, client)) => Some(Thing::Builder(sdk, client)),
            Some(Thing::Instance(class) | Thing::Here(class)) => self.field(class, object, name),
            Some(Thing::Record(id)) => self.entry(id, name),
            Some(Thing::Unrelated) => Some(Thing::Unrelated),
            Some(Thing::Function(_)) | None => self.kept_member(object, name),
        }
    }

    /// A part of a module. What is written as `a.b.c` may be the module `a.b`.
    fn module_member(&self, sdk: usize, object: Id, name: &str) -> Option<Thing> {
        let inner = format!("{}.{name}", self.dotted(object));
        if let Some(inner) = self.rules.sdk_of(self.unit.language, &inner) {
            return Some(Thing::Module(inner));
        }
        self.part(sdk, name)
    }

    /// `config.field` that was assigned somewhere.
    fn kept_member(&self, object: Id, name: &str) -> Option<Thing> {
        let Form::Name(owner) = self.form(object) else { return None };
        let expr = &self.unit.exprs[object as usize];
        self.bound(self.binding(&format!("{owner}.{name}"), expr.scope, expr.start)?)
    }

    fn step(&self, sdk: usize, path: String, name: &str, is_sure: bool) -> Thing {
        let name = plain(name);
        let path = match (self.rules.surface(sdk).skip.contains(&name), path.is_empty()) {
            (true, _) => path,
            (false, true) => name,
            (false, false) => format!("{path}.{name}"),
        };
        Thing::Path { sdk, path, is_sure }
    }

    /// A field of a class of this file, its bases in this file included.
    fn field(&self, class: Scope, object: Id, name: &str) -> Option<Thing> {
        if let Some(binding) = self.field_binding(class, name) {
            return self.bound(binding);
        }
        if let Some((sdk, client)) = self.base(class, 0)
            && let Some(Thing::Path { sdk, path, is_sure }) = self.made(&Thing::Maker(sdk, client))
        {
            return Some(self.step(sdk, path, name, is_sure));
        }
        let is_own = matches!(self.form(object), Form::Name(name) if self.unit.language.is_own_object(name));
        let is_whole = self.unit.spaces[class as usize].bases.is_empty() && !is_own;
        is_whole.then_some(Thing::Unrelated)
    }

    /// Where a field gets its value: the last place that gives one.
    pub(crate) fn field_binding(&self, class: Scope, name: &str) -> Option<&'u Binding> {
        let mut at = class;
        for _ in 0..8 {
            if let Some(list) = self.unit.bindings.get(name).and_then(|scopes| scopes.get(&at)) {
                let is_value = |binding: &&Binding| binding.value.is_none_or(|id| *self.form(id) != Form::Null);
                return list.iter().rev().find(is_value).or_else(|| list.last());
            }
            at = self.unit.spaces[at as usize].bases.iter().find_map(|base| match self.thing(*base)? {
                Thing::Here(outer) => Some(outer),
                _ => None,
            })?;
        }
        None
    }

    fn entry(&self, id: Id, name: &str) -> Option<Thing> {
        let Form::Record(fields) = self.form(id) else { return Some(Thing::Unrelated) };
        match fields.iter().find(|field| field.name.as_deref() == Some(name)) {
            Some(field) => self.thing(field.value),
            None if fields.iter().any(|field| field.is_splat) => None,
            None => Some(Thing::Unrelated),
        }
    }

    /// What is called. `require("openai")` is the module and its default at once.
    pub(crate) fn callable(&self, callee: Id) -> Option<Thing> {
        let thing = self.thing(callee)?;
        let Thing::Module(sdk) = thing else { return Some(thing) };
        match self.part(sdk, "default") {
            Some(Thing::Maker(sdk, client)) => Some(Thing::Maker(sdk, client)),
            _ => Some(thing),
        }
    }

    fn call(&self, callee: Id, args: &[Arg]) -> Option<Thing> {
        match self.callable(callee) {
            Some(Thing::Maker(sdk, client)) => self.maker_call(sdk, client, callee),
            Some(Thing::Builder(sdk, client)) => match self.form(callee) {
                Form::Member(_, name) if name == "build" => self.made(&Thing::Maker(sdk, client)),
                _ => Some(Thing::Builder(sdk, client)),
            },
            Some(Thing::Path { sdk, path, is_sure }) => self.path_call(sdk, path, is_sure),
            Some(Thing::Function(scope)) => self.result(scope),
            Some(Thing::Here(class)) => self.made(&Thing::Here(class)),
            Some(Thing::Unrelated) => Some(Thing::Unrelated),
            _ => self.wrapped(args),
        }
    }

    fn maker_call(&self, sdk: usize, client: usize, callee: Id) -> Option<Thing> {
        let is_builder = self.client(sdk, client).builder
            && matches!(self.form(callee), Form::Member(_, name) if name.ends_with("uilder"));
        if is_builder { Some(Thing::Builder(sdk, client)) } else { self.made(&Thing::Maker(sdk, client)) }
    }

    /// A method's result: the client again, or in Java the next step.
    fn path_call(&self, sdk: usize, path: String, is_sure: bool) -> Option<Thing> {
        let surface = self.rules.surface(sdk);
        let (before, last) = path.rsplit_once('.').unwrap_or(("", &path));
        if surface.keeps.iter().any(|keep| keep == last) {
            return Some(Thing::Path { sdk, path: before.to_owned(), is_sure });
        }
        let is_step = family(self.unit.language) == "java" && surface.method(&path, true).is_none();
        is_step.then_some(Thing::Path { sdk, path, is_sure })
    }

    /// The value that a function of this file returns.
    fn result(&self, function: Scope) -> Option<Thing> {
        let space = &self.unit.spaces[function as usize];
        let given = space.returns.iter().find_map(|id| self.thing(*id));
        given.or_else(|| self.of_type(space.result?, 0))
    }

    /// The result of an unknown call with a client as argument: most likely a wrapper with the same
    /// methods.
    fn wrapped(&self, args: &[Arg]) -> Option<Thing> {
        args.iter().find_map(|arg| {
            let thing = match self.thing(arg.value)? {
                Thing::Function(scope) => self.result(scope)?,
                other => other,
            };
            match thing {
                Thing::Path { sdk, path, .. } if path.is_empty() => Some(Thing::Path { sdk, path, is_sure: false }),
                _ => None,
            }
        })
    }
}

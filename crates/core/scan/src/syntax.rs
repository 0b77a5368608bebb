//! One file as expressions, names and scopes: what all languages have in common, and nothing else.
//!
//! # Rules
//! - The tree is walked by a cursor with our own stack, never by recursion. So no nesting exhausts
//!   the stack.
//! - An expression is built when its node is left, because its parts exist then.
//! - Nodes without meaning here (comments, comparisons, loops) have no expression, so nothing is
//!   found in them.

use crate::lang::Language;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use tree_sitter::{Node, ParseOptions, ParseState, Parser, Tree};

/// How often the parser may report progress before a file counts as unparsable. A report comes about every hundred steps, and
/// a megabyte of sound code needs some ten thousand; only error recovery on junk comes near.
const PROGRESS_MAX: u32 = 200_000;
/// Expressions of one file: far above what a file within the size bound can hold.
const EXPRS_MAX: usize = 4_000_000;

/// The number of an expression in its file.
pub(crate) type Id = u32;

/// The number of a scope in its file; 0 is the file itself.
pub(crate) type Scope = u32;

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    /// A variable.
    Name(String),
    /// `object.name`
    Member(Id, String),
    /// `object[key]`
    Index(Id, Id),
    /// A call or a construction.
    Call(Id, Vec<Arg>),
    /// A literal string without moving parts.
    Text(String),
    /// Strings put together: interpolation, `+`, formats.
    Joined(Vec<Id>),
    /// An object, a dictionary, a struct literal, keywords in braces.
    Record(Vec<Arg>),
    /// A list.
    List(Vec<Id>),
    /// One of these: `a or b`, `a ?? b`, `x ? a : b`, `A | B` among types.
    Either(Vec<Id>),
    /// A number or a truth value, as it stands.
    Scalar(String),
    /// None, null, nil, undefined.
    Null,
    /// A function written here, by its scope.
    Function(Scope),
    /// A class written here, by its scope.
    Class(Scope),
    /// What a module gives: its name, and what is taken from it (nothing: the module itself).
    Import(String, Option<String>),
}

/// One argument, field or entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Arg {
    /// Its name; positional arguments have none.
    pub(crate) name: Option<String>,
    /// Its value.
    pub(crate) value: Id,
    /// `**value`, `...value`
    pub(crate) is_splat: bool,
}

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) form: Form,
    pub(crate) scope: Scope,
    /// The first byte.
    pub(crate) start: usize,
    /// The byte after the last.
    pub(crate) end: usize,
}

/// A name that gets a value or a type.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    /// The byte from which on it holds.
    pub(crate) from: usize,
    /// Whether the value only stands in when a caller gives none.
    pub(crate) is_default: bool,
    pub(crate) value: Option<Id>,
    pub(crate) kind: Option<Id>,
}

/// What a scope belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScopeKind {
    File,
    Class,
    Function,
}

/// A file, a class or a function.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    pub(crate) room: ScopeKind,
    pub(crate) outer: Scope,
    /// Of a class: what it extends.
    pub(crate) bases: Vec<Id>,
    /// Of a function: what it returns.
    pub(crate) returns: Vec<Id>,
    /// Of a function: the type that it says to return.
    pub(crate) result: Option<Id>,
}

/// One file, read.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) language: Language,
    pub(crate) exprs: Vec<Expr>,
    pub(crate) spaces: Vec<Space>,
    /// By name and scope, in the order of the text. Fields stand in the scope of their class.
    pub(crate) bindings: HashMap<String, HashMap<Scope, Vec<Binding>>>,
    /// `from module import *`
    pub(crate) wildcards: Vec<String>,
    /// All modules that are named in imports, with what is taken from them and where.
    pub(crate) imports: Vec<(String, Option<String>, usize)>,
    /// Classes by name, for types.
    pub(crate) classes: HashMap<String, Scope>,
    /// Expressions that something is done with: arguments, values, entries, results.
    pub(crate) used: HashSet<Id>,
    /// Whether the parser met something that is not the language.
    pub(crate) has_errors: bool,
}

/// Reads a file; nothing when the parser gives up.
pub(crate) fn read(language: Language, text: &[u8]) -> Option<Unit> {
    let mut parser = Parser::new();
    parser.set_language(&language.grammar()).ok()?;
    let tree = parse(&mut parser, text)?;
    let mut builder = Builder::new(language, text);
    builder.walk(&tree);
    builder.unit.has_errors = tree.root_node().has_error();
    Some(builder.unit)
}

fn parse(parser: &mut Parser, text: &[u8]) -> Option<Tree> {
    let mut reports = 0;
    let mut progress = |_: &ParseState| {
        reports += 1;
        if reports > PROGRESS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let mut rest = |at: usize, _| text.get(at..).unwrap_or_default();
    parser.parse_with_options(&mut rest, None, Some(options))
}

/// Builds a [`Unit`] while the tree is walked. The languages say what their nodes mean.
pub(crate) struct Builder<'t> {
    pub(crate) unit: Unit,
    text: &'t [u8],
    /// Expressions by the tree's node.
    built: HashMap<usize, Id>,
    open: Vec<Scope>,
}

impl<'t> Builder<'t> {
    fn new(language: Language, text: &'t [u8]) -> Self {
        let file = Space { room: ScopeKind::File, outer: 0, bases: Vec::new(), returns: Vec::new(), result: None };
        let unit = Unit {
            language,
            exprs: Vec::new(),
            spaces: vec![file],
            bindings: HashMap::new(),
            wildcards: Vec::new(),
            imports: Vec::new(),
            classes: HashMap::new(),
            used: HashSet::new(),
            has_errors: false,
        };
        Self { unit, text, built: HashMap::new(), open: vec![0] }
    }

    fn walk(&mut self, tree: &'t Tree) {
        let language = self.unit.language;
        let mut cursor = tree.walk();
        let mut opened: Vec<(usize, Option<Scope>)> = Vec::new();
        loop {
            let node = cursor.node();
            let room = if node.is_named() { language.room(node) } else { None };
            opened.push((node.id(), room.map(|room| self.open(room))));
            if cursor.goto_first_child() {
                continue;
            }
            loop {
                let node = cursor.node();
                let scope = opened.pop().and_then(|(_, scope)| scope);
                if scope.is_some() {
                    self.open.pop();
                }
                if node.is_named() && self.unit.exprs.len() < EXPRS_MAX {
                    language.leave(self, node, scope);
                }
                if cursor.goto_next_sibling() {
                    break;
                }
                if !cursor.goto_parent() {
                    return;
                }
            }
        }
    }

    fn open(&mut self, room: ScopeKind) -> Scope {
        let outer = self.scope();
        let scope = self.unit.spaces.len() as Scope;
        self.unit.spaces.push(Space { room, outer, bases: Vec::new(), returns: Vec::new(), result: None });
        self.open.push(scope);
        scope
    }

    /// The scope that is open.
    pub(crate) fn scope(&self) -> Scope {
        self.open.last().copied().unwrap_or_default()
    }

    /// The class around, if any.
    pub(crate) fn class(&self) -> Option<Scope> {
        self.open.iter().rev().copied().find(|scope| self.unit.spaces[*scope as usize].room == ScopeKind::Class)
    }

    /// A node's text.
    pub(crate) fn text(&self, node: Node) -> String {
        String::from_utf8_lossy(self.text.get(node.byte_range()).unwrap_or_default()).into_owned()
    }

    /// The text of a node's field; empty when it has none.
    pub(crate) fn field_text(&self, node: Node, field: &str) -> String {
        node.child_by_field_name(field).map(|child| self.text(child)).unwrap_or_default()
    }

    /// The expression of a node that was left.
    pub(crate) fn of(&self, node: Node) -> Option<Id> {
        self.built.get(&node.id()).copied()
    }

    /// The expression of a node's field.
    pub(crate) fn field(&self, node: Node, field: &str) -> Option<Id> {
        self.of(node.child_by_field_name(field)?)
    }

    /// The expression of a node's field, or one that means nothing: a call on a thing unknown is still a call.
    pub(crate) fn field_or_null(&mut self, node: Node, field: &str) -> Id {
        match self.field(node, field) {
            Some(id) => id,
            None => self.push(node, Form::Null),
        }
    }

    /// The expressions of all named children that have one.
    pub(crate) fn children(&self, node: Node) -> Vec<Id> {
        named(node).into_iter().filter_map(|child| self.of(child)).collect()
    }

    /// Gives a node its expression.
    pub(crate) fn put(&mut self, node: Node, form: Form) -> Id {
        let id = self.push(node, form);
        self.built.insert(node.id(), id);
        id
    }

    /// An expression without a node of its own.
    pub(crate) fn push(&mut self, node: Node, form: Form) -> Id {
        match &form {
            Form::Call(_, args) | Form::Record(args) => self.unit.used.extend(args.iter().map(|arg| arg.value)),
            Form::Joined(parts) | Form::List(parts) | Form::Either(parts) => self.unit.used.extend(parts),
            Form::Index(_, key) => {
                self.unit.used.insert(*key);
            }
            _ => {}
        }
        let id = self.unit.exprs.len() as Id;
        let range = node.byte_range();
        self.unit.exprs.push(Expr { form, scope: self.scope(), start: range.start, end: range.end });
        id
    }

    /// Lets a node mean what its part means: parentheses, `await`, casts.
    pub(crate) fn same(&mut self, node: Node, part: Option<Id>) {
        if let Some(id) = part {
            self.built.insert(node.id(), id);
        }
    }

    /// Lets a node mean what its first meaningful child means.
    pub(crate) fn same_as_child(&mut self, node: Node) {
        let child = self.children(node).first().copied();
        self.same(node, child);
    }

    /// Gives a name a value or a type, in the scope that is open.
    pub(crate) fn bind(&mut self, node: Node, name: String, value: Option<Id>, kind: Option<Id>) {
        self.bind_in(self.scope(), node, name, value, kind);
    }

    /// Gives a name a value or a type, in a scope.
    pub(crate) fn bind_in(&mut self, scope: Scope, node: Node, name: String, value: Option<Id>, kind: Option<Id>) {
        self.unit.used.extend(value);
        let from = value.map_or(node.start_byte(), |id| self.unit.exprs[id as usize].end);
        let binding = Binding { from, is_default: false, value, kind };
        self.unit.bindings.entry(name).or_default().entry(scope).or_default().push(binding);
    }

    /// Gives a parameter its type and the value that it has when a caller gives none.
    pub(crate) fn bind_parameter(&mut self, node: Node, name: &str, value: Option<Id>, kind: Option<Id>) {
        self.bind(node, name.to_owned(), value, kind);
        let scope = self.scope();
        let bindings = self.unit.bindings.get_mut(name).and_then(|scopes| scopes.get_mut(&scope));
        if let Some(binding) = bindings.and_then(|list| list.last_mut()) {
            binding.is_default = true;
            binding.from = node.start_byte();
        }
    }

    /// Takes in an import: `local` is what the file calls it.
    pub(crate) fn import(&mut self, node: Node, local: String, module: &str, symbol: Option<&str>) {
        let id = self.push(node, Form::Import(module.to_owned(), symbol.map(str::to_owned)));
        self.unit.imports.push((module.to_owned(), symbol.map(str::to_owned), node.start_byte()));
        self.bind(node, local, Some(id), None);
    }

    /// Assigns to whatever stands on the left: a name, a field of the own object, or a member of a variable.
    pub(crate) fn assign(&mut self, left: Node, value: Option<Id>, kind: Option<Id>) {
        let Some(target) = self.of(left) else { return };
        self.assign_to(target, left, value, kind);
    }

    fn assign_to(&mut self, target: Id, node: Node, value: Option<Id>, kind: Option<Id>) {
        match self.unit.exprs[target as usize].form.clone() {
            Form::Name(name) => self.bind(node, name, value, kind),
            Form::Member(object, field) => {
                let Form::Name(owner) = &self.unit.exprs[object as usize].form else {
                    self.unit.used.extend(value);
                    return;
                };
                match self.class() {
                    Some(class) if self.unit.language.is_own_object(owner) => {
                        self.bind_in(class, node, field, value, kind);
                    }
                    _ => self.bind(node, format!("{owner}.{field}"), value, kind),
                }
            }
            _ => self.unit.used.extend(value),
        }
    }

    /// Adds a result to the function that is open.
    pub(crate) fn give_back(&mut self, value: Option<Id>) {
        let Some(id) = value else { return };
        self.unit.used.insert(id);
        let function =
            self.open.iter().rev().copied().find(|at| self.unit.spaces[*at as usize].room == ScopeKind::Function);
        if let Some(function) = function {
            self.unit.spaces[function as usize].returns.push(id);
        }
    }

    /// A string from its pieces; `moving` are the kinds of nodes that hold expressions.
    pub(crate) fn put_string(&mut self, node: Node, pieces: &[&str], moving: &[&str]) {
        let parts = named(node);
        if !parts.iter().any(|part| moving.contains(&part.kind())) {
            let text: String =
                parts.iter().filter(|part| pieces.contains(&part.kind())).map(|part| self.text(*part)).collect();
            self.put(node, Form::Text(text));
            return;
        }
        let mut ids = Vec::new();
        for part in parts {
            if moving.contains(&part.kind()) {
                let inner = self.children(part).first().copied();
                ids.push(inner.unwrap_or_else(|| self.push(part, Form::Null)));
            } else if pieces.contains(&part.kind()) {
                let text = self.text(part);
                ids.push(self.push(part, Form::Text(text)));
            }
        }
        self.put(node, Form::Joined(ids));
    }
}

/// A node's named children. Comments are nobody's children here.
pub(crate) fn named(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|child| !child.is_extra()).collect()
}

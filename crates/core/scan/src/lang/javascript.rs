//! JavaScript, and what TypeScript shares with it.

use crate::syntax::{Arg, Builder, Form, Scope, ScopeKind, named};
use tree_sitter::Node;

pub(super) fn room(kind: &str) -> Option<ScopeKind> {
    match kind {
        "class_declaration" | "class" | "abstract_class_declaration" => Some(ScopeKind::Class),
        "function_declaration"
        | "function_expression"
        | "arrow_function"
        | "method_definition"
        | "generator_function"
        | "generator_function_declaration" => Some(ScopeKind::Function),
        _ => None,
    }
}

pub(super) fn leave(b: &mut Builder<'_>, node: Node, scope: Option<Scope>) {
    match node.kind() {
        "identifier" | "this" | "import" | "shorthand_property_identifier" => {
            let name = b.text(node);
            b.put(node, Form::Name(name));
        }
        "number" | "true" | "false" => {
            let text = b.text(node);
            b.put(node, Form::Scalar(text));
        }
        "null" | "undefined" => {
            b.put(node, Form::Null);
        }
        "string" => b.put_string(node, &["string_fragment"], &[]),
        "template_string" => b.put_string(node, &["string_fragment"], &["template_substitution"]),
        "member_expression" => {
            let object = b.field_or_null(node, "object");
            let name = b.field_text(node, "property");
            b.put(node, Form::Member(object, name));
        }
        "subscript_expression" => {
            let object = b.field_or_null(node, "object");
            let key = b.field_or_null(node, "index");
            b.put(node, Form::Index(object, key));
        }
        "call_expression" => call(b, node, "function"),
        "new_expression" => call(b, node, "constructor"),
        "object" => {
            let entries = entries(b, node);
            b.put(node, Form::Record(entries));
        }
        "array" => {
            let items = b.children(node);
            b.put(node, Form::List(items));
        }
        "binary_expression" => operator(b, node),
        "ternary_expression" => {
            let sides = ["consequence", "alternative"].iter().filter_map(|side| b.field(node, side)).collect();
            b.put(node, Form::Either(sides));
        }
        "await_expression" | "parenthesized_expression" | "spread_element" | "sequence_expression" => {
            b.same_as_child(node);
        }
        "variable_declarator" => declare(b, node),
        "assignment_expression" => {
            let value = b.field(node, "right");
            if let Some(left) = node.child_by_field_name("left") {
                b.assign(left, value, None);
            }
            b.same(node, value);
        }
        "field_definition" => field(b, node, "property"),
        "return_statement" => {
            let value = b.children(node).first().copied();
            b.give_back(value);
        }
        "import_statement" => import(b, node),
        "formal_parameters" => parameters(b, node),
        _ if scope.is_some() => define(b, node, scope),
        _ => {}
    }
}

fn call(b: &mut Builder<'_>, node: Node, callee: &str) {
    let callee = b.field_or_null(node, callee);
    let list = node.child_by_field_name("arguments").filter(|list| list.kind() == "arguments");
    let mut args = Vec::new();
    for child in list.map(named).unwrap_or_default() {
        let value = b.of(child).unwrap_or_else(|| b.push(child, Form::Null));
        args.push(Arg { name: None, value, is_splat: child.kind() == "spread_element" });
    }
    if let Some(module) = required(b, callee, &args) {
        b.unit.imports.push((module.clone(), None, node.start_byte()));
        b.put(node, Form::Import(module, None));
        return;
    }
    b.put(node, Form::Call(callee, args));
}

fn entries(b: &mut Builder<'_>, node: Node) -> Vec<Arg> {
    let mut entries = Vec::new();
    for child in named(node) {
        let (name, value, is_splat) = match child.kind() {
            "pair" => (Some(key(b, child, "key")), b.field(child, "value"), false),
            "shorthand_property_identifier" => (Some(b.text(child)), b.of(child), false),
            "spread_element" => (None, b.of(child), true),
            _ => continue,
        };
        let value = value.unwrap_or_else(|| b.push(child, Form::Null));
        entries.push(Arg { name, value, is_splat });
    }
    entries
}

/// A key without its quotes.
fn key(b: &Builder<'_>, node: Node, field: &str) -> String {
    b.field_text(node, field).trim_matches(['"', '\'', '`']).to_owned()
}

fn operator(b: &mut Builder<'_>, node: Node) {
    let sides = vec![b.field_or_null(node, "left"), b.field_or_null(node, "right")];
    match b.field_text(node, "operator").as_str() {
        "+" => b.put(node, Form::Joined(sides)),
        "||" | "??" => b.put(node, Form::Either(sides)),
        _ => return,
    };
}

fn declare(b: &mut Builder<'_>, node: Node) {
    let value = b.field(node, "value");
    let kind = b.field(node, "type");
    let Some(target) = node.child_by_field_name("name") else { return };
    if target.kind() != "object_pattern" {
        b.assign(target, value, kind);
        return;
    }
    let module = value.and_then(|value| match &b.unit.exprs[value as usize].form {
        Form::Import(module, None) => Some(module.clone()),
        _ => None,
    });
    for child in named(target) {
        let (taken, local) = match child.kind() {
            "shorthand_property_identifier_pattern" => (b.text(child), b.text(child)),
            "pair_pattern" => (key(b, child, "key"), b.field_text(child, "value")),
            _ => continue,
        };
        match (&module, value) {
            (Some(module), _) => b.import(node, local, module, Some(&taken)),
            (None, Some(value)) => {
                let part = b.push(child, Form::Member(value, taken));
                b.bind(child, local, Some(part), None);
            }
            (None, None) => b.bind(child, local, None, None),
        }
    }
}

/// The module of `require("m")` or `import("m")`.
fn required(b: &Builder<'_>, callee: u32, args: &[Arg]) -> Option<String> {
    let form = |id: u32| &b.unit.exprs[id as usize].form;
    let Form::Name(name) = form(callee) else { return None };
    let Form::Text(module) = form(args.first()?.value) else { return None };
    matches!(name.as_str(), "require" | "import").then(|| module.clone())
}

/// A field of a class with its value, and with its type where there are types.
pub(super) fn field(b: &mut Builder<'_>, node: Node, name: &str) {
    let (name, value, kind) = (b.field_text(node, name), b.field(node, "value"), b.field(node, "type"));
    b.bind(node, name, value, kind);
}

fn import(b: &mut Builder<'_>, node: Node) {
    // `import OpenAI = require("openai")` of TypeScript.
    if let Some(clause) = named(node).into_iter().find(|child| child.kind() == "import_require_clause") {
        let local = named(clause).first().map(|name| b.text(*name)).unwrap_or_default();
        let module = key(b, clause, "source");
        b.import(node, local, &module, None);
        return;
    }
    let module = key(b, node, "source");
    let Some(clause) = named(node).into_iter().find(|child| child.kind() == "import_clause") else {
        b.unit.imports.push((module, None, node.start_byte()));
        return;
    };
    for child in named(clause) {
        match child.kind() {
            "identifier" => {
                let local = b.text(child);
                b.import(node, local, &module, Some("default"));
            }
            "namespace_import" => {
                let local = named(child).first().map(|name| b.text(*name)).unwrap_or_default();
                b.import(node, local, &module, None);
            }
            "named_imports" => {
                for one in named(child).into_iter().filter(|one| one.kind() == "import_specifier") {
                    let taken = b.field_text(one, "name");
                    let alias = b.field_text(one, "alias");
                    let local = if alias.is_empty() { taken.clone() } else { alias };
                    b.import(node, local, &module, Some(&taken));
                }
            }
            _ => {}
        }
    }
}

fn parameters(b: &mut Builder<'_>, node: Node) {
    for child in named(node) {
        match child.kind() {
            "identifier" => {
                let name = b.text(child);
                b.bind(child, name, None, None);
            }
            "assignment_pattern" => {
                let (name, value) = (b.field_text(child, "left"), b.field(child, "right"));
                b.bind_parameter(child, &name, value, None);
            }
            _ => {}
        }
    }
}

/// A function or a class, now that its body was read.
fn define(b: &mut Builder<'_>, node: Node, scope: Option<Scope>) {
    let Some(scope) = scope else { return };
    let name = b.field_text(node, "name");
    if room(node.kind()) == Some(ScopeKind::Class) {
        let bases = named(node).into_iter().find(|child| child.kind() == "class_heritage");
        b.unit.spaces[scope as usize].bases = bases.map(|list| heritage(b, list)).unwrap_or_default();
        b.unit.classes.insert(name.clone(), scope);
        let id = b.put(node, Form::Class(scope));
        b.bind(node, name, Some(id), None);
        return;
    }
    if let Some(body) = node.child_by_field_name("body").and_then(|body| b.of(body)) {
        b.unit.spaces[scope as usize].returns.push(body);
        b.unit.used.insert(body);
    }
    b.unit.spaces[scope as usize].result = b.field(node, "return_type");
    if let Some(parameter) = node.child_by_field_name("parameter") {
        let name = b.text(parameter);
        b.bind_in(scope, parameter, name, None, None);
    }
    let id = b.put(node, Form::Function(scope));
    if !name.is_empty() {
        b.bind(node, name, Some(id), None);
    }
}

/// What a class extends. TypeScript has one more node between.
fn heritage(b: &Builder<'_>, list: Node) -> Vec<u32> {
    let mut bases = b.children(list);
    for clause in named(list).into_iter().filter(|child| child.kind() == "extends_clause") {
        bases.extend(b.field(clause, "value"));
    }
    bases
}

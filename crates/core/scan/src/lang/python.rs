//! Python.

use crate::syntax::{Arg, Builder, Form, Scope, ScopeKind, named};
use tree_sitter::Node;

pub(super) fn room(kind: &str) -> Option<ScopeKind> {
    match kind {
        "class_definition" => Some(ScopeKind::Class),
        "function_definition" | "lambda" => Some(ScopeKind::Function),
        _ => None,
    }
}

pub(super) fn leave(b: &mut Builder<'_>, node: Node, scope: Option<Scope>) {
    match node.kind() {
        "identifier" => {
            let name = b.text(node);
            b.put(node, Form::Name(name));
        }
        "integer" | "float" | "true" | "false" => {
            let text = b.text(node);
            b.put(node, Form::Scalar(text));
        }
        "none" => {
            b.put(node, Form::Null);
        }
        "string" => b.put_string(node, &["string_content"], &["interpolation"]),
        "attribute" => {
            let object = b.field_or_null(node, "object");
            let name = b.field_text(node, "attribute");
            b.put(node, Form::Member(object, name));
        }
        "subscript" => {
            let object = b.field_or_null(node, "value");
            let key = b.field_or_null(node, "subscript");
            b.put(node, Form::Index(object, key));
        }
        "generic_type" => index_type(b, node),
        "call" => call(b, node),
        "dictionary" => {
            let entries = entries(b, node);
            b.put(node, Form::Record(entries));
        }
        "list" | "tuple" | "set" => {
            let items = b.children(node);
            b.put(node, Form::List(items));
        }
        "concatenated_string" => {
            let parts = b.children(node);
            b.put(node, Form::Joined(parts));
        }
        "binary_operator" => operator(b, node),
        "boolean_operator" | "conditional_expression" | "union_type" => {
            let sides = b.children(node);
            b.put(node, Form::Either(sides));
        }
        "await" | "parenthesized_expression" | "type" | "dictionary_splat" | "list_splat" => b.same_as_child(node),
        "assignment" => assignment(b, node),
        "named_expression" => {
            let value = b.field(node, "value");
            if let Some(name) = node.child_by_field_name("name") {
                b.assign(name, value, None);
            }
            b.same(node, value);
        }
        "as_pattern" => as_pattern(b, node),
        "return_statement" | "yield" => {
            let value = b.children(node).first().copied();
            b.give_back(value);
        }
        "import_statement" | "import_from_statement" => import(b, node),
        "typed_parameter" | "default_parameter" | "typed_default_parameter" => parameter(b, node),
        "parameters" | "lambda_parameters" => {
            for name in named(node).into_iter().filter(|child| child.kind() == "identifier") {
                let text = b.text(name);
                b.bind(name, text, None, None);
            }
        }
        "function_definition" | "class_definition" => definition(b, node, scope),
        _ => {}
    }
}

fn call(b: &mut Builder<'_>, node: Node) {
    let callee = b.field_or_null(node, "function");
    let mut args = Vec::new();
    for child in node.child_by_field_name("arguments").map(named).unwrap_or_default() {
        let is_keyword = child.kind() == "keyword_argument";
        let value = if is_keyword { b.field(child, "value") } else { b.of(child) };
        let value = value.unwrap_or_else(|| b.push(child, Form::Null));
        let name = is_keyword.then(|| b.field_text(child, "name"));
        args.push(Arg { name, value, is_splat: child.kind() == "dictionary_splat" });
    }
    b.put(node, Form::Call(callee, args));
}

fn entries(b: &mut Builder<'_>, node: Node) -> Vec<Arg> {
    let mut entries = Vec::new();
    for child in named(node) {
        if child.kind() == "dictionary_splat" {
            let value = b.of(child).unwrap_or_else(|| b.push(child, Form::Null));
            entries.push(Arg { name: None, value, is_splat: true });
        } else if child.kind() == "pair" {
            let Some(key) = b.field(child, "key") else { continue };
            let Form::Text(name) = b.unit.exprs[key as usize].form.clone() else { continue };
            let value = b.field_or_null(child, "value");
            entries.push(Arg { name: Some(name), value, is_splat: false });
        }
    }
    entries
}

/// `Optional[Client]`, as the grammar reads it among types.
fn index_type(b: &mut Builder<'_>, node: Node) {
    let parts = named(node);
    let inner = parts.get(1).map(|part| b.children(*part)).and_then(|types| types.first().copied());
    let outer = parts.first().and_then(|part| b.of(*part));
    match (outer, inner) {
        (Some(outer), Some(inner)) => {
            b.put(node, Form::Index(outer, inner));
        }
        (one, other) => b.same(node, one.or(other)),
    }
}

fn operator(b: &mut Builder<'_>, node: Node) {
    let sides = vec![b.field_or_null(node, "left"), b.field_or_null(node, "right")];
    match b.field_text(node, "operator").as_str() {
        "+" => b.put(node, Form::Joined(sides)),
        "|" => b.put(node, Form::Either(sides)),
        _ => return,
    };
}

fn assignment(b: &mut Builder<'_>, node: Node) {
    let value = b.field(node, "right");
    let kind = b.field(node, "type");
    if let Some(left) = node.child_by_field_name("left") {
        b.assign(left, value, kind);
    }
    b.same(node, value);
}

/// `with value as name`
fn as_pattern(b: &mut Builder<'_>, node: Node) {
    let value = b.children(node).first().copied();
    let target = node.child_by_field_name("alias").and_then(|alias| named(alias).first().copied());
    if let Some(target) = target {
        b.assign(target, value, None);
    }
    b.same(node, value);
}

fn import(b: &mut Builder<'_>, node: Node) {
    let module = node.child_by_field_name("module_name");
    let from = module.map(|module| b.text(module));
    for child in named(node) {
        if Some(child.id()) == module.map(|module| module.id()) {
            continue;
        }
        match (child.kind(), &from) {
            ("wildcard_import", Some(from)) => {
                b.unit.imports.push((from.clone(), None, node.start_byte()));
                b.unit.wildcards.push(from.clone());
            }
            ("aliased_import" | "dotted_name", _) => {
                let is_aliased = child.kind() == "aliased_import";
                let name = if is_aliased { b.field_text(child, "name") } else { b.text(child) };
                let local = if is_aliased { b.field_text(child, "alias") } else { name.clone() };
                match &from {
                    Some(from) => b.import(node, local, from, Some(&name)),
                    None => plain_import(b, node, &name, local, is_aliased),
                }
            }
            _ => {}
        }
    }
}

/// `import a.b` gives the name `a`, `import a.b as c` gives `a.b` the name `c`.
fn plain_import(b: &mut Builder<'_>, node: Node, name: &str, local: String, is_aliased: bool) {
    if is_aliased {
        b.import(node, local, name, None);
        return;
    }
    let first = name.split('.').next().unwrap_or(name).to_owned();
    if first != name {
        b.unit.imports.push((name.to_owned(), None, node.start_byte()));
    }
    b.import(node, first.clone(), &first, None);
}

fn parameter(b: &mut Builder<'_>, node: Node) {
    let name = node.child_by_field_name("name").or_else(|| named(node).first().copied());
    let Some(name) = name.filter(|name| name.kind() == "identifier") else { return };
    let (text, value, kind) = (b.text(name), b.field(node, "value"), b.field(node, "type"));
    b.bind_parameter(node, &text, value, kind);
}

fn definition(b: &mut Builder<'_>, node: Node, scope: Option<Scope>) {
    let Some(scope) = scope else { return };
    let name = b.field_text(node, "name");
    if node.kind() == "class_definition" {
        let bases = node.child_by_field_name("superclasses").map(|list| b.children(list)).unwrap_or_default();
        b.unit.spaces[scope as usize].bases = bases;
        b.unit.classes.insert(name.clone(), scope);
        let id = b.push(node, Form::Class(scope));
        b.bind(node, name, Some(id), None);
        return;
    }
    b.unit.spaces[scope as usize].result = b.field(node, "return_type");
    let id = b.push(node, Form::Function(scope));
    b.bind(node, name, Some(id), None);
}

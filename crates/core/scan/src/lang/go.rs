//! Go.

use crate::syntax::{Arg, Builder, Form, Id, Scope, ScopeKind, named};
use tree_sitter::Node;

pub(super) fn room(kind: &str) -> Option<ScopeKind> {
    match kind {
        "type_spec" => Some(ScopeKind::Class),
        "function_declaration" | "method_declaration" | "func_literal" => Some(ScopeKind::Function),
        _ => None,
    }
}

pub(super) fn leave(b: &mut Builder<'_>, node: Node, scope: Option<Scope>) {
    match node.kind() {
        "identifier" | "type_identifier" | "package_identifier" => {
            let name = b.text(node);
            b.put(node, Form::Name(name));
        }
        "int_literal" | "float_literal" | "true" | "false" => {
            let text = b.text(node);
            b.put(node, Form::Scalar(text));
        }
        "nil" => {
            b.put(node, Form::Null);
        }
        "interpreted_string_literal" => b.put_string(node, &["interpreted_string_literal_content"], &[]),
        "raw_string_literal" => b.put_string(node, &["raw_string_literal_content"], &[]),
        "selector_expression" => member(b, node, "operand", "field"),
        "qualified_type" => member(b, node, "package", "name"),
        "index_expression" => {
            let object = b.field_or_null(node, "operand");
            let key = b.field_or_null(node, "index");
            b.put(node, Form::Index(object, key));
        }
        "call_expression" | "type_conversion_expression" => call(b, node),
        "composite_literal" => {
            let body = node.child_by_field_name("body").and_then(|body| b.of(body));
            let kind = b.field(node, "type");
            composite(b, node, body, kind);
        }
        "literal_value" => literal(b, node),
        "binary_expression" if b.field_text(node, "operator") == "+" => {
            let sides = vec![b.field_or_null(node, "left"), b.field_or_null(node, "right")];
            b.put(node, Form::Joined(sides));
        }
        "unary_expression"
        | "parenthesized_expression"
        | "literal_element"
        | "pointer_type"
        | "type_assertion_expression"
        | "variadic_argument" => b.same_as_child(node),
        "expression_list" => {
            let items = b.children(node);
            b.put(node, Form::List(items));
        }
        "short_var_declaration" | "assignment_statement" => assign(b, node),
        "var_spec" | "const_spec" => declare(b, node),
        "return_statement" => {
            let values = named(node).first().map(|list| b.children(*list)).unwrap_or_default();
            for value in values {
                b.give_back(Some(value));
            }
        }
        "import_spec" => import(b, node),
        "parameter_declaration" | "field_declaration" => typed_names(b, node),
        _ if scope.is_some() => define(b, node, scope),
        _ => {}
    }
}

fn member(b: &mut Builder<'_>, node: Node, object: &str, name: &str) {
    let object = b.field_or_null(node, object);
    let name = b.field_text(node, name);
    b.put(node, Form::Member(object, name));
}

fn call(b: &mut Builder<'_>, node: Node) {
    let callee = b.field_or_null(node, "function");
    let mut args = Vec::new();
    for child in node.child_by_field_name("arguments").map(named).unwrap_or_default() {
        let value = b.of(child).unwrap_or_else(|| b.push(child, Form::Null));
        args.push(Arg { name: None, value, is_splat: false });
    }
    b.put(node, Form::Call(callee, args));
}

/// `T{...}` counts as its entries. An empty or positional one is a construction of T.
fn composite(b: &mut Builder<'_>, node: Node, body: Option<Id>, kind: Option<Id>) {
    match (body, kind) {
        (Some(body), Some(kind)) => {
            let of = b.push(node, Form::Call(kind, vec![Arg { name: None, value: body, is_splat: false }]));
            b.same(node, Some(of));
        }
        (body, _) => b.same(node, body),
    }
}

fn literal(b: &mut Builder<'_>, node: Node) {
    let mut entries = Vec::new();
    let mut items = Vec::new();
    for child in named(node) {
        if child.kind() != "keyed_element" {
            items.extend(b.of(child));
            continue;
        }
        let sides = named(child);
        let (Some(key), Some(value)) = (sides.first(), sides.get(1)) else { continue };
        let name = b.text(*key).trim_matches(['"', '`']).to_owned();
        let value = b.of(*value).unwrap_or_else(|| b.push(child, Form::Null));
        entries.push(Arg { name: Some(name), value, is_splat: false });
    }
    if items.is_empty() {
        b.put(node, Form::Record(entries))
    } else {
        b.put(node, Form::List(items))
    };
}

fn assign(b: &mut Builder<'_>, node: Node) {
    let names = node.child_by_field_name("left").map(named).unwrap_or_default();
    let values = node.child_by_field_name("right").map(|list| b.children(list)).unwrap_or_default();
    for (at, name) in names.iter().enumerate() {
        // `client, err := f()`: the first name has the value, the others are unknown.
        b.assign(*name, values.get(at).copied(), None);
    }
}

fn declare(b: &mut Builder<'_>, node: Node) {
    let mut cursor = node.walk();
    let names: Vec<Node> = node.children_by_field_name("name", &mut cursor).collect();
    let values = node.child_by_field_name("value").map(|list| b.children(list)).unwrap_or_default();
    let kind = b.field(node, "type");
    for (at, name) in names.iter().enumerate() {
        let text = b.text(*name);
        b.bind(*name, text, values.get(at).copied(), kind);
    }
}

fn import(b: &mut Builder<'_>, node: Node) {
    let path = b.field_text(node, "path").trim_matches(['"', '`']).to_owned();
    let alias = b.field_text(node, "name");
    let local = if alias.is_empty() { package(&path) } else { alias };
    b.import(node, local, &path, None);
}

/// What a package calls itself, by its path: without a version, and without the `go-` or `-go` that repositories wear.
fn package(path: &str) -> String {
    let is_version = |part: &str| {
        part.strip_prefix('v').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    let last = path.rsplit('/').find(|part| !is_version(part)).unwrap_or(path);
    let last = last.strip_prefix("go-").unwrap_or(last);
    last.strip_suffix("-go").unwrap_or(last).to_owned()
}

/// Parameters, and the fields of a struct, whose scope is open.
fn typed_names(b: &mut Builder<'_>, node: Node) {
    let kind = b.field(node, "type");
    let mut cursor = node.walk();
    let names: Vec<Node> = node.children_by_field_name("name", &mut cursor).collect();
    for name in names {
        let text = b.text(name);
        b.bind(name, text, None, kind);
    }
}

fn define(b: &mut Builder<'_>, node: Node, scope: Option<Scope>) {
    let Some(scope) = scope else { return };
    let name = b.field_text(node, "name");
    if node.kind() == "type_spec" {
        b.unit.classes.insert(name.clone(), scope);
        let id = b.push(node, Form::Class(scope));
        b.bind(node, name, Some(id), None);
        return;
    }
    b.unit.spaces[scope as usize].result = result(b, node);
    let id = b.put(node, Form::Function(scope));
    if node.kind() == "function_declaration" {
        b.bind(node, name, Some(id), None);
    }
}

/// The first type that a function returns.
fn result(b: &Builder<'_>, node: Node) -> Option<Id> {
    let result = node.child_by_field_name("result")?;
    if result.kind() != "parameter_list" {
        return b.of(result);
    }
    b.field(named(result).first().copied()?, "type")
}

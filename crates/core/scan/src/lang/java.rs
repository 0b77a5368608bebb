//! Java.

use crate::syntax::{Arg, Builder, Form, Scope, ScopeKind, named};
use tree_sitter::Node;

pub(super) fn room(kind: &str) -> Option<ScopeKind> {
    match kind {
        "class_declaration" | "record_declaration" | "enum_declaration" | "interface_declaration" => {
            Some(ScopeKind::Class)
        }
        "method_declaration" | "constructor_declaration" | "lambda_expression" => Some(ScopeKind::Function),
        _ => None,
    }
}

pub(super) fn leave(b: &mut Builder<'_>, node: Node, scope: Option<Scope>) {
    match node.kind() {
        "identifier" | "type_identifier" | "this" => {
            let name = b.text(node);
            b.put(node, Form::Name(name));
        }
        "decimal_integer_literal" | "decimal_floating_point_literal" | "true" | "false" => {
            let text = b.text(node);
            b.put(node, Form::Scalar(text));
        }
        "null_literal" => {
            b.put(node, Form::Null);
        }
        "string_literal" => b.put_string(node, &["string_fragment", "multiline_string_fragment"], &[]),
        "field_access" => {
            let object = b.field_or_null(node, "object");
            let name = b.field_text(node, "field");
            b.put(node, Form::Member(object, name));
        }
        "scoped_type_identifier" | "scoped_identifier" => scoped(b, node),
        "generic_type" | "parenthesized_expression" => b.same_as_child(node),
        "cast_expression" => {
            let value = b.field(node, "value");
            b.same(node, value);
        }
        "method_invocation" => invoke(b, node),
        "object_creation_expression" => {
            let callee = b.field_or_null(node, "type");
            let args = arguments(b, node);
            b.put(node, Form::Call(callee, args));
        }
        "array_initializer" => {
            let items = b.children(node);
            b.put(node, Form::List(items));
        }
        "binary_expression" if b.field_text(node, "operator") == "+" => {
            let sides = vec![b.field_or_null(node, "left"), b.field_or_null(node, "right")];
            b.put(node, Form::Joined(sides));
        }
        "ternary_expression" => {
            let sides = ["consequence", "alternative"].iter().filter_map(|side| b.field(node, side)).collect();
            b.put(node, Form::Either(sides));
        }
        "assignment_expression" => {
            let value = b.field(node, "right");
            if let Some(left) = node.child_by_field_name("left") {
                b.assign(left, value, None);
            }
            b.same(node, value);
        }
        "local_variable_declaration" | "field_declaration" => declare(b, node),
        "formal_parameter" | "resource" => {
            let (name, value, kind) = (b.field_text(node, "name"), b.field(node, "value"), b.field(node, "type"));
            b.bind(node, name, value, kind);
        }
        "element_value_pair" | "annotation_argument_list" => {
            let values = b.children(node);
            b.unit.used.extend(values);
        }
        "return_statement" => {
            let value = b.children(node).first().copied();
            b.give_back(value);
        }
        "import_declaration" => import(b, node),
        _ if scope.is_some() => define(b, node, scope),
        _ => {}
    }
}

/// `a.b.C`
fn scoped(b: &mut Builder<'_>, node: Node) {
    let name = named(node).last().map(|last| b.text(*last)).unwrap_or_default();
    if let Some(outer) = b.children(node).first().copied() {
        b.put(node, Form::Member(outer, name));
    }
}

/// A call; without an object it is one on the class around.
fn invoke(b: &mut Builder<'_>, node: Node) {
    let name = b.field_text(node, "name");
    let callee = match b.field(node, "object") {
        Some(object) => Form::Member(object, name),
        None if node.child_by_field_name("object").is_some() => {
            let unknown = b.push(node, Form::Null);
            Form::Member(unknown, name)
        }
        None => Form::Name(name),
    };
    let callee = b.push(node, callee);
    let args = arguments(b, node);
    b.put(node, Form::Call(callee, args));
}

fn arguments(b: &mut Builder<'_>, node: Node) -> Vec<Arg> {
    let mut args = Vec::new();
    for child in node.child_by_field_name("arguments").map(named).unwrap_or_default() {
        let value = b.of(child).unwrap_or_else(|| b.push(child, Form::Null));
        args.push(Arg { name: None, value, is_splat: false });
    }
    args
}

fn declare(b: &mut Builder<'_>, node: Node) {
    let kind = b.field(node, "type");
    let mut cursor = node.walk();
    let declared: Vec<Node> = node.children_by_field_name("declarator", &mut cursor).collect();
    for one in declared {
        let (name, value) = (b.field_text(one, "name"), b.field(one, "value"));
        b.bind(one, name, value, kind);
    }
}

/// `import a.b.C` gives `C` of `a.b`; `import a.b.*` may give anything of `a.b`.
fn import(b: &mut Builder<'_>, node: Node) {
    let parts = named(node);
    let Some(path) = parts.first().map(|path| b.text(*path)) else { return };
    if parts.iter().any(|part| part.kind() == "asterisk") {
        b.unit.imports.push((path.clone(), None, node.start_byte()));
        b.unit.wildcards.push(path);
        return;
    }
    let (module, name) = path.rsplit_once('.').unwrap_or(("", &path));
    b.import(node, name.to_owned(), module, Some(name));
}

fn define(b: &mut Builder<'_>, node: Node, scope: Option<Scope>) {
    let Some(scope) = scope else { return };
    let name = b.field_text(node, "name");
    if room(node.kind()) == Some(ScopeKind::Class) {
        let bases = node.child_by_field_name("superclass").map(|list| b.children(list)).unwrap_or_default();
        b.unit.spaces[scope as usize].bases = bases;
        b.unit.classes.insert(name.clone(), scope);
        let id = b.push(node, Form::Class(scope));
        b.bind(node, name, Some(id), None);
        return;
    }
    if node.kind() == "lambda_expression" {
        let body = b.field(node, "body");
        b.unit.spaces[scope as usize].returns.extend(body);
    }
    b.unit.spaces[scope as usize].result = b.field(node, "type");
    let id = b.put(node, Form::Function(scope));
    if node.kind() == "method_declaration" {
        b.bind(node, name, Some(id), None);
    }
}

//! TypeScript: JavaScript with types, and two grammars, as `<T>x` is a cast in one and a tag in the other.

use super::javascript;
use crate::syntax::{Builder, Form, Scope, named};
use tree_sitter::Node;

pub(super) fn grammar() -> tree_sitter::Language {
    tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into()
}

pub(super) fn grammar_with_tags() -> tree_sitter::Language {
    tree_sitter_typescript::LANGUAGE_TSX.into()
}

pub(super) fn leave(b: &mut Builder<'_>, node: Node, scope: Option<Scope>) {
    match node.kind() {
        "type_identifier" => {
            let name = b.text(node);
            b.put(node, Form::Name(name));
        }
        "nested_type_identifier" => {
            let outer = b.field_or_null(node, "module");
            let name = b.field_text(node, "name");
            b.put(node, Form::Member(outer, name));
        }
        "generic_type" => {
            let outer = b.field_or_null(node, "name");
            let inner = node.child_by_field_name("type_arguments").and_then(|list| b.children(list).first().copied());
            match inner {
                Some(inner) => b.put(node, Form::Index(outer, inner)),
                None => b.put(node, Form::Index(outer, outer)),
            };
        }
        "union_type" => {
            let sides = b.children(node);
            b.put(node, Form::Either(sides));
        }
        "type_annotation" | "as_expression" | "satisfies_expression" | "non_null_expression" => b.same_as_child(node),
        "public_field_definition" => javascript::field(b, node, "name"),
        "required_parameter" | "optional_parameter" => parameter(b, node),
        "enum_declaration" => enumeration(b, node),
        _ => javascript::leave(b, node, scope),
    }
}

/// A parameter; one with `private`, `readonly` and the like is a field of its class too.
fn parameter(b: &mut Builder<'_>, node: Node) {
    let name = b.field_text(node, "pattern");
    let (value, kind) = (b.field(node, "value"), b.field(node, "type"));
    let mut cursor = node.walk();
    let is_field =
        node.children(&mut cursor).any(|child| matches!(child.kind(), "accessibility_modifier" | "readonly"));
    if let Some(class) = b.class().filter(|_| is_field) {
        b.bind_in(class, node, name.clone(), value, kind);
    }
    b.bind_parameter(node, &name, value, kind);
}

/// `enum Model { Small = "name" }`: members are found as fields are.
fn enumeration(b: &mut Builder<'_>, node: Node) {
    let name = b.field_text(node, "name");
    let mut entries = Vec::new();
    for member in node.child_by_field_name("body").map(named).unwrap_or_default() {
        if member.kind() == "enum_assignment"
            && let Some(value) = b.field(member, "value")
        {
            let name = Some(b.field_text(member, "name"));
            entries.push(crate::syntax::Arg { name, value, is_splat: false });
        }
    }
    let id = b.put(node, Form::Record(entries));
    b.bind(node, name, Some(id), None);
}

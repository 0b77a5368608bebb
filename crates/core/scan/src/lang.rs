//! The languages: which files they have, and what their nodes mean.

mod go;
mod java;
mod javascript;
mod python;
mod typescript;

use crate::syntax::{Builder, Scope, ScopeKind};
use serde::Serialize;
use std::fmt;
use tree_sitter::Node;

/// A language whose syntax is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Python 3.
    Python,
    /// JavaScript, JSX included.
    JavaScript,
    /// TypeScript.
    TypeScript,
    /// TypeScript with JSX.
    Tsx,
    /// Go.
    Go,
    /// Java.
    Java,
}

impl Language {
    /// The language of a file, by its extension.
    pub fn of_path(path: &str) -> Option<Self> {
        let (_, end) = path.rsplit_once('.')?;
        Some(match end.to_ascii_lowercase().as_str() {
            "py" | "pyi" | "pyw" => Self::Python,
            "js" | "mjs" | "cjs" | "jsx" => Self::JavaScript,
            "ts" | "mts" | "cts" => Self::TypeScript,
            "tsx" => Self::Tsx,
            "go" => Self::Go,
            "java" => Self::Java,
            _ => return None,
        })
    }

    /// Its name in rules and reports. The two forms of TypeScript are one language for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::TypeScript | Self::Tsx => "typescript",
            Self::Go => "go",
            Self::Java => "java",
        }
    }

    pub(crate) fn grammar(self) -> tree_sitter::Language {
        match self {
            Self::Python => tree_sitter_python::LANGUAGE.into(),
            Self::JavaScript => tree_sitter_javascript::LANGUAGE.into(),
            Self::TypeScript => typescript::grammar(),
            Self::Tsx => typescript::grammar_with_tags(),
            Self::Go => tree_sitter_go::LANGUAGE.into(),
            Self::Java => tree_sitter_java::LANGUAGE.into(),
        }
    }

    /// Whether a node opens a scope.
    pub(crate) fn room(self, node: Node) -> Option<ScopeKind> {
        match self {
            Self::Python => python::room(node.kind()),
            Self::JavaScript | Self::TypeScript | Self::Tsx => javascript::room(node.kind()),
            Self::Go => go::room(node.kind()),
            Self::Java => java::room(node.kind()),
        }
    }

    /// Takes in a node whose children were taken in; `scope` is the one that it opened and that is closed now.
    pub(crate) fn leave(self, builder: &mut Builder<'_>, node: Node, scope: Option<Scope>) {
        match self {
            Self::Python => python::leave(builder, node, scope),
            Self::JavaScript => javascript::leave(builder, node, scope),
            Self::TypeScript | Self::Tsx => typescript::leave(builder, node, scope),
            Self::Go => go::leave(builder, node, scope),
            Self::Java => java::leave(builder, node, scope),
        }
    }

    /// What an object calls itself.
    pub(crate) fn is_own_object(self, name: &str) -> bool {
        match self {
            Self::Python => matches!(name, "self" | "cls"),
            Self::Go => false,
            _ => name == "this",
        }
    }

    /// Whether a name alone can mean a field of the class around it.
    pub(crate) fn sees_fields(self) -> bool {
        self == Self::Java
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

//! How much work a schema may cause.
//!
//! A schema of a few kilobytes can cause unbounded work: a reference to itself, or thirty
//! definitions of which each refers twice to the next. So it is walked once before it is compiled.
//! The walk counts nodes, depth, references (inside the schema only), cycles that never go deeper
//! into the response, and the nodes after all references are followed. A cycle that does go deeper
//! (a tree) is legitimate; then the depth of each response bounds the work.

use super::Why;
use serde_json::Value;
use std::collections::HashMap;

/// Maximum number of values in a schema.
const NODES_MAX: usize = 20_000;
/// Maximum depth of a schema.
const DEPTH_MAX: usize = 64;
/// Maximum number of nodes of a schema after every reference is followed.
const EXPANDED_MAX: u64 = 1_000_000;
/// Maximum length of a chain of definitions that refer one to the next.
const CHAIN_MAX: usize = 128;
/// Maximum number of visits of one check of a recursive schema.
const VISITS_MAX: u64 = 10_000_000;

/// The measurements of a schema.
#[derive(Debug)]
pub(super) struct Bounds {
    /// How often a definition may begin anew within one expansion; 0 when the schema is not
    /// recursive.
    fan_out: u64,
}

impl Bounds {
    /// Returns whether `answer` may be checked.
    pub(super) fn allow(&self, answer: &Value) -> Result<(), Why> {
        if self.fan_out < 2 {
            return Ok(());
        }
        let levels = u32::try_from(depth(answer)).unwrap_or(u32::MAX);
        if self.fan_out.checked_pow(levels).is_some_and(|visits| visits <= VISITS_MAX) {
            return Ok(());
        }
        Err(Why::new(
            "",
            format!("the answer is nested too deeply ({levels} levels) to be checked against this recursive schema"),
        ))
    }
}

/// Walks a schema, and refuses one that cannot be bounded.
pub(super) fn measure(schema: &Value) -> Result<Bounds, Why> {
    let mut nodes = 0;
    size(schema, 0, &mut nodes)?;
    let mut walk = Walk { root: schema, measured: HashMap::new(), open: Vec::new() };
    let whole = walk.follow("#")?;
    if whole.nodes > EXPANDED_MAX {
        return Err(Why::new(
            "",
            format!("the schema grows to more than {EXPANDED_MAX} nodes when its references are followed"),
        ));
    }
    let mut circles = Circles { root: schema, seen: HashMap::new(), chain: 0 };
    circles.look("#")?;
    let fan_out = walk.measured.values().map(|extent| extent.restarts).max().unwrap_or(0);
    Ok(Bounds { fan_out })
}

fn size(value: &Value, level: usize, nodes: &mut usize) -> Result<(), Why> {
    *nodes += 1;
    if *nodes > NODES_MAX {
        return Err(Why::new("", format!("the schema has more than {NODES_MAX} values")));
    }
    if level > DEPTH_MAX {
        return Err(Why::new("", format!("the schema is nested more than {DEPTH_MAX} levels deep")));
    }
    children(value).try_for_each(|(_, child)| size(child, level + 1, nodes))
}

/// The depth of a value. Values come from a parser that bounds it, so recursion is safe.
fn depth(value: &Value) -> usize {
    children(value).map(|(_, child)| depth(child) + 1).max().unwrap_or(0)
}

fn children(value: &Value) -> Box<dyn Iterator<Item = (Option<&str>, &Value)> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter().map(|item| (None, item))),
        Value::Object(members) => Box::new(members.iter().map(|(name, member)| (Some(name.as_str()), member))),
        _ => Box::new(std::iter::empty()),
    }
}

/// Keywords whose schemas apply to a part of the response. All others are assumed to apply to the
/// same value again.
const DEEPER: [&str; 9] = [
    "properties",
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "contains",
];
/// Keywords without a schema to follow in place: definitions are followed from references, and the
/// others hold plain values.
const PASSIVE: [&str; 6] = ["$defs", "definitions", "enum", "const", "default", "examples"];

/// Keywords whose members are schemas under the client's own names, which must not be read as
/// keywords.
const NAMED: [&str; 5] = ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];

/// The size of a schema after its references are followed.
#[derive(Clone, Copy)]
struct Extent {
    nodes: u64,
    /// Places where a definition that is being followed begins anew: the branching of a recursive
    /// schema.
    restarts: u64,
}

/// One walk along the references. Each definition is measured once, so the walk is as long as the
/// schema.
struct Walk<'a> {
    root: &'a Value,
    measured: HashMap<*const Value, Extent>,
    open: Vec<*const Value>,
}

impl<'a> Walk<'a> {
    fn measure(&mut self, schema: &'a Value) -> Result<Extent, Why> {
        let mut sum = Extent { nodes: 1, restarts: 0 };
        for part in parts(schema) {
            let extent = match part {
                SchemaChild::Reference(reference) => self.follow(reference)?,
                SchemaChild::Schema { schema, .. } => self.measure(schema)?,
                SchemaChild::Dynamic => {
                    return Err(Why::new("", "dynamic references are not supported; use $ref with #/..."));
                }
            };
            sum.nodes = sum.nodes.saturating_add(extent.nodes);
            sum.restarts = sum.restarts.saturating_add(extent.restarts);
        }
        Ok(sum)
    }

    fn follow(&mut self, reference: &str) -> Result<Extent, Why> {
        let target = resolve(self.root, reference)?;
        let place = std::ptr::from_ref(target);
        if self.open.contains(&place) {
            return Ok(Extent { nodes: 1, restarts: 1 });
        }
        if let Some(&extent) = self.measured.get(&place) {
            return Ok(extent);
        }
        if self.open.len() >= CHAIN_MAX {
            return Err(too_long_a_chain());
        }
        self.open.push(place);
        let extent = self.measure(target)?;
        self.open.pop();
        self.measured.insert(place, extent);
        Ok(extent)
    }
}

fn too_long_a_chain() -> Why {
    Why::new("", format!("the schema's references form a chain of more than {CHAIN_MAX}"))
}

/// Finds cycles that return to a definition while still at the same value of the response.
struct Circles<'a> {
    root: &'a Value,
    /// Definitions that were begun; `true` once they are finished.
    seen: HashMap<*const Value, bool>,
    /// Definitions between the first and this one.
    chain: usize,
}

impl<'a> Circles<'a> {
    fn look(&mut self, reference: &str) -> Result<(), Why> {
        let target = resolve(self.root, reference)?;
        let place = std::ptr::from_ref(target);
        match self.seen.get(&place) {
            Some(true) => return Ok(()),
            Some(false) => {
                return Err(Why::new(
                    "",
                    format!("the reference {reference:?} leads back to itself without going deeper into the answer"),
                ));
            }
            None => {}
        }
        if self.chain >= CHAIN_MAX {
            return Err(too_long_a_chain());
        }
        self.seen.insert(place, false);
        self.chain += 1;
        let mut later = Vec::new();
        self.same_value(target, &mut later)?;
        self.seen.insert(place, true);
        later.into_iter().try_for_each(|reference| self.look_apart(reference))?;
        self.chain -= 1;
        Ok(())
    }

    /// Follows the references that apply to the same value. Those that apply to a part of it are
    /// put into `later`.
    fn same_value(&mut self, schema: &'a Value, later: &mut Vec<&'a str>) -> Result<(), Why> {
        for part in parts(schema) {
            match part {
                SchemaChild::Reference(reference) => self.look(reference)?,
                SchemaChild::Schema { schema, deeper: false } => self.same_value(schema, later)?,
                SchemaChild::Schema { schema, deeper: true } => references(schema, later),
                SchemaChild::Dynamic => {}
            }
        }
        Ok(())
    }

    /// Begins a new path: a reference from a deeper value forms no cycle with the definitions that
    /// are being followed.
    fn look_apart(&mut self, reference: &str) -> Result<(), Why> {
        let place = std::ptr::from_ref(resolve(self.root, reference)?);
        if self.seen.contains_key(&place) { Ok(()) } else { self.look(reference) }
    }
}

/// Every reference within a schema.
fn references<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
    for part in parts(schema) {
        match part {
            SchemaChild::Reference(reference) => found.push(reference),
            SchemaChild::Schema { schema, .. } => references(schema, found),
            SchemaChild::Dynamic => {}
        }
    }
}

/// The kinds of children of a schema.
enum SchemaChild<'a> {
    Reference(&'a str),
    Schema { schema: &'a Value, deeper: bool },
    Dynamic,
}

fn parts(schema: &Value) -> Vec<SchemaChild<'_>> {
    let mut found = Vec::new();
    for (name, child) in children(schema) {
        let deeper = name.is_some_and(|name| DEEPER.contains(&name));
        match (name, child) {
            (Some("$ref"), Value::String(reference)) => found.push(SchemaChild::Reference(reference)),
            (Some("$dynamicRef" | "$recursiveRef"), _) => found.push(SchemaChild::Dynamic),
            (Some(name), _) if PASSIVE.contains(&name) => {}
            (Some(name), Value::Object(members)) if NAMED.contains(&name) => {
                found.extend(members.values().map(|schema| SchemaChild::Schema { schema, deeper }));
            }
            (_, Value::Object(_) | Value::Array(_)) => found.push(SchemaChild::Schema { schema: child, deeper }),
            _ => {}
        }
    }
    found
}

fn resolve<'a>(root: &'a Value, reference: &str) -> Result<&'a Value, Why> {
    let Some(pointer) = reference.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
        return Err(Why::new("", format!("the reference {reference:?} leaves the schema; only #/... is supported")));
    };
    let found = root.pointer(pointer).or_else(|| root.pointer(&percent_decoded(pointer)?));
    found.ok_or_else(|| Why::new("", format!("the reference {reference:?} leads nowhere")))
}

/// Decodes a pointer in a URI fragment, which may be percent-encoded. `None` if the result is not
/// UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high)? * 16 + hex(*low)?);
                after
            }
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    String::from_utf8(bytes).ok()
}

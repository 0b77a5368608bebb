//! Whether two values are equal, by the schema that both were written for.
//!
//! # Rules
//! - A number is a number in any notation, and spaces in a text do not count.
//! - The order of a list counts, unless its items are unique.
//! - An absent member is its default. Null equals absent if the member is optional.
//! - Without a schema the values' own types decide.

use serde_json::{Map, Value};

/// Levels of a value that are compared. Deeper ones must be identical.
const DEPTH_MAX: usize = 64;
/// Maximum number of items of an unordered list. Matching them takes the square of it.
const UNORDERED_MAX: usize = 512;
/// Maximum number of references that are followed in a chain.
const REFERENCES_MAX: usize = 16;

/// Whether `one` and `other` are equal under `schema`.
pub fn equal(schema: Option<&Value>, one: &Value, other: &Value) -> bool {
    Compare { root: schema }.same(schema, one, other, 0)
}

struct Compare<'s> {
    root: Option<&'s Value>,
}

impl<'s> Compare<'s> {
    fn same(&self, schema: Option<&'s Value>, one: &Value, other: &Value, level: usize) -> bool {
        if level >= DEPTH_MAX {
            return one == other;
        }
        let schema = self.follow(schema);
        match (one, other) {
            (Value::Object(one), Value::Object(other)) => self.same_members(schema, one, other, level),
            (Value::Array(one), Value::Array(other)) => self.same_items(schema, one, other, level),
            (Value::String(one), Value::String(other)) => one.split_whitespace().eq(other.split_whitespace()),
            _ => one == other || is_same_number(one, other, schema),
        }
    }

    fn same_members(
        &self,
        schema: Option<&'s Value>,
        one: &Map<String, Value>,
        other: &Map<String, Value>,
        level: usize,
    ) -> bool {
        one.keys().chain(other.keys().filter(|name| !one.contains_key(*name))).all(|name| {
            let member = schema.and_then(|schema| schema.get("properties")?.get(name));
            let is_required = schema
                .and_then(|schema| schema.get("required")?.as_array())
                .is_some_and(|names| names.iter().any(|required| required.as_str() == Some(name)));
            let default = self.follow(member).and_then(|member| member.get("default"));
            let said = |side: &'_ Map<String, Value>| -> Option<Value> {
                side.get(name).filter(|value| is_required || !value.is_null()).or(default).cloned()
            };
            match (said(one), said(other)) {
                (Some(one), Some(other)) => self.same(member, &one, &other, level + 1),
                (None, None) => true,
                _ => false,
            }
        })
    }

    fn same_items(&self, schema: Option<&'s Value>, one: &[Value], other: &[Value], level: usize) -> bool {
        if one.len() != other.len() {
            return false;
        }
        let item = schema.and_then(|schema| schema.get("items"));
        let is_set = schema.and_then(|schema| schema.get("uniqueItems")?.as_bool()) == Some(true);
        if !is_set || one.len() > UNORDERED_MAX {
            return one.iter().zip(other).all(|(one, other)| self.same(item, one, other, level + 1));
        }
        let mut left: Vec<&Value> = other.iter().collect();
        one.iter().all(|value| {
            let found = left.iter().position(|candidate| self.same(item, value, candidate, level + 1));
            found.map(|place| left.swap_remove(place)).is_some()
        })
    }

    /// The schema that a reference leads to, within the root.
    fn follow(&self, schema: Option<&'s Value>) -> Option<&'s Value> {
        let mut schema = schema?;
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return Some(schema) };
            schema = self.root?.pointer(reference.strip_prefix('#')?)?;
        }
        None
    }
}

/// Compares numbers in any notation, also in quotes if the schema says that it is a number.
fn is_same_number(one: &Value, other: &Value, schema: Option<&Value>) -> bool {
    let kind = schema.and_then(|schema| schema.get("type")?.as_str());
    let is_number = matches!(kind, Some("number" | "integer"));
    let read = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if is_number => text.trim().parse().ok(),
        _ => None,
    };
    // Whole numbers beyond what a float holds were compared to the digit before.
    match (read(one), read(other)) {
        (Some(a), Some(b)) if one.is_i64() && other.is_i64() => a.to_bits() == b.to_bits() && one == other,
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn values_are_compared_by_their_schema() {
        let schema = json!({"type": "object", "required": ["city"], "properties": {
            "city": {"type": "string"}, "days": {"type": "integer", "default": 3}, "unit": {"$ref": "#/$defs/unit"},
            "tags": {"type": "array", "uniqueItems": true}, "path": {"type": "array", "items": {"type": "number"}}},
            "$defs": {"unit": {"type": "string", "default": "C"}}});
        let same = |one: Value, other: Value| equal(Some(&schema), &one, &other);
        assert!(same(json!({"city": " Xi'an "}), json!({"city": "Xi'an", "days": 3.0, "unit": "C"})));
        assert!(same(json!({"city": "a", "days": null}), json!({"city": "a", "days": "3"})));
        assert!(same(json!({"city": "a", "tags": ["x", "y"]}), json!({"city": "a", "tags": ["y", "x"]})));
        assert!(same(json!({"city": "a", "path": [1, 2.5]}), json!({"city": "a", "path": [1.0, 2.5]})));
        assert!(same(json!({"city": "a", "extra": null}), json!({"city": "a"})));
        assert!(!same(json!({"city": "a", "path": [1, 2]}), json!({"city": "a", "path": [2, 1]})));
        assert!(!same(json!({"city": "a", "days": 4}), json!({"city": "a"})));
        assert!(!same(json!({"city": "a"}), json!({"city": "A"})));
        assert!(!same(json!({"city": null}), json!({})));
        assert!(!same(json!({"city": "a", "tags": ["x", "x"]}), json!({"city": "a", "tags": ["x", "y"]})));
    }

    #[test]
    fn without_a_schema_the_values_decide() {
        assert!(equal(None, &json!({"a": [1, {"b": "x  y"}]}), &json!({"a": [1.0, {"b": "x y"}]})));
        assert!(!equal(None, &json!({"a": "1"}), &json!({"a": 1})));
        assert!(!equal(None, &json!(9_007_199_254_740_993_i64), &json!(9_007_199_254_740_992_i64)));
        assert!(equal(Some(&json!({"$ref": "#"})), &json!(1), &json!(1)), "a circle ends");
    }

    proptest! {
        #[test]
        fn a_value_equals_itself_in_any_nesting(depth in 0_usize..200, number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            let mut value = json!(number);
            for _ in 0..depth {
                value = json!([value]);
            }
            prop_assert!(equal(None, &value, &value));
        }
    }
}

//! Expectations of a set: lines of JSON, each for one request (`id`) or for all of a route (`route`).

use banjia_parity::{Expect, Expectation};
use banjia_types::RouteName;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;

/// What answers must fulfil, by request and by route.
#[derive(Debug, Default)]
pub struct Expectations {
    by_id: HashMap<String, Vec<Arc<Expectation>>>,
    by_route: HashMap<String, Vec<Arc<Expectation>>>,
}

/// A line that is no expectation.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is not an expectation: {said}")]
pub struct ExpectationError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub said: String,
}

impl Expectations {
    /// Reads lines such as `{"id": "r1", "contains": "Paris"}` or `{"route": "chat", "regex": "^[^<]*$"}`; empty ones are passed
    /// over. Several for the same request all hold.
    ///
    /// # Errors
    /// Every line that cannot be used.
    pub fn read_lines(from: impl BufRead) -> Result<Self, Vec<ExpectationError>> {
        let (mut read, mut errors) = (Self::default(), Vec::new());
        for (number, line) in from.lines().enumerate() {
            let taken = match line {
                Ok(line) if line.trim().is_empty() => Ok(()),
                Ok(line) => read.take(&line),
                Err(error) => Err(error.to_string()),
            };
            if let Err(said) = taken {
                errors.push(ExpectationError { line: number + 1, said });
            }
        }
        if errors.is_empty() { Ok(read) } else { Err(errors) }
    }

    fn take(&mut self, line: &str) -> Result<(), String> {
        let mut members: Map<String, Value> = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let (id, route) = (members.remove("id"), members.remove("route"));
        let expect: Expect = serde_json::from_value(Value::Object(members)).map_err(|error| error.to_string())?;
        let expectation = Arc::new(expect.compile().map_err(|why| why.to_string())?);
        let (into, name) = match (id, route) {
            (Some(Value::String(id)), None) => (&mut self.by_id, id),
            (None, Some(Value::String(route))) => (&mut self.by_route, route),
            _ => return Err("it names either a request (\"id\") or a route (\"route\"), as a text".to_owned()),
        };
        into.entry(name).or_default().push(expectation);
        Ok(())
    }

    /// Those of a request.
    pub fn of(&self, id: &str, route: &RouteName) -> Vec<Arc<Expectation>> {
        let own = self.by_id.get(id).into_iter().flatten();
        own.chain(self.by_route.get(route.as_str()).into_iter().flatten()).cloned().collect()
    }

    /// The requests that are named, so that a misspelt id is found.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().map(String::as_str)
    }
}

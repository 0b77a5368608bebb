//! A request body whose untouched parts keep their bytes.
//!
//! Rules:
//! - Members keep their order.
//! - A member is parsed when it is read, and printed again only if it was changed.
//!
//! Why: only so do numbers beyond 64 bits, exotic spellings of floats and the order of schemas
//! survive.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;

/// One JSON value: its text, its text and meaning, or a meaning that replaced the text.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Raw(Box<RawValue>),
    Seen(Box<RawValue>, Value),
    Own(Value),
    List(Vec<Cell>),
}

impl Cell {
    /// The value, to look at.
    pub(crate) fn read(&mut self) -> &Value {
        match self {
            Self::Raw(raw) => {
                let value = parse(raw);
                *self = Self::Seen(raw.clone(), value);
            }
            Self::List(cells) => {
                let values = cells.iter_mut().map(|cell| cell.read().clone()).collect();
                *self = Self::Own(Value::Array(values));
            }
            Self::Seen(..) | Self::Own(_) => {}
        }
        match self {
            Self::Seen(_, value) | Self::Own(value) => value,
            Self::Raw(_) | Self::List(_) => &Value::Null,
        }
    }

    /// The value, to change: it will be printed anew.
    pub(crate) fn edit(&mut self) -> &mut Value {
        if !matches!(self, Self::Own(_)) {
            let value = self.read().clone();
            *self = Self::Own(value);
        }
        let Self::Own(value) = self else { unreachable!("the line above made it so") };
        value
    }

    /// Changes members of an object and leaves the text of the others as it is. Anything but an
    /// object stays untouched.
    pub(crate) fn members(&mut self, change: impl FnOnce(&mut Body)) {
        let text = match self {
            Self::Raw(raw) | Self::Seen(raw, _) => raw.get().to_owned(),
            Self::Own(value) => value.to_string(),
            Self::List(_) => return,
        };
        let Ok(mut body) = serde_json::from_str::<Body>(&text) else { return };
        change(&mut body);
        let text = String::from_utf8(body.print()).ok();
        if let Some(raw) = text.and_then(|text| RawValue::from_string(text).ok()) {
            *self = Self::Raw(raw);
        }
    }

    /// A string member of an object, copied.
    pub(crate) fn text(&mut self, member: &str) -> Option<String> {
        self.read().get(member).and_then(Value::as_str).map(str::to_owned)
    }

    fn is_null(&self) -> bool {
        match self {
            Self::Raw(raw) | Self::Seen(raw, _) => raw.get() == "null",
            Self::Own(value) => value.is_null(),
            Self::List(_) => false,
        }
    }

    fn print(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(raw) | Self::Seen(raw, _) => out.extend_from_slice(raw.get().as_bytes()),
            Self::Own(value) => print(value, out),
            Self::List(cells) => {
                out.push(b'[');
                for (at, cell) in cells.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    cell.print(out);
                }
                out.push(b']');
            }
        }
    }
}

/// A request body: its top-level members in the client's order.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    members: Vec<(String, Cell)>,
}

impl Body {
    /// Reads the top level of an object. Members that are `null` are left out.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let mut body: Self = serde_json::from_slice(bytes)?;
        body.members.retain(|(_, cell)| !cell.is_null());
        Ok(body)
    }

    fn cell(&mut self, name: &str) -> Option<&mut Cell> {
        self.members.iter_mut().find(|(member, _)| member == name).map(|(_, cell)| cell)
    }

    /// Whether there is such a member.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, _)| member == name)
    }

    /// A member's value.
    pub(crate) fn get(&mut self, name: &str) -> Option<&Value> {
        self.cell(name).map(Cell::read)
    }

    /// Replaces a member in its place, or adds it at the end.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        match self.cell(name) {
            Some(cell) => *cell = Cell::Own(value),
            None => self.members.push((name.to_owned(), Cell::Own(value))),
        }
    }

    /// Takes a member out.
    pub(crate) fn remove(&mut self, name: &str) {
        self.members.retain(|(member, _)| member != name);
    }

    /// Changes a member that is an object, its own members one by one.
    pub(crate) fn inside(&mut self, name: &str, change: impl FnOnce(&mut Self)) {
        if let Some(cell) = self.cell(name) {
            cell.members(change);
        }
    }

    /// Takes out every member that is `null`, but the one called `keep`.
    pub(crate) fn drop_nulls(&mut self, keep: &str) {
        self.members.retain(|(name, cell)| name == keep || !cell.is_null());
    }

    /// Gives a member another name; one that had the new name before is replaced.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        self.remove(to);
        if let Some((name, _)) = self.members.iter_mut().find(|(member, _)| member == from) {
            to.clone_into(name);
        }
    }

    /// The items of a list member, each on its own; `None` when it is absent or no list.
    pub(crate) fn list(&mut self, name: &str) -> Option<&mut Vec<Cell>> {
        let cell = self.cell(name)?;
        match cell {
            Cell::Raw(raw) | Cell::Seen(raw, _) => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(raw.get()).ok()?;
                *cell = Cell::List(items.into_iter().map(Cell::Raw).collect());
            }
            Cell::Own(Value::Array(items)) => {
                *cell = Cell::List(std::mem::take(items).into_iter().map(Cell::Own).collect());
            }
            Cell::Own(_) => return None,
            Cell::List(_) => {}
        }
        match cell {
            Cell::List(items) => Some(items),
            _ => None,
        }
    }

    /// The body as JSON text.
    pub(crate) fn print(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.push(b'{');
        for (at, (name, cell)) in self.members.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            print(name, &mut out);
            out.push(b':');
            cell.print(&mut out);
        }
        out.push(b'}');
        out
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Body;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
                let mut members = Vec::new();
                while let Some((name, raw)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push((name, Cell::Raw(raw)));
                }
                Ok(Body { members })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

fn parse(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or(Value::Null)
}

fn print<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a JSON value prints into memory");
}

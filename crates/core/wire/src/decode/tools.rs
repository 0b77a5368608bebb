//! Tool calls, numbered and named as the client knows them.
//!
//! Rules:
//! - Each call has one id, one index, one name and whole arguments.
//! - A new id is a new call. An id without a name beside it continues the call of its index.
//! - A piece without an id belongs to the call of its index, or to the latest one, unless its name
//!   shows that a new call begins.
//! - Only the first piece of a call has id, type and name. It waits until the name is whole: until
//!   arguments come, another call begins or the choice ends.
//! - A call without an id gets one that is made of the request and the answer.
//! - A call without arguments has `{}`, and one without a name is the vendor's failure.
//!
//! Why by id: some vendors document no index, and some repeat index 0.
//! Why the first piece waits: SDKs read the name of the first piece only, or add up all of them.

use super::identity::Identity;
use crate::classify::VendorError;
use banjia_types::hash::{fnv1a, spread};
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

/// The most tool calls of one choice that are kept count of.
const CALLS_MAX: usize = 1024;
/// Arguments of a call that has none.
const NO_ARGUMENTS: &str = "{}";

/// The parts of which the ids and names of one choice's calls are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Naming<'a> {
    /// Tools that went by another name: (name sent, client's name).
    pub(super) renamed: &'a [(String, String)],
    /// The request that is answered: ids of different requests differ.
    pub(super) identity: Identity,
    /// The vendor's id of the answer.
    pub(super) answer_id: &'a str,
    /// The index of the choice.
    pub(super) choice: u64,
}

impl Naming<'_> {
    fn id(&self, index: usize) -> String {
        let place = [self.choice.to_le_bytes(), (index as u64).to_le_bytes()].concat();
        format!(
            "call_{:016x}",
            spread(fnv1a(fnv1a(self.identity.request.sample_seed(), self.answer_id.as_bytes()), &place))
        )
    }

    fn own(&self, name: &str) -> String {
        let renamed = self.renamed.iter().find(|(sent, _)| sent == name);
        renamed.map_or(name, |(_, own)| own).to_owned()
    }
}

/// The calls of one choice, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
}

#[derive(Debug, Default)]
struct Call {
    /// The vendor's id; empty if it gave none so far.
    id: String,
    vendor_index: Option<u64>,
    name: String,
    /// The first piece, as long as it waits for the rest of the name.
    held: Option<Map<String, Value>>,
    has_arguments: bool,
    /// True if its first arguments were whole, so that what follows is another call.
    is_whole: bool,
}

/// One piece of a call, taken apart.
struct Piece {
    members: Map<String, Value>,
    id: String,
    vendor_index: Option<u64>,
    name: String,
    arguments: String,
}

impl Calls {
    /// The pieces of one delta as the client may see them.
    pub(super) fn mend(&mut self, pieces: Vec<Value>, naming: &Naming<'_>) -> Result<Vec<Value>, VendorError> {
        let (mut out, mut touched) = (Vec::with_capacity(pieces.len()), Vec::new());
        for piece in pieces {
            let Value::Object(members) = piece else { continue };
            if is_of_another_kind(&members) {
                out.push(members.into());
                continue;
            }
            let piece = Piece::read(members);
            let index = match self.place(&piece, &touched) {
                Some(index) => index,
                None => self.begin(naming, &mut out)?,
            };
            touched.push(index);
            self.take(index, piece, naming, &mut out);
        }
        Ok(out)
    }

    /// Returns the pieces that are still to be sent when the choice ends.
    pub(super) fn finish(&mut self, reason: &str, naming: &Naming<'_>) -> Result<Vec<Value>, VendorError> {
        let arguments = if reason == "length" { "" } else { NO_ARGUMENTS };
        let mut out = Vec::new();
        for index in 0..self.calls.len() {
            let call = &mut self.calls[index];
            if call.name.is_empty() {
                return Err(nameless());
            }
            if call.held.is_some() {
                self.open(index, arguments, naming, &mut out);
            } else if !call.has_arguments && !arguments.is_empty() {
                out.push(json!({"index": index, "function": {"arguments": arguments}}));
            }
        }
        Ok(out)
    }

    /// A call that the client has seen the beginning of, and perhaps arguments.
    pub(super) fn opened(&mut self, id: String, name: String) {
        let vendor_index = Some(self.calls.len() as u64);
        self.calls.push(Call { id, vendor_index, name, has_arguments: true, ..Call::default() });
    }

    /// The call that a piece continues; `None` if it begins one. `touched` are the calls that had a
    /// piece in the same delta.
    fn place(&self, piece: &Piece, touched: &[usize]) -> Option<usize> {
        let calls = &self.calls;
        let same_index = |call: &Call| piece.vendor_index.is_some() && call.vendor_index == piece.vendor_index;
        if !piece.id.is_empty() {
            let known = |call: &Call| {
                call.id == piece.id && (piece.name.is_empty() || piece.vendor_index.is_none() || same_index(call))
            };
            // The id may come after the first piece, or change with every piece.
            let goes_on = |call: &Call| {
                let is_unnamed = call.id.is_empty() && call.held.is_some() && call.name.is_empty();
                same_index(call) && (is_unnamed || piece.name.is_empty() && !call.name.is_empty())
            };
            return calls.iter().rposition(known).or_else(|| calls.iter().rposition(goes_on));
        }
        let found = match piece.vendor_index {
            Some(_) => calls.iter().rposition(same_index)?,
            None => calls.len().checked_sub(1)?,
        };
        let call = &calls[found];
        let begins = !piece.name.is_empty()
            && (touched.contains(&found)
                || call.is_whole && !piece.arguments.is_empty()
                || call.held.is_none() && call.name != piece.name);
        (!begins).then_some(found)
    }

    fn begin(&mut self, naming: &Naming<'_>, out: &mut Vec<Value>) -> Result<usize, VendorError> {
        if self.calls.len() >= CALLS_MAX {
            return Err(VendorError::server(format!("the vendor's stream has more than {CALLS_MAX} tool calls")));
        }
        if let Some(last) = self.calls.len().checked_sub(1).filter(|last| !self.calls[*last].name.is_empty()) {
            self.open(last, "", naming, out);
        }
        self.calls.push(Call { held: Some(Map::new()), ..Call::default() });
        Ok(self.calls.len() - 1)
    }

    /// Adds a piece to its call.
    fn take(&mut self, index: usize, mut piece: Piece, naming: &Naming<'_>, out: &mut Vec<Value>) {
        let call = &mut self.calls[index];
        let Some(held) = &mut call.held else {
            call.has_arguments |= !piece.arguments.is_empty();
            piece.members.insert("index".into(), index.into());
            set_arguments(&mut piece.members, piece.arguments);
            out.push(piece.members.into());
            return;
        };
        for (name, value) in piece.members {
            held.entry(name).or_insert(value);
        }
        if call.id.is_empty() {
            call.id = piece.id;
        }
        call.vendor_index = call.vendor_index.or(piece.vendor_index);
        join_name(&mut call.name, &piece.name);
        if !piece.arguments.is_empty() && !call.name.is_empty() {
            let is_object = piece.arguments.starts_with('{');
            call.is_whole = is_object && serde_json::from_str::<IgnoredAny>(&piece.arguments).is_ok();
            self.open(index, &piece.arguments, naming, out);
        } else if !piece.arguments.is_empty() {
            // The name comes after the arguments, which wait with it.
            let before = call.held.as_mut().and_then(|held| held.shift_remove("arguments"));
            let before = before.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
            if let Some(held) = &mut call.held {
                held.insert("arguments".into(), (before + &piece.arguments).into());
            }
        }
    }

    /// Sends the first piece of a call if it still waits.
    fn open(&mut self, index: usize, arguments: &str, naming: &Naming<'_>, out: &mut Vec<Value>) {
        let id = self.id_of(index, naming);
        let call = &mut self.calls[index];
        let Some(mut members) = call.held.take() else { return };
        let kept = members.shift_remove("arguments").and_then(|kept| kept.as_str().map(str::to_owned));
        let arguments = match kept {
            Some(kept) if arguments == NO_ARGUMENTS => kept,
            Some(kept) => kept + arguments,
            None => arguments.to_owned(),
        };
        call.has_arguments |= !arguments.is_empty();
        members.shift_remove("index");
        let mut piece = Map::new();
        piece.insert("index".into(), index.into());
        piece.append(&mut function_call(members, &id, &naming.own(&call.name), arguments));
        out.push(piece.into());
    }

    /// The vendor's id of a call if it has one of its own, or a made one.
    fn id_of(&self, index: usize, naming: &Naming<'_>) -> String {
        let id = &self.calls[index].id;
        let is_taken = self.calls[..index].iter().any(|call| call.id == *id);
        if id.is_empty() || is_taken { naming.id(index) } else { id.clone() }
    }
}

impl Piece {
    /// Takes id, name and arguments out of a piece.
    fn read(mut members: Map<String, Value>) -> Self {
        let id = text_of(members.shift_remove("id"));
        let vendor_index = members.get("index").and_then(Value::as_u64);
        let (mut name, mut arguments) = (String::new(), String::new());
        if let Some(function) = members.get_mut("function").and_then(Value::as_object_mut) {
            name = text_of(function.shift_remove("name"));
            arguments = text_of(function.shift_remove("arguments"));
        }
        members.shift_remove("type");
        Self { members, id, vendor_index, name, arguments }
    }
}

/// The calls of a whole answer.
pub(super) fn mend_whole(calls: &mut Vec<Value>, reason: &str, naming: &Naming<'_>) -> Result<(), VendorError> {
    let mut ids: Vec<String> = Vec::with_capacity(calls.len());
    calls.retain(Value::is_object);
    for (index, call) in calls.iter_mut().enumerate() {
        let Some(call) = call.as_object_mut().filter(|call| !is_of_another_kind(call)) else { continue };
        let id = text_of(call.get("id").cloned());
        let id = if id.is_empty() || ids.contains(&id) { naming.id(index) } else { id };
        let function = call.get_mut("function").and_then(Value::as_object_mut);
        let part = |name: &str| text_of(function.as_ref().and_then(|function| function.get(name)).cloned());
        let (name, mut arguments) = (part("name"), part("arguments"));
        if name.is_empty() {
            return Err(nameless());
        }
        if arguments.is_empty() && reason != "length" {
            NO_ARGUMENTS.clone_into(&mut arguments);
        }
        *call = function_call(std::mem::take(call), &id, &naming.own(&name), arguments);
        ids.push(id);
    }
    Ok(())
}

fn nameless() -> VendorError {
    VendorError::server("the vendor called a tool without a name")
}

/// Text as it is, nothing for null, and the JSON of anything else: some vendors number their calls,
/// and some send arguments as the object itself.
fn text_of(value: Option<Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    }
}

/// Joins a further piece of a name, or the whole name once more.
fn join_name(name: &mut String, piece: &str) {
    if piece.starts_with(name.as_str()) {
        piece.clone_into(name);
    } else {
        name.push_str(piece);
    }
}

/// Returns whether a call, or a piece of one, is no function's: what a vendor's own kinds hold is
/// not known here, so they stay as they are.
fn is_of_another_kind(call: &Map<String, Value>) -> bool {
    let kind = call.get("type").and_then(Value::as_str).unwrap_or_default();
    call.contains_key("custom") || !matches!(kind, "" | "function")
}

/// A call of a function in the order in which OpenAI writes it, with every other member that it
/// had.
fn function_call(mut members: Map<String, Value>, id: &str, name: &str, arguments: String) -> Map<String, Value> {
    let mut others = match members.shift_remove("function") {
        Some(Value::Object(function)) => function,
        _ => Map::new(),
    };
    others.shift_remove("name");
    others.shift_remove("arguments");
    let mut function = Map::new();
    function.insert("name".into(), name.into());
    function.insert("arguments".into(), arguments.into());
    function.append(&mut others);
    members.shift_remove("id");
    members.shift_remove("type");
    let mut call = Map::new();
    call.insert("id".into(), id.into());
    call.insert("type".into(), "function".into());
    call.insert("function".into(), function.into());
    call.append(&mut members);
    call
}

fn set_arguments(call: &mut Map<String, Value>, arguments: String) {
    if let Some(function) = call.get_mut("function").and_then(Value::as_object_mut) {
        function.insert("arguments".into(), arguments.into());
    }
}

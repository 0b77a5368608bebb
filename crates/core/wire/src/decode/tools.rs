//! Tool calls, numbered and named as the client knows them.
//!
//! Rules:
//! - A new id is a new call.
//! - A piece without an id belongs to the call of its index, or to the latest one.
//! - Only the first piece of a call has id, type and name.
//!
//! Why by id: some vendors document no index, and some repeat index 0.

use crate::classify::VendorError;
use serde_json::{Map, Value};

/// The most tool calls of one choice that are kept count of.
const CALLS_MAX: usize = 1024;

/// The calls of one choice, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    id: String,
    vendor_index: Option<u64>,
}

impl Calls {
    /// Makes the pieces of one delta regular.
    pub(super) fn mend(&mut self, pieces: &mut Vec<Value>, renamed: &[(String, String)]) -> Result<(), VendorError> {
        pieces.retain(Value::is_object);
        for piece in pieces.iter_mut().filter_map(Value::as_object_mut) {
            let id = piece.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            let (index, is_new) = self.place(&id, piece.get("index").and_then(Value::as_u64))?;
            piece.insert("index".into(), index.into());
            if is_new {
                mend_call(piece, renamed);
            } else {
                mend_rest(piece);
            }
        }
        Ok(())
    }

    /// The number of the call that a piece belongs to, and whether the piece begins it.
    fn place(&mut self, id: &str, vendor_index: Option<u64>) -> Result<(usize, bool), VendorError> {
        let by_index = |call: &Call| call.vendor_index == vendor_index;
        let found = match (id, vendor_index) {
            ("", Some(_)) => self.calls.iter().rposition(by_index),
            ("", None) => self.calls.len().checked_sub(1),
            (id, _) => self.calls.iter().rposition(|call| call.id == id),
        };
        if let Some(index) = found {
            return Ok((index, false));
        }
        if self.calls.len() >= CALLS_MAX {
            return Err(VendorError::server(format!("the vendor's stream has more than {CALLS_MAX} tool calls")));
        }
        self.calls.push(Call { id: id.to_owned(), vendor_index });
        Ok((self.calls.len() - 1, true))
    }
}

/// A whole call, or the beginning of one.
pub(super) fn mend_call(call: &mut Map<String, Value>, renamed: &[(String, String)]) {
    if call.get("type").and_then(Value::as_str).is_none_or(str::is_empty) {
        call.insert("type".into(), "function".into());
    }
    let Some(function) = call.get_mut("function").and_then(Value::as_object_mut) else { return };
    if let Some(name) = function.get_mut("name")
        && let Some((_, own)) = renamed.iter().find(|(sent, _)| name == sent)
    {
        *name = own.as_str().into();
    }
    mend_arguments(function, true);
}

/// A further piece: whatever repeats or empties what the first one said is taken out.
fn mend_rest(piece: &mut Map<String, Value>) {
    piece.shift_remove("id");
    piece.shift_remove("type");
    if let Some(function) = piece.get_mut("function").and_then(Value::as_object_mut) {
        function.shift_remove("name");
        mend_arguments(function, false);
    }
}

/// Arguments are JSON in a string; some vendors send the JSON itself, or nothing for a call without
/// any.
fn mend_arguments(function: &mut Map<String, Value>, required: bool) {
    match function.get("arguments") {
        None | Some(Value::Null) if required => {
            function.insert("arguments".into(), "".into());
        }
        None | Some(Value::String(_)) => {}
        Some(Value::Null) => {
            function.shift_remove("arguments");
        }
        Some(other) => {
            let text = other.to_string();
            function.insert("arguments".into(), text.into());
        }
    }
}

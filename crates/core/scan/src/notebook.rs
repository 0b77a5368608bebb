//! Jupyter notebooks: the code of their cells as one Python text, with the place of each line in
//! the file.

use serde_json::Value;

/// The code of a notebook.
pub(crate) struct Notebook {
    /// The cells' code, one after the other.
    pub(crate) code: String,
    /// For each line of the code the byte of the file where it stands.
    pub(crate) places: Vec<usize>,
}

/// Reads a notebook. `None` if the text is none, or one in another language.
pub(crate) fn read(text: &[u8]) -> Option<Notebook> {
    let text = std::str::from_utf8(text).ok()?;
    let whole: Value = serde_json::from_str(text).ok()?;
    let language = whole.pointer("/metadata/kernelspec/language").or(whole.pointer("/metadata/language_info/name"));
    if language.and_then(Value::as_str).is_some_and(|language| !language.eq_ignore_ascii_case("python")) {
        return None;
    }
    let mut notebook = Notebook { code: String::new(), places: Vec::new() };
    let mut from = 0;
    let cells = whole.get("cells")?.as_array()?;
    for cell in cells.iter().filter(|cell| cell.get("cell_type").and_then(Value::as_str) == Some("code")) {
        let lines: Vec<&str> = match cell.get("source") {
            Some(Value::Array(lines)) => lines.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(whole)) => vec![whole],
            _ => continue,
        };
        for source in lines {
            let place = place_of(text, source, from);
            from = place.max(from);
            for line in source.lines() {
                notebook.places.push(place);
                // `%pip install` and `!ls` are orders to the notebook.
                let is_order = line.trim_start().starts_with(['%', '!']);
                notebook.code.push_str(if is_order { "#" } else { line });
                notebook.code.push('\n');
            }
        }
    }
    Some(notebook)
}

/// Where a text of the notebook stands in its file, searched from a byte on.
fn place_of(text: &str, source: &str, from: usize) -> usize {
    let written = Value::from(source).to_string();
    let inner = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
    let found = text.get(from..).and_then(|rest| rest.find(inner)).filter(|_| !inner.is_empty());
    found.map_or(from, |at| from + at)
}

impl Notebook {
    /// The byte of the file for a byte of the code.
    pub(crate) fn place(&self, at: usize) -> usize {
        let before = self.code.get(..at).unwrap_or_default();
        let line = before.matches('\n').count();
        let column = before.len() - before.rfind('\n').map_or(0, |end| end + 1);
        self.places.get(line).map_or(0, |place| place + column)
    }
}

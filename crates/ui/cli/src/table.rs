//! One look for all tables.

use banjia_types::visible::visible_line;
use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

/// A line under the header and nothing else: tables are read, not admired.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table with `header` and cells of one paragraph each: hidden characters in cells, line breaks
/// too, are shown; columns whose header ends in a space-free `>` mark are aligned right (the mark
/// is not shown).
pub fn table(header: &[&str], rows: &[Vec<String>], width: usize) -> String {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::try_from(width).unwrap_or(u16::MAX));
    table.set_header(header.iter().map(|name| Cell::new(name.trim_end_matches('>'))));
    for row in rows {
        table.add_row(row.iter().map(|cell| Cell::new(visible_line(cell))));
    }
    for (name, column) in header.iter().zip(table.column_iter_mut()) {
        if name.ends_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

//! A page made of blocks: as Markdown, or as HTML that stands alone. Both say the same, and every
//! text is escaped. Hidden characters (controls, changes of direction) are shown.

use banjia_types::visible::visible_line;
use std::fmt::Write as _;

pub(super) enum Block {
    /// Of a level from 1 on.
    Head(u8, String),
    Text(String),
    List(Vec<String>),
    /// The names of the columns, and the rows.
    Table(Vec<String>, Vec<Vec<String>>),
}

pub(super) fn markdown(blocks: &[Block]) -> String {
    let mut page = String::new();
    let safe = |text: &str| visible_line(&text.replace(['\n', '\r'], " ")).replace('|', "\\|").replace('<', "&lt;");
    for block in blocks {
        let done = match block {
            Block::Head(level, text) => writeln!(page, "{} {}\n", "#".repeat((*level).into()), safe(text)),
            Block::Text(text) => writeln!(page, "{}\n", safe(text)),
            Block::List(items) => {
                items.iter().try_for_each(|item| writeln!(page, "- {}", safe(item))).and_then(|()| writeln!(page))
            }
            Block::Table(names, rows) => {
                let line = |cells: &[String]| cells.iter().map(|cell| safe(cell)).collect::<Vec<_>>().join(" | ");
                let rule = vec!["---"; names.len()].join(" | ");
                writeln!(page, "| {} |\n| {rule} |", line(names))
                    .and_then(|()| rows.iter().try_for_each(|row| writeln!(page, "| {} |", line(row))))
                    .and_then(|()| writeln!(page))
            }
        };
        done.expect("writing to a text does not fail");
    }
    page
}

/// With its style and without scripts; `lang` is the language's code.
pub(super) fn html(blocks: &[Block], lang: &str, title: &str) -> String {
    let safe = |text: &str| {
        visible_line(&text.replace(['\n', '\r'], " "))
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&#39;")
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"{lang}\">\n<meta charset=\"utf-8\">\n<title>{}</title>\n<style>\
         body{{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}}\
         table{{border-collapse:collapse;margin:1rem 0}}th,td{{border:1px solid #bbb;padding:.3rem .6rem;text-align:left}}\
         </style>\n",
        safe(title)
    );
    for block in blocks {
        let cells = |tag: &str, cells: &[String]| {
            let cells = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", safe(cell)));
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        };
        let shown = match block {
            Block::Head(level, text) => format!("<h{level}>{}</h{level}>\n", safe(text)),
            Block::Text(text) => format!("<p>{}</p>\n", safe(text)),
            Block::List(items) => {
                let items = items.iter().map(|item| format!("<li>{}</li>\n", safe(item)));
                format!("<ul>\n{}</ul>\n", items.collect::<String>())
            }
            Block::Table(names, rows) => {
                let rows = rows.iter().map(|row| cells("td", row)).collect::<String>();
                format!("<table>\n{}{rows}</table>\n", cells("th", names))
            }
        };
        page.push_str(&shown);
    }
    page + "</html>\n"
}

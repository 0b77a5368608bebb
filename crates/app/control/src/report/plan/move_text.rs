//! The text of the move that a plan leads to, for `banjia move check` and `banjia move new`.

use banjia_movement::plan::{Plan, RoutePlan};
use banjia_types::calendar;
use chrono_tz::Tz;
use std::fmt::Write as _;

/// Returns the move with every route that has a source and a destination. Routes without one stand
/// in it as comments. `None` if no route can move.
pub fn move_text(plan: &Plan, id: &str, zone: Tz) -> Option<String> {
    let mut text = String::new();
    let deadline = calendar::show(plan.deadline, zone).chars().take(16).collect::<String>().replace(' ', "T");
    put(&mut text, "# Written by `banjia plan`. Read it, then: banjia move check FILE; banjia move new FILE");
    put(&mut text, &format!("id = {id:?}\nzone = {:?}\ndeadline = {deadline:?}\n", zone.name()));
    put(&mut text, "# Bounds of money are yours to set, for example:");
    put(&mut text, "# [shadow]\n# spend_max = \"200 CNY\"\n# [gates]\n# spend_max_total = \"20000 CNY\"");
    let mut is_empty = true;
    for route in &plan.routes {
        match of_route(route) {
            Some(lines) => {
                is_empty = false;
                put(&mut text, &format!("\n{lines}"));
            }
            None => put(
                &mut text,
                &format!("\n# {:?} does not move: no source or no fit destination is known", route.route.as_str()),
            ),
        }
    }
    (!is_empty).then_some(text)
}

fn put(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a text takes what is written into it");
}

fn of_route(route: &RoutePlan) -> Option<String> {
    let (source, destination) = (route.source.as_ref()?, route.destination.as_ref()?);
    let quoted = |text: String| toml_text(&text);
    let mut lines = format!(
        "[[routes]]\nroute = {}\nsource = {}\ndestination = {}",
        quoted(route.route.to_string()),
        quoted(source.to_string()),
        quoted(destination.to_string())
    );
    if let Some(second) = &route.second {
        write!(lines, "\nsecond = {}", quoted(second.to_string())).expect("a text takes what is written into it");
    }
    Some(lines)
}

/// A text of TOML in quotes.
fn toml_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => write!(quoted, "\\u{:04X}", u32::from(c)).expect("a text takes what is written"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

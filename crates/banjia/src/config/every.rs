//! Every problem of a move's or a policy's text, in frames like those of the configuration.
//!
//! Those readers read each section as a whole, so a bad key hides what follows it in the section.
//! Here a bad key is blanked and the text is read again, until nothing new comes up.

use super::raw::explain;
use super::report::{Finding, Findings};
use super::wording;
use banjia_types::Problem;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Readings of one text. Each blanks at least one key.
const READINGS_MAX: usize = 50;

/// Reads `text`, which came from the file `shown`. Returns what was read, with bad keys left out,
/// and everything that is wrong.
pub(crate) fn read<T>(
    shown: &str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, Vec<Problem>>,
) -> (Option<T>, Findings) {
    let mut findings = Findings::new(shown, text);
    let mut left = text.to_owned();
    let mut blanked: Vec<String> = Vec::new();
    for _ in 0..READINGS_MAX {
        let problems = match parse(&left) {
            Ok(read) => return (Some(read), findings.sorted()),
            Err(problems) => problems,
        };
        if let Some(other) = wording::other_format(shown, text).filter(|_| DeTable::parse(text).is_err()) {
            findings.add(other);
            break;
        }
        let mut bad = Vec::new();
        for problem in &problems {
            if !follows(problem, &blanked) {
                findings.add(finding(text, problem));
            }
            bad.extend(bad_key(&left, problem));
        }
        if bad.is_empty() {
            break;
        }
        for (name, span) in bad {
            blank(&mut left, span);
            blanked.push(name);
        }
    }
    (None, findings.sorted())
}

/// Returns whether a problem is only that a key is missing which was blanked.
fn follows(problem: &Problem, blanked: &[String]) -> bool {
    blanked.iter().any(|key| {
        problem.message == format!("missing field `{key}`") || problem.message.ends_with(&format!(" has no {key}"))
    })
}

fn finding(text: &str, problem: &Problem) -> Finding {
    let span = Some(problem.span.clone()).filter(|span| !span.is_empty());
    if DeTable::parse(text).is_err() {
        return wording::syntax(text, span, &problem.message);
    }
    let found = explain(text, &problem.message, span);
    Finding { hint: found.hint.or_else(|| problem.hint.as_ref().map(|hint| hint.replace('`', ""))), ..found }
}

/// The key that a problem of serde's is about, with the bytes from its name to the end of its
/// value.
fn bad_key(text: &str, problem: &Problem) -> Option<(String, Range<usize>)> {
    let is_serde =
        ["unknown field", "unknown variant", "invalid "].iter().any(|start| problem.message.starts_with(start));
    if !is_serde || problem.span.is_empty() {
        return None;
    }
    let table = DeTable::parse(text).ok()?;
    inside(table.get_ref(), &problem.span)
}

fn inside(table: &DeTable<'_>, span: &Range<usize>) -> Option<(String, Range<usize>)> {
    let within = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let of_value = |value: &DeValue<'_>| match value {
        DeValue::Table(inner) => inside(inner, span),
        DeValue::Array(array) => {
            array.iter().filter_map(|element| element.get_ref().as_table()).find_map(|inner| inside(inner, span))
        }
        _ => None,
    };
    // The span of a table with a header is its header alone, so each is looked into.
    if let Some(found) = table.iter().find_map(|(_, value)| of_value(value.get_ref())) {
        return Some(found);
    }
    let (key, value) = table.iter().find(|(key, value)| within(key.span()) || within(value.span()))?;
    let has_header = value.span().start <= key.span().start;
    let whole = key.span().start..value.span().end.max(key.span().end);
    (!has_header).then(|| (key.get_ref().to_string(), whole))
}

/// Puts spaces in place of bytes, so that all else keeps its place.
fn blank(text: &mut String, span: Range<usize>) {
    let Some(old) = text.get(span.clone()) else { return };
    let blanks: String = old.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    text.replace_range(span, &blanks);
}

#[cfg(test)]
mod tests {
    use super::*;
    use banjia_border::policy::Policy;
    use banjia_border::registry::embedded;
    use banjia_movement::spec::MoveSpec;

    #[test]
    fn all_bad_keys_of_one_section_are_found() {
        let text = "id = \"a\"\ndeadline = \"2027-01-15T00:00\"\n[shadow]\nspend_mx = \"1 CNY\"\nshare = 5\n\
                    [canary]\nhold = 7\nsteps = \"5%\"\ncoldown = \"1h\"\n";
        let (read, findings) = read("move.toml", text, MoveSpec::parse);
        let lines = findings.lines().join("\n");
        assert!(read.is_none());
        for part in [":4:1: there is no key \"spend_mx\"", ":5:", ":7:", ":8:", ":9:1: there is no key \"coldown\""] {
            assert!(lines.contains(part), "{part} is not in\n{lines}");
        }
    }

    #[test]
    fn a_policy_has_all_its_problems_at_once() {
        let text = "id = \"p\"\nlst = \"x\"\nzon = \"UTC\"\nversion = \"one\"\n";
        let (_, findings) = read("p.toml", text, |text| Policy::parse(text, embedded()));
        let lines = findings.lines().join("\n");
        for part in ["p.toml:2:1:", "p.toml:3:1:", "p.toml:4:11:", "did you mean list?", "did you mean zone?"] {
            assert!(lines.contains(part), "{part} is not in\n{lines}");
        }
    }

    #[test]
    fn a_text_that_is_yaml_is_said_to_be_so() {
        let (_, findings) = read("move.yaml", "id: a\nroutes:\n  - route: x\n", MoveSpec::parse);
        assert!(findings.lines()[0].contains("this is YAML"), "{:?}", findings.lines());
        assert_eq!(findings.lines().len(), 1);
    }
}

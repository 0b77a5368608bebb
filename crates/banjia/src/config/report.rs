//! Problems and warnings of a file, and how they are shown: line, column, the line itself, and what to do.
//!
//! Rule: this makes text; only `cli` prints it.

use super::mask::Mask;
use banjia_types::visible::{visible, visible_in_place};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource};
use std::fmt::Write as _;
use std::ops::Range;

/// Findings of one file that are shown; a file with more is best mended step by step.
const SHOWN_MAX: usize = 100;

/// Whether a finding stops the file from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// The file cannot be used.
    Problem,
    /// It can, but somebody should know.
    Warning,
}

/// One thing to say about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// The place in the text, in bytes.
    pub(crate) span: Option<Range<usize>>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Finding {
    pub(crate) fn problem(span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Problem, span, message: message.into(), hint: None }
    }

    pub(crate) fn warning(span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::problem(span, message) }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// What was found in one file and in the files that it names.
#[derive(Clone, Debug)]
pub(crate) struct Findings {
    shown: String,
    /// The text, and what of it may be shown.
    mask: Box<Mask>,
    list: Vec<Finding>,
    /// Findings in other files (profiles of the operator's own).
    others: Vec<Findings>,
}

impl Findings {
    /// Nothing found yet in the file `shown` with this `text`.
    pub(crate) fn new(shown: &str, text: &str) -> Self {
        Self { shown: shown.to_owned(), mask: Box::new(Mask::new(text)), list: Vec::new(), others: Vec::new() }
    }

    /// The file's name, as it is shown.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// No finding may show this value, which is not in the text itself.
    pub(super) fn hide(&mut self, value: &str) {
        self.mask.hide(value);
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        self.list.push(finding);
    }

    /// Takes the findings of another file along.
    pub(crate) fn add_file(&mut self, other: Self) {
        if !other.is_empty() {
            self.others.push(other);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.others.iter().all(Self::is_empty)
    }

    /// Whether anything stops the file from being used.
    pub(crate) fn has_problems(&self) -> bool {
        self.count(Severity::Problem) > 0
    }

    pub(crate) fn count(&self, severity: Severity) -> usize {
        let here = self.list.iter().filter(|finding| finding.severity == severity).count();
        here + self.others.iter().map(|other| other.count(severity)).sum::<usize>()
    }

    /// Problems before warnings, each in the order of the text.
    pub(crate) fn sort(&mut self) {
        self.list.sort_by_key(|finding| {
            (finding.severity, finding.span.as_ref().map(|span| (span.start, span.end)), finding.message.clone())
        });
        self.list.dedup();
    }

    /// The same, sorted.
    pub(super) fn sorted(mut self) -> Self {
        self.sort();
        self
    }

    /// One line per finding, for logs: `banjia.toml:12:8: message (hint)`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for finding in self.list.iter().take(SHOWN_MAX) {
            let mut line = self.shown.clone();
            if let Some(span) = &finding.span {
                let (row, column) = place(self.mask.original(), span.start);
                write!(line, ":{row}:{column}").expect("writing to a String cannot fail");
            }
            write!(line, ": {}", self.mask.sentence(&finding.message)).expect("writing to a String cannot fail");
            if let Some(hint) = &finding.hint {
                write!(line, " ({})", self.mask.sentence(hint)).expect("writing to a String cannot fail");
            }
            lines.push(line);
        }
        lines.extend(self.more().map(|more| format!("{}: {more}", self.shown)));
        lines.extend(self.others.iter().flat_map(Self::lines));
        lines
    }

    /// A sentence in place of the findings beyond the bound. `None` if all are shown.
    fn more(&self) -> Option<String> {
        let more = self.list.len().saturating_sub(SHOWN_MAX);
        (more > 0).then(|| format!("{more} more are not shown; mend these first"))
    }

    /// Every finding with its line of the text, for people.
    pub(crate) fn render(&self, color: bool, width: usize) -> String {
        let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler =
            GraphicalReportHandler::new_themed(theme).with_width(width).with_links(false).with_context_lines(1);
        let mut text = String::new();
        for finding in self.list.iter().take(SHOWN_MAX) {
            if !text.is_empty() {
                text.push('\n');
            }
            let severity = match finding.severity {
                Severity::Problem => miette::Severity::Error,
                Severity::Warning => miette::Severity::Warning,
            };
            // The report has colours of its own, so what it quotes is made visible before.
            let message = self.mask.sentence(&finding.message);
            let mut diagnostic = MietteDiagnostic::new(visible(&message)).with_severity(severity);
            diagnostic.help = finding.hint.as_deref().map(|hint| visible(&self.mask.sentence(hint)).into_owned());
            let Some(span) = &finding.span else {
                render_one(&handler, &mut text, &diagnostic.into());
                continue;
            };
            let span = self.first_line(span);
            let quoted = self.mask.quote(&span);
            let source = NamedSource::new(visible(&self.shown), visible_in_place(&quoted).into_owned());
            let diagnostic = diagnostic.with_label(LabeledSpan::underline(span));
            render_one(&handler, &mut text, &miette::Report::from(diagnostic).with_source_code(source));
        }
        if let Some(more) = self.more() {
            writeln!(text, "\n  {more}").expect("writing to a String cannot fail");
        }
        for other in self.others.iter().filter(|other| !other.is_empty()) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&other.render(color, width));
        }
        text
    }

    /// The part of `span` on its first line: a whole table would hide the place among its lines.
    fn first_line(&self, span: &Range<usize>) -> Range<usize> {
        let text = self.mask.original();
        let start = text.floor_char_boundary(span.start);
        let end = span.end.clamp(start, text.len());
        let lines = text.get(start..end).map(|inside| inside.lines().next().unwrap_or("").len());
        start..lines.map_or(end, |len| start + len.max(1)).min(text.len().max(start))
    }
}

fn render_one(handler: &GraphicalReportHandler, text: &mut String, report: &miette::Report) {
    if handler.render_report(text, report.as_ref()).is_err() {
        writeln!(text, "{report}").expect("writing to a String cannot fail");
    }
}

/// Line and column (both from 1, the column in characters) of a byte offset.
pub(crate) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or("");
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

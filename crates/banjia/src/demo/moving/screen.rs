//! What people see while weeks pass: a line for each day, lines for what happens, and on a terminal a line that moves.

use crate::cli::Printer;
use banjia_types::visible::visible_line;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Cells of a day's bar.
const BAR_CELLS: u64 = 20;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Screen {
    bar: Option<ProgressBar>,
}

impl Screen {
    /// Lines only.
    pub(super) const fn plain() -> Self {
        Self { bar: None }
    }

    /// With a moving line for so many steps, where somebody watches.
    pub(super) fn moving(steps: u64, printer: &Printer) -> Self {
        let bar = (printer.is_watched() && printer.is_color()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stdout());
            let style = ProgressStyle::with_template("{bar:30.cyan/dim} {msg}");
            bar.set_style(style.expect("the template is a constant of this file").progress_chars("━╸─"));
            bar
        });
        Self { bar }
    }

    /// A line that stays.
    pub(super) fn line(&self, text: &str, printer: &mut Printer) {
        self.aside(|| printer.line(text));
    }

    /// Prints while the moving line is out of the way.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Something that happened: its moment, and words that are wrapped beside it.
    pub(super) fn event(&self, at: &str, text: &str, printer: &mut Printer) {
        let lead = format!("    {at}  ");
        let text = wrapped(&lead, text, printer.width());
        self.line(&text, printer);
    }

    /// Where the story is.
    pub(super) fn now(&self, place: u64, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(place);
            bar.set_message(visible_line(text).into_owned());
        }
    }

    /// Takes the moving line away.
    pub(super) fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A bar of who answered: the source's part, then the others'.
pub(super) fn bar(source: u64, others: u64) -> String {
    let all = (source + others).max(1);
    let cells = (source * BAR_CELLS + all / 2) / all;
    format!("{}{}", "█".repeat(cells as usize), "░".repeat((BAR_CELLS - cells) as usize))
}

/// A text in lines of at most so many characters, beside what leads it; its own line breaks stay.
pub(super) fn wrapped(lead: &str, text: &str, width: usize) -> String {
    let indent = lead.chars().count();
    let mut whole = lead.to_owned();
    for (number, paragraph) in text.lines().enumerate() {
        if number > 0 {
            whole.push('\n');
            whole.push_str(&" ".repeat(indent));
        }
        let mut taken = indent;
        for word in paragraph.split_whitespace() {
            let len = word.chars().count();
            if taken > indent {
                let is_full = taken + 1 + len > width;
                let between = if is_full { format!("\n{}", " ".repeat(indent)) } else { " ".to_owned() };
                whole.push_str(&between);
                taken = if is_full { indent } else { taken + 1 };
            }
            whole.push_str(word);
            taken += len;
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_wrapped_beside_its_lead_and_a_long_word_stands_alone() {
        assert_eq!(wrapped("at  ", "one two three", 11), "at  one two\n    three");
        assert_eq!(wrapped("", "one\n\nunbreakable two", 6), "one\n\nunbreakable\ntwo");
    }

    #[test]
    fn a_bar_shows_parts_of_what_there_was() {
        assert_eq!((bar(0, 0).chars().count(), bar(3, 1).matches('█').count()), (20, 15));
        assert_eq!((bar(80, 0).matches('░').count(), bar(0, 80).matches('█').count()), (0, 0));
    }
}

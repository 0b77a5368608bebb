//! Everything that people read goes through here.
//!
//! Rules: values of clients, vendors, files and databases command no terminal, since every line is
//! made visible here (our own colours come in after that, or through [`Printer::styled_line`]); a
//! reader that went away (`banjia vendor list | head`) is no failure; colour only where a person
//! looks, and never when `NO_COLOR` is set.

use banjia_scan::mask_keys;
use banjia_types::visible::{visible, visible_styled};
use std::io::{self, IsTerminal, Write};

/// Width of reports when the terminal does not tell its own.
const WIDTH_DEFAULT: usize = 100;
/// Lines wider than this are hard to read.
const WIDTH_MAX: usize = 120;

/// Where a command speaks to people.
#[derive(Debug)]
pub struct Printer {
    out: io::Stdout,
    err: io::Stderr,
}

impl Default for Printer {
    fn default() -> Self {
        Self { out: io::stdout(), err: io::stderr() }
    }
}

impl Printer {
    /// One or more lines of the answer, to standard output. What looks like a key is starred.
    pub fn line(&mut self, text: &str) {
        self.put_line(&visible(&mask_keys(text)));
    }

    /// As [`Printer::line`], for a new key that must be shown, or for data that another program
    /// reads.
    pub fn line_as_it_is(&mut self, text: &str) {
        self.put_line(&visible(text));
    }

    /// As [`Printer::line`], for a text with our own colours. Values of others must be visible in
    /// it already.
    pub fn styled_line(&mut self, text: &str) {
        self.put_line(&visible_styled(&mask_keys(text)));
    }

    /// One or more lines about the work, to standard error. What looks like a key is starred.
    pub fn note(&mut self, text: &str) {
        self.put_note(&visible(&mask_keys(text)));
    }

    /// As [`Printer::note`], for a new key that must be shown.
    pub fn note_as_it_is(&mut self, text: &str) {
        self.put_note(&visible(text));
    }

    /// As [`Printer::note`], for a text with our own colours. Values of others must be visible in
    /// it already.
    pub fn styled_note(&mut self, text: &str) {
        self.put_note(&visible_styled(&mask_keys(text)));
    }

    /// What went wrong, to standard error.
    pub fn error(&mut self, text: &str) {
        let (on, off) = if self.is_color() { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
        self.put_note(&format!("{on}error:{off} {}", visible(text)));
    }

    fn put_line(&mut self, text: &str) {
        let written = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
        end_if_nobody_reads(written);
    }

    fn put_note(&mut self, text: &str) {
        end_if_nobody_reads(writeln!(self.err, "{text}"));
    }

    /// Whether somebody watches standard output as it comes.
    pub fn is_watched(&self) -> bool {
        self.out.is_terminal()
    }

    /// Whether colours and drawings are welcome.
    pub fn is_color(&self) -> bool {
        self.out.is_terminal() && self.err.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
    }

    /// How many columns a report may take.
    pub fn width(&self) -> usize {
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let columns =
            columns.or_else(|| comfy_table::Table::new().width().map(usize::from).filter(|_| self.is_watched()));
        columns.map_or(WIDTH_DEFAULT, |columns: usize| columns.clamp(40, WIDTH_MAX))
    }
}

fn end_if_nobody_reads(written: io::Result<()>) {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        // Nowhere is left to say that nothing can be said.
        Ok(()) | Err(_) => {}
    }
}

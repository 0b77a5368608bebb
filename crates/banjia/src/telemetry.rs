//! Logs.
//!
//! Rules: logs go to standard error, so that answers on standard output stay clean; the command
//! line wins over the file; an event is one line, and hidden characters of clients and vendors in
//! it are shown.

use crate::cli::LogChoice;
use crate::config::{LogConfig, LogFormat};
use banjia_scan::mask_keys;
use banjia_types::visible::{visible_line, visible_styled};
use std::fmt;
use std::io::{self, Write};
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging as `choice` says, else as `config` says.
///
/// # Errors
/// A filter that cannot be read.
pub(crate) fn start(choice: &LogChoice, config: &LogConfig) -> anyhow::Result<()> {
    let level = choice.level.as_deref().unwrap_or(&config.level);
    let filter = filter(level).map_err(|said| anyhow::anyhow!("{said}"))?;
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let color = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(color);
    let started = match choice.format.unwrap_or(config.format) {
        LogFormat::Text => lines
            .fmt_fields(debug_fn(put_field).delimited(" "))
            .with_writer(move || VisibleLines { color, to: std::io::stderr() })
            .with_target(false)
            .finish()
            .try_init(),
        LogFormat::Json => lines
            .with_writer(|| VisibleLines { color: false, to: std::io::stderr() })
            .json()
            .flatten_event(true)
            .finish()
            .try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging was started before: {error}"))
}

/// The filter of a level such as `info`, or of a list such as `info,banjia_gateway=debug`.
///
/// # Errors
/// A sentence for people.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(level).map_err(|_| format!("the log level {level:?} cannot be read; try info or debug"))
}

/// Writes a field as the usual formatter does, with keys starred and its value made visible. That formatter lets
/// colours in values pass.
fn put_field(to: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = format!("{value:?}");
    let value = mask_keys(&value);
    let value = visible_line(&value);
    match field.name() {
        "message" => to.write_str(&value),
        name if to.has_ansi_escapes() => write!(to, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{value}"),
        name => write!(to, "{name}={value}"),
    }
}

/// Writes one event at a time, made visible, with everything starred that looks like a key.
struct VisibleLines<W> {
    /// True if the formatter colours the text. Values in it have no colours: [`put_field`] shows
    /// them.
    color: bool,
    to: W,
}

impl<W: Write> Write for VisibleLines<W> {
    /// Takes all of `event`, which is a whole one: the formatter writes each with one call.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = mask_keys(&text);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut shown =
            if self.color { visible_styled(&line.replace('\n', "\\n")) } else { visible_line(line).into_owned() };
        shown.push('\n');
        self.to.write_all(shown.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(event: &str, color: bool) -> String {
        let mut lines = VisibleLines { color, to: Vec::new() };
        lines.write_all(event.as_bytes()).unwrap();
        String::from_utf8(lines.to).unwrap()
    }

    #[test]
    fn an_event_is_one_line_without_hidden_characters() {
        let event = "WARN model=\u{1b}[2J\u{202e}x\nERROR forged\n";
        assert_eq!(written(event, false), "WARN model=\\u001b[2J\\u202ex\\nERROR forged\n");
    }

    #[test]
    fn a_coloured_event_keeps_its_colours_only() {
        let event = "\u{1b}[33m WARN\u{1b}[0m x\u{9b}2J\nforged\n";
        assert_eq!(written(event, true), "\u{1b}[33m WARN\u{1b}[0m x\\u009b2J\\nforged\n");
    }

    #[test]
    fn a_json_event_stays_the_same_value() {
        let value = serde_json::json!({ "model": "\u{1b}\u{7f}\u{9b}\u{202e}" });
        let line = written(&format!("{value}\n"), false);
        assert!(line.trim_end().chars().all(|character| !banjia_types::visible::is_hidden(character)), "{line:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }

    #[test]
    fn colours_in_values_are_shown_as_text() {
        #[derive(Clone, Default)]
        struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
        impl Write for Shared {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let shared = Shared::default();
        let to = shared.clone();
        let lines = tracing_subscriber::fmt()
            .fmt_fields(debug_fn(put_field).delimited(" "))
            .with_ansi(true)
            .with_writer(move || VisibleLines { color: true, to: to.clone() });
        tracing::subscriber::with_default(lines.finish(), || {
            let error = std::io::Error::other("\u{1b}[8mhidden");
            tracing::warn!(model = "\u{1b}[8mhidden", said = %"\u{1b}[8mhidden", %error, "\u{1b}[8mhidden");
        });
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        assert!(text.matches("hidden").count() == 4 && !text.contains("\u{1b}[8m"), "{text:?}");
    }

    #[test]
    fn a_key_in_a_log_line_is_starred() {
        assert_eq!(written("it says sk-proj-9hQ2mZ7LxV4tB8nRk3Ws\n", false), "it says ***\n");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_an_error() {
        assert!(filter("info,banjia_gateway=debug").is_ok());
        assert!(filter("banjia=loud").is_err_and(|said| said.contains("try info or debug")));
    }
}

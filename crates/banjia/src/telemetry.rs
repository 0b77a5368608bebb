//! Logs.
//!
//! Rules: logs go to standard error, so that answers on standard output stay clean; the command line wins over the file.

use crate::cli::LogChoice;
use crate::config::{LogConfig, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging as `choice` says, else as `config` says.
///
/// # Errors
/// A filter that cannot be read.
pub(crate) fn start(choice: &LogChoice, config: &LogConfig) -> anyhow::Result<()> {
    let level = choice.level.as_deref().unwrap_or(&config.level);
    let filter = EnvFilter::try_new(level)
        .map_err(|error| anyhow::anyhow!("the log level {level:?} cannot be read: {error}; try info or debug"))?;
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let color = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(color);
    let started = match choice.format.unwrap_or(config.format) {
        LogFormat::Text => lines.with_target(false).finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging was started before: {error}"))
}

//! Logs. Text for people, JSON for machines; every line within a request carries its id. Values that come
//! from outside are recorded with `?` (Debug), so that control characters arrive escaped and nobody can forge a
//! line.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

use crate::config::{Config, LogFormat};

/// Installs the process-wide subscriber. Logs go to standard error, so that commands can be piped.
///
/// A second call does nothing: tests share one process.
pub fn init(config: &Config) {
    let filter = EnvFilter::new(&config.log_filter);
    let registry = tracing_subscriber::registry().with(filter);
    let installed = match config.log_format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            registry
                .with(fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(colours))
                .try_init()
        }
        LogFormat::Json => registry
            .with(
                fmt::layer().json().flatten_event(true).with_current_span(true).with_writer(std::io::stderr),
            )
            .try_init(),
    };
    if installed.is_err() {
        tracing::debug!("the log subscriber was installed before");
    }
}

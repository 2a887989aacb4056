//! Logs. Text for people, JSON for machines; every line within a request carries its id. Nobody forges a line or moves a
//! terminal's cursor: whatever a value holds, control characters and those that turn the reading direction come out
//! escaped, in either form.

use std::{
    fmt::{self as text, Write as _},
    io::{self, IsTerminal, Write},
};

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    field::MakeExt,
    fmt::{self, FormatFields, MakeWriter, format},
    prelude::*,
};

use crate::{
    characters,
    config::{Config, LogFormat},
};

/// Installs the process-wide subscriber. Logs go to standard error, so that commands can be piped.
///
/// A second call does nothing: tests share one process.
pub fn init(config: &Config) {
    let colours = config.log_format == LogFormat::Text && io::stderr().is_terminal();
    let lines = lines(config.log_format, colours, io::stderr);
    let filter = EnvFilter::new(&config.log_filter);
    if tracing_subscriber::registry().with(lines.with_filter(filter)).try_init().is_err() {
        tracing::debug!("the log subscriber was installed before");
    }
}

/// Events as lines.
fn lines<W>(form: LogFormat, colours: bool, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    match form {
        LogFormat::Text => {
            let layer = fmt::layer().with_writer(writer).with_target(false).with_ansi(colours);
            layer.fmt_fields(escaping_fields()).boxed()
        }
        LogFormat::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_current_span(true);
            layer.with_writer(EscapingJson(writer)).boxed()
        }
    }
}

/// Fields as `name=value`, escaped before colours come in.
fn escaping_fields() -> impl for<'a> FormatFields<'a> + Send + Sync + 'static {
    let one = |writer: &mut format::Writer<'_>, field: &tracing::field::Field, value: &dyn text::Debug| {
        // What comes by way of the `log` crate describes itself.
        match field.name() {
            name if name.starts_with("log.") => return Ok(()),
            "message" => {}
            name => write!(writer, "{}=", name.trim_start_matches("r#"))?,
        }
        write!(Escaping(writer), "{value:?}")
    };
    format::debug_fn(one).delimited(" ")
}

/// Text with what is unsafe written as `\u{…}`.
struct Escaping<'a, 'w>(&'a mut format::Writer<'w>);

impl text::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> text::Result {
        text.chars().try_for_each(|c| {
            if characters::is_unsafe(c) {
                write!(self.0, "{}", c.escape_default())
            } else {
                self.0.write_char(c)
            }
        })
    }
}

/// JSON escapes the control characters of ASCII (RFC 8259, 7); this does the same with the others, which stand nowhere
/// but in strings.
struct EscapingJson<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for EscapingJson<W> {
    type Writer = EscapingLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingLine(self.0.make_writer())
    }
}

/// Takes a whole event at once, as the layer writes it.
struct EscapingLine<W>(W);

impl<W: Write> Write for EscapingLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut escaped = String::with_capacity(text.len());
        for c in line.chars() {
            if characters::is_unsafe(c) {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    write!(escaped, "\\u{unit:04x}").map_err(io::Error::other)?;
                }
            } else {
                escaped.push(c);
            }
        }
        escaped.push_str(&text[line.len()..]);
        self.0.write_all(escaped.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const NASTY: &str = "a\r\nINFO forged\u{1b}[2J\u{9b}1m\u{7f}\u{85}\u{2028}\u{202e}\u{0}\"b\\";

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What the log says of one event that holds [`NASTY`] in every way there is.
    fn said(form: LogFormat, colours: bool) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::registry().with(lines(form, colours, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let span =
                tracing::info_span!("request", path = %NASTY, agent = NASTY, later = tracing::field::Empty);
            span.record("later", NASTY);
            let _entered = span.enter();
            tracing::info!(display = %NASTY, debug = ?NASTY, plain = NASTY, "said {NASTY}");
        });
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn one_event_is_one_line_whatever_is_in_it() {
        for (form, colours) in [(LogFormat::Text, false), (LogFormat::Json, false), (LogFormat::Text, true)] {
            let mut text = said(form, colours);
            if colours {
                // The subscriber's own, which are all there are.
                for colour in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[3m", "\u{1b}[32m"] {
                    text = text.replace(colour, "");
                }
            }
            let line = text.strip_suffix('\n').unwrap();
            assert!(!line.chars().any(characters::is_unsafe), "{line:?}");
            // JSON has the span twice: by itself, and in the list of all.
            let times = if form == LogFormat::Json { 10 } else { 7 };
            assert_eq!(line.matches("forged").count(), times, "{line}");
            if form == LogFormat::Json {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(
                    (&event["plain"], &event["message"]),
                    (&NASTY.into(), &format!("said {NASTY}").into())
                );
            }
        }
    }
}

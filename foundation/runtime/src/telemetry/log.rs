//! Log lines: text for people, one JSON object per line for machines.

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// How a process logs. Part of every configuration file under `log`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LogOptions {
    /// Text or JSON lines.
    pub format: LogFormat,
    /// A level (`error`, `warn`, `info`, `debug`, `trace`) or directives in the
    /// field's notation: `info,pelago_dataplane_proxy=debug`.
    pub level: String,
    /// Where the lines go.
    pub output: LogOutput,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
            output: LogOutput::Stderr,
        }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line: `timestamp`, `level`, `target`, `message` and
    /// the event's fields at the top, the innermost span under `span`.
    Json,
}

/// Where log lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogOutput {
    /// Standard error.
    #[default]
    Stderr,
    /// Standard output.
    Stdout,
}

/// Sets up logging for the whole process. Call it once, first thing in `main`.
///
/// # Errors
/// A level that cannot be read, or a second call.
pub fn init(options: &LogOptions) -> Result<(), TelemetryError> {
    let writer = match options.output {
        LogOutput::Stderr => BoxMakeWriter::new(std::io::stderr),
        LogOutput::Stdout => BoxMakeWriter::new(std::io::stdout),
    };
    tracing::subscriber::set_global_default(subscriber(options, writer)?)
        .map_err(|_| TelemetryError::AlreadySet)
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is none.
    #[error(
        "log level {level:?} is not understood: use error, warn, info, debug or trace, \
         or directives such as info,pelago_dataplane_proxy=debug"
    )]
    Level {
        /// The level as given.
        level: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging was set up before.
    #[error("logging is set up already: init is called once, by main")]
    AlreadySet,
}

pub(super) fn subscriber<W>(
    options: &LogOptions,
    writer: W,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(&options.level)
        .map_err(|source| TelemetryError::Level {
            level: options.level.clone(),
            source,
        })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    Ok(match options.format {
        LogFormat::Text => Box::new(lines.with_ansi(false).finish()),
        LogFormat::Json => Box::new(
            lines
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false)
                .finish(),
        ),
    })
}

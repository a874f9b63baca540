//! Connection log lines, found in a process's log.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::failure::Failure;

/// The newest connection line of that log that `fits`, waited for.
///
/// # Errors
/// Exit code 1 when none was written within 5 s.
pub(super) async fn connection(
    log: &Path,
    fits: impl Fn(&Value) -> bool,
) -> Result<Value, Failure> {
    let find = async {
        loop {
            if let Some(line) = newest(log, &fits) {
                return line;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(PATIENCE, find).await.map_err(|_| {
        Failure::Failed(anyhow::anyhow!(
            "{} never told of the connection",
            log.display()
        ))
    })
}

/// A text field of a line.
#[must_use]
pub(super) fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn newest(log: &Path, fits: impl Fn(&Value) -> bool) -> Option<Value> {
    let text = std::fs::read_to_string(log).ok()?;
    text.lines()
        .rev()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| {
            line.get("message").and_then(Value::as_str) == Some("connection") && fits(line)
        })
}

const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

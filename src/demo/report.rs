//! What the demo tells: a line per step as it ends, and the whole as JSON.

use std::io::IsTerminal as _;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::output::Format;

/// The steps so far.
#[derive(Debug)]
pub(super) struct Report {
    format: Format,
    begun: Instant,
    steps: Vec<Step>,
}

/// One step and how it ended.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    /// What was shown.
    pub(super) name: String,
    /// Whether it showed.
    pub(super) ok: bool,
    /// How long it took.
    pub(super) milliseconds: u64,
    /// What was seen.
    pub(super) detail: String,
}

impl Report {
    /// No steps yet; prints the heading.
    #[must_use]
    pub(super) fn begin(format: Format) -> Self {
        if format.is_table() {
            println!("{:<44} {:<6} {:>8}  SEEN", "STEP", "RESULT", "TIME");
        }
        Self {
            format,
            begun: Instant::now(),
            steps: Vec::new(),
        }
    }

    /// Runs one step and tells how it ended. A step that failed does not end
    /// the demo; what cannot go on without it returns an error itself.
    pub(super) async fn step<T>(
        &mut self,
        name: &str,
        work: impl Future<Output = Result<(T, String), Failure>>,
    ) -> Option<T> {
        let begun = Instant::now();
        let (value, ok, detail) = match work.await {
            Ok((value, detail)) => (Some(value), true, detail),
            Err(failure) => (None, false, failure.to_string()),
        };
        let step = Step {
            name: name.to_owned(),
            ok,
            milliseconds: millis(begun.elapsed()),
            detail,
        };
        if self.format.is_table() {
            println!("{}", line(&step));
        }
        self.steps.push(step);
        value
    }

    /// Ends the report; prints the whole for scripts.
    ///
    /// # Errors
    /// Exit code 1 when a step failed.
    pub(super) fn end(self) -> Result<(), Failure> {
        let failed = self.steps.iter().filter(|step| !step.ok).count();
        let whole = Whole {
            ok: failed == 0,
            milliseconds: millis(self.begun.elapsed()),
            steps: self.steps,
        };
        crate::output::print(self.format, &whole, |_| {
            format!(
                "\n{} steps, {failed} failed, {:.1} s",
                whole.steps.len(),
                whole.milliseconds as f64 / 1000.0
            )
        })?;
        if failed > 0 {
            return Err(Failure::Failed(anyhow::anyhow!(
                "{failed} of the demo's steps failed"
            )));
        }
        Ok(())
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole {
    ok: bool,
    milliseconds: u64,
    steps: Vec<Step>,
}

fn line(step: &Step) -> String {
    let result = match (step.ok, std::io::stdout().is_terminal()) {
        (true, true) => "\u{1b}[32mok\u{1b}[0m    ",
        (false, true) => "\u{1b}[31mFAILED\u{1b}[0m",
        (true, false) => "ok    ",
        (false, false) => "FAILED",
    };
    format!(
        "{:<44} {result} {:>6} ms  {}",
        step.name, step.milliseconds, step.detail
    )
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

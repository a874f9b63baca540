//! Steps with a heading, the time each took, and a summary at the end.

use std::time::{Duration, Instant};

/// What has run so far.
#[derive(Default)]
pub(crate) struct Report {
    done: Vec<Done>,
}

struct Done {
    name: &'static str,
    took: Duration,
    failed: bool,
}

impl Report {
    /// Runs a step, and prints its heading before and its outcome after.
    pub(crate) fn step(&mut self, name: &'static str, run: impl FnOnce() -> anyhow::Result<()>) {
        println!("\n== {name}");
        let start = now();
        let outcome = run();
        let took = start.elapsed();
        if let Err(error) = &outcome {
            println!("{error:#}");
        }
        let failed = outcome.is_err();
        self.done.push(Done { name, took, failed });
        println!(
            "-- {name}: {}",
            self.done.last().map_or_else(String::new, Done::outcome)
        );
    }

    /// Prints one line for all steps; an error when any has failed.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        let each: Vec<String> = self
            .done
            .iter()
            .map(|done| format!("{} {}", done.name, done.outcome()))
            .collect();
        let total: Duration = self.done.iter().map(|done| done.took).sum();
        println!("\n{}; {:.1} s in all", each.join(", "), total.as_secs_f64());
        let failed: Vec<&str> = self
            .done
            .iter()
            .filter(|done| done.failed)
            .map(|done| done.name)
            .collect();
        anyhow::ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
        Ok(())
    }
}

impl Done {
    fn outcome(&self) -> String {
        let word = if self.failed { "FAILED" } else { "ok" };
        format!("{word} ({:.1} s)", self.took.as_secs_f64())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a tool without tokio times its own steps"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;

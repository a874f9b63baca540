//! `test`: every test of the workspace, and the list of those that did not run.
//!
//! A test that needs what the machine lacks says so through
//! `tests_suites::skip`, which appends to the file named in `PELAGO_SKIPS`.
//! Strict runs, as in CI, count a skip as a failure.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::command::{cargo, finish};

/// Programs that some tests call; each test looks for its own.
const PROGRAMS: [&str; 2] = ["python3", "curl"];

/// Runs the tests; `strict` makes a skipped one an error.
pub(crate) fn run(root: &Path, strict: bool) -> anyhow::Result<()> {
    for program in PROGRAMS.into_iter().filter(|program| !is_present(program)) {
        println!("{program} is not here: tests that need it will be skipped");
    }
    let list = root.join("target/skips.txt");
    fs::create_dir_all(root.join("target")).context("create target")?;
    fs::write(&list, "").with_context(|| format!("empty {}", list.display()))?;
    let mut tests = cargo(root, "test --workspace --no-fail-fast");
    let outcome = finish(tests.env("PELAGO_SKIPS", &list));
    let text = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    let skips = skips(&text);
    for skip in &skips {
        println!("{skip}");
    }
    outcome?;
    judge(skips.len(), strict)?;
    println!("every test passed, {} skipped", skips.len());
    Ok(())
}

/// Each skip once, in order.
fn skips(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("skipped: "))
        .collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

fn judge(skipped: usize, strict: bool) -> anyhow::Result<()> {
    anyhow::ensure!(
        !strict || skipped == 0,
        "{skipped} skipped; a strict run needs all of them: give the machine what they name"
    );
    Ok(())
}

fn is_present(program: &str) -> bool {
    let mut version = Command::new(program);
    version.arg("--version").stdin(Stdio::null());
    version.stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests;

//! `ci`: the steps that a change must pass, from quick to slow.
//!
//! A failed step does not end the run: all of them are told at the end.

use std::path::Path;

use crate::command::{cargo, finish};
use crate::report::Report;
use crate::{codegen, deny, test};

/// Runs every step and prints a summary.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let mut report = Report::default();
    report.step("format", || finish(&mut cargo(root, "fmt --all --check")));
    report.step("generated code", || codegen::check(root));
    report.step("deny", || deny::check(root));
    report.step("house", || {
        finish(&mut cargo(root, "test --quiet --package tests-house"))
    });
    report.step("clippy", || {
        finish(&mut cargo(
            root,
            "clippy --workspace --all-targets -- -D warnings",
        ))
    });
    report.step("docs", || {
        let mut docs = cargo(root, "doc --workspace --no-deps");
        finish(docs.env("RUSTDOCFLAGS", "-D warnings"))
    });
    report.step("tests", || test::run(root, true));
    report.close()
}

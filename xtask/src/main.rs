//! `cargo xtask`: what the project asks of its code, in one place.
//!
//! `ci` is everything that a change must pass, `test` runs the tests and says
//! which could not run, `gen` writes the code made from the protos, `deny`
//! looks at licences, banned crates and sources. Nothing here is part of the
//! product, and nothing is written outside `target/` but the generated code.

mod ci;
mod codegen;
mod command;
mod deny;
mod report;
mod test;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::builder::FalseyValueParser;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own chores")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Everything that a change must pass; a skipped test is a failure
    Ci,
    /// Run the tests and list those that this machine cannot run
    Test {
        /// Fail when a test was skipped
        #[arg(long, env = "CI", value_parser = FalseyValueParser::new())]
        strict: bool,
    },
    /// Write `foundation/wire/src/gen` from `foundation/wire/proto`
    Gen {
        /// Compare instead of writing, and fail when they differ
        #[arg(long)]
        check: bool,
    },
    /// Check licences, banned crates and sources against `deny.toml`
    Deny,
}

fn main() -> ExitCode {
    match run(Cli::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask must live in a folder of the workspace")?;
    match chore {
        Chore::Ci => ci::run(root),
        Chore::Test { strict } => test::run(root, strict),
        Chore::Gen { check: true } => codegen::check(root),
        Chore::Gen { check: false } => codegen::write(root),
        Chore::Deny => deny::check(root),
    }
}

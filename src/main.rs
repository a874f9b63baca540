//! The `pelago` command.

use std::process::ExitCode;

use clap::Parser as _;
use pelago::cli::Cli;

fn main() -> ExitCode {
    pelago::cli::run(Cli::parse())
}

//! `pelago-node`: nodes and gateways without anything that issues certificates, for VMs and pods.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use pelago_dataplane_node::{RunError, run_gateway, run_node};

/// Run a node or gateway of a Pelago mesh in the foreground.
#[derive(Debug, Parser)]
#[command(name = "pelago-node", version)]
struct Cli {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Agent and proxy beside workloads.
    Node(Process),
    /// A gateway between networks.
    Gateway(Process),
}

#[derive(Debug, Args)]
struct Process {
    /// Its configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let ended = match Cli::parse().part {
        Part::Node(process) => run_node(&process.config),
        Part::Gateway(process) => run_gateway(&process.config),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => tell(error),
    }
}

/// The error and its causes in one line, and the exit code.
fn tell(error: RunError) -> ExitCode {
    let code = if error.is_configuration() { 2 } else { 1 };
    eprintln!("pelago-node: {:#}", anyhow::Error::new(error));
    ExitCode::from(code)
}

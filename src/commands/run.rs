//! `pelago run`: the processes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::controller;
use crate::failure::Failure;

/// Run a process of the mesh in the foreground.
#[derive(Debug, Subcommand)]
pub enum RunCommand {
    /// The control plane of one cluster: CA, federation, discovery.
    Controller(Process),
    /// Agent and proxy beside workloads.
    Node(Process),
    /// A gateway between networks.
    Gateway(Process),
    /// The DNS proxy alone (not served yet).
    Dns(Process),
}

/// What every process is told.
#[derive(Debug, Args)]
pub struct Process {
    /// Its configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Drain and end when standard input closes: for supervisors that hold it open.
    #[arg(long)]
    stop_with_stdin: bool,
}

impl RunCommand {
    /// Runs until it is told to end.
    ///
    /// # Errors
    /// Exit code 2 for a configuration that is not valid, 1 for all else.
    pub fn run(self) -> Result<(), Failure> {
        let (Self::Controller(process)
        | Self::Node(process)
        | Self::Gateway(process)
        | Self::Dns(process)) = &self;
        if process.stop_with_stdin {
            end_with_stdin()?;
        }
        match &self {
            Self::Controller(process) => controller::main(&process.config),
            Self::Node(process) => part(pelago_dataplane_node::run_node(&process.config)),
            Self::Gateway(process) => part(pelago_dataplane_node::run_gateway(&process.config)),
            Self::Dns(_) => Err(Failure::invalid(anyhow::anyhow!(
                "`pelago run dns` is not served yet: it arrives with names by DNS"
            ))),
        }
    }
}

fn part(ended: Result<(), pelago_dataplane_node::RunError>) -> Result<(), Failure> {
    ended.map_err(|error| {
        if error.is_configuration() {
            Failure::Invalid(error.into())
        } else {
            Failure::Failed(error.into())
        }
    })
}

/// Sends ourselves SIGTERM once standard input is closed, so that a process
/// drains when whoever started it is gone, however it went.
fn end_with_stdin() -> Result<(), Failure> {
    let watch = || {
        let mut stdin = std::io::stdin().lock();
        // Whatever is written there is not for us.
        let _ = std::io::copy(&mut stdin, &mut std::io::sink());
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGTERM);
    };
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(watch)
        .map_err(Failure::failed)?;
    Ok(())
}

//! The demo's own workload, where no ordinary program is at hand: an HTTP
//! server that says who it is; and the guard that ends an ordinary program
//! together with the demo.

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use axum::routing::get;
use clap::Args;

use crate::failure::Failure;

/// What the built-in workload is told.
#[derive(Debug, Args)]
pub(super) struct App {
    /// Where it listens.
    #[arg(long)]
    listen: SocketAddr,
    /// What it answers.
    #[arg(long)]
    says: String,
}

/// What the guard is told.
#[derive(Debug, Args)]
pub(super) struct Guard {
    /// The program and its arguments.
    #[arg(required = true, last = true)]
    command: Vec<String>,
}

impl App {
    /// Serves until standard input closes.
    ///
    /// # Errors
    /// Exit code 1 when the address is taken.
    pub(super) async fn run(self) -> Result<(), Failure> {
        let says = format!("{}\n", self.says);
        let router = axum::Router::new().fallback(get(move || {
            let says = says.clone();
            async move { says }
        }));
        let listener = tokio::net::TcpListener::bind(self.listen)
            .await
            .map_err(|error| {
                Failure::Failed(
                    anyhow::Error::new(error).context(format!("cannot listen on {}", self.listen)),
                )
            })?;
        let orphaned = tokio::task::spawn_blocking(stdin_closed);
        tokio::select! {
            ended = axum::serve(listener, router) => ended.map_err(Failure::failed),
            _ = orphaned => Ok(()),
        }
    }
}

impl Guard {
    /// Runs the program until it ends or standard input closes.
    ///
    /// # Errors
    /// Exit code 1 when it cannot be started.
    pub(super) async fn run(self) -> Result<(), Failure> {
        let [program, arguments @ ..] = self.command.as_slice() else {
            return Err(Failure::invalid(anyhow::anyhow!("no program was given")));
        };
        let mut child = tokio::process::Command::from(Command::new(program))
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                Failure::Failed(
                    anyhow::Error::new(error).context(format!("cannot start {program}")),
                )
            })?;
        let orphaned = tokio::task::spawn_blocking(stdin_closed);
        let mut terminated =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .map_err(Failure::failed)?;
        tokio::select! {
            ended = child.wait() => {
                let status = ended.map_err(Failure::failed)?;
                return if status.success() { Ok(()) } else { Err(Failure::Failed(anyhow::anyhow!("{program}: {status}"))) };
            }
            _ = orphaned => {}
            _ = terminated.recv() => {}
        }
        child.kill().await.map_err(Failure::failed)?;
        // The thread that reads standard input cannot be interrupted.
        std::process::exit(0)
    }
}

/// Returns when standard input is closed.
fn stdin_closed() {
    let mut stdin = std::io::stdin().lock();
    let mut buffer = [0_u8; 256];
    while matches!(stdin.read(&mut buffer), Ok(n) if n > 0) {}
}

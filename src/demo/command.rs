//! Programs and questions as a person would put them: our own commands, the
//! search path, a health check.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::failure::Failure;

/// Runs one of our own commands; gives what it prints.
///
/// # Errors
/// Exit code 1 with the last line it said when it fails.
pub(super) async fn run(
    program: &Path,
    contexts: &Path,
    arguments: &[&str],
    input: &str,
) -> Result<String, Failure> {
    let mut child = Command::new(program)
        .args(arguments)
        .env(crate::contexts::VARIABLE, contexts)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(Failure::failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.as_bytes())
            .await
            .map_err(Failure::failed)?;
    }
    let output = child.wait_with_output().await.map_err(Failure::failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said
        .lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("pelago: ");
    Err(Failure::Failed(anyhow::anyhow!("{last}")))
}

/// Where a program is, by the search path.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the search path is the user's, and this is the root"
)]
pub(super) fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// Asks a health endpoint.
///
/// # Errors
/// Exit code 1 with what is waited for.
pub(super) async fn ready(address: SocketAddr) -> Result<(), Failure> {
    let get = async {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(b"GET /healthz/ready HTTP/1.1\r\nHost: health\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::ensure!(
            answer.starts_with("HTTP/1.1 200"),
            "{address} is not ready: {}",
            answer.lines().last().unwrap_or_default()
        );
        Ok(())
    };
    get.await.map_err(Failure::Failed)
}

/// Whether somebody listens there.
///
/// # Errors
/// Exit code 1 when nobody does.
pub(super) async fn listens(address: SocketAddr) -> Result<(), Failure> {
    match TcpStream::connect(address).await {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::Failed(anyhow::anyhow!(
            "nothing listens on {address}"
        ))),
    }
}

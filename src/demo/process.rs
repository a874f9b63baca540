//! The demo's processes: started, watched, killed, reaped.
//!
//! Each holds the reading end of a pipe as standard input; when the demo is
//! gone, however it went, the pipe closes and the process ends too.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStdin, Command};

use crate::failure::Failure;

/// How to start a process, any number of times.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    /// Its name, such as `east/web`.
    pub(super) name: String,
    /// The program.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// Where its output goes, appended.
    pub(super) log: PathBuf,
}

/// A running process.
#[derive(Debug)]
pub(super) struct Process {
    /// How it was started.
    pub(super) recipe: Recipe,
    child: Child,
    _stdin: Option<ChildStdin>,
}

impl Recipe {
    /// Starts it.
    ///
    /// # Errors
    /// Exit code 1: the program or its log cannot be opened.
    pub(super) fn start(&self) -> Result<Process, Failure> {
        let log = || OpenOptions::new().create(true).append(true).open(&self.log);
        let start = || -> std::io::Result<Child> {
            Command::new(&self.program)
                .args(&self.arguments)
                .stdin(Stdio::piped())
                .stdout(log()?)
                .stderr(log()?)
                // Ctrl-C is for the demo, which drains its processes itself.
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
        };
        let mut child = start().map_err(|error| {
            Failure::Failed(
                anyhow::Error::new(error).context(format!("cannot start {}", self.name)),
            )
        })?;
        let stdin = child.stdin.take();
        Ok(Process {
            recipe: self.clone(),
            child,
            _stdin: stdin,
        })
    }
}

impl Process {
    /// Its process id; `None` once it was reaped.
    #[must_use]
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills it and all it started without warning, and waits until the last
    /// of them is gone.
    ///
    /// # Errors
    /// When the kernel does not let us.
    pub(super) async fn kill(&mut self) -> std::io::Result<()> {
        let group = self.group();
        if let Some(group) = group {
            killpg(group, Signal::SIGKILL)?;
        }
        self.child.wait().await?;
        // What it started is reaped by others: gone when the group is empty.
        while group.is_some_and(|group| killpg(group, None).is_ok()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Tells it to drain.
    pub(super) fn terminate(&self) {
        if let Some(pid) = self.group() {
            // A process that is already gone needs no telling.
            let _ = kill(pid, Signal::SIGTERM);
        }
    }

    /// Waits for it to end; kills it after `patience`.
    pub(super) async fn end(&mut self, patience: Duration) -> bool {
        if tokio::time::timeout(patience, self.child.wait())
            .await
            .is_ok()
        {
            return true;
        }
        let _ = self.kill().await;
        false
    }

    /// Its process group: it leads one of its own.
    fn group(&self) -> Option<Pid> {
        self.pid()
            .and_then(|pid| i32::try_from(pid).ok())
            .map(Pid::from_raw)
    }

    /// An error if it has ended by itself: with the end of its log.
    ///
    /// # Errors
    /// Exit code 1, naming process and log.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Failure::Failed(anyhow::anyhow!(
                "{} ended by itself ({status}); its last words in {}:\n{}",
                self.recipe.name,
                self.recipe.log.display(),
                tail(&self.recipe.log)
            ))),
            Err(error) => Err(Failure::failed(error)),
        }
    }
}

/// The last lines of a log.
fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(5);
    lines.get(from..).unwrap_or_default().join("\n")
}

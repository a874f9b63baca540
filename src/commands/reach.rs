//! The flags many commands share, and how they reach controllers.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use pelago_model::ClusterId;
use pelago_wire::admin::mesh_admin_client::MeshAdminClient;
use pelago_wire::admin::trust_admin_client::TrustAdminClient;
use tonic::transport::Channel;

use crate::admin;
use crate::contexts::{Context, Contexts};
use crate::failure::Failure;
use crate::output::Format;

/// Which clusters, how long to wait, how to print.
#[derive(Debug, Clone, Args)]
pub struct Reach {
    /// The cluster to talk to (a context; repeatable where a command reads).
    #[arg(long, value_name = "CLUSTER", global = true)]
    pub cluster: Vec<ClusterId>,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t, global = true)]
    pub output: Format,
    /// How long to wait for an answer, such as 10s.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration, global = true)]
    pub timeout: Duration,
    /// The contexts file.
    #[arg(long, value_name = "FILE", env = crate::contexts::VARIABLE, hide = true, global = true)]
    pub contexts: Option<PathBuf>,
}

/// What every change can be told.
#[derive(Debug, Clone, Args)]
pub struct Change {
    /// Show what would happen and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
}

impl Reach {
    /// Refuses `--cluster` and `-o` where a command has no use for them.
    ///
    /// # Errors
    /// Exit code 2, naming the command.
    pub fn none(&self, command: &str) -> Result<(), Failure> {
        if self.cluster.is_empty() && self.output == Format::Table {
            return Ok(());
        }
        Err(Failure::invalid(anyhow::anyhow!(
            "`pelago {command}` takes neither --cluster nor --output"
        )))
    }

    /// The contexts this user has.
    ///
    /// # Errors
    /// Exit code 2: no contexts file, or a bad one.
    pub fn contexts(&self) -> Result<Contexts, Failure> {
        let path = match &self.contexts {
            Some(path) => path.clone(),
            None => home()
                .ok_or_else(|| {
                    Failure::invalid(anyhow::anyhow!(
                        "HOME is not set; name the contexts file by $PELAGO_CONTEXTS"
                    ))
                })?
                .join(".config/pelago/contexts.yaml"),
        };
        Contexts::read(&path)
    }

    /// The CA wing of one cluster's controller.
    ///
    /// # Errors
    /// Exit code 2 without such a context, 4 when nobody answers.
    pub async fn trust(&self) -> Result<(ClusterId, TrustAdminClient<Channel>), Failure> {
        let contexts = self.contexts()?;
        let context = contexts.one(&self.cluster)?;
        Ok((
            context.cluster.clone(),
            TrustAdminClient::new(self.dial(context).await?),
        ))
    }

    /// The federation wing of one controller.
    ///
    /// # Errors
    /// Exit code 4 when nobody answers.
    pub async fn mesh(&self, context: &Context) -> Result<MeshAdminClient<Channel>, Failure> {
        Ok(MeshAdminClient::new(self.dial(context).await?))
    }

    /// The CA wing of the controller of that context.
    ///
    /// # Errors
    /// Exit code 4 when nobody answers.
    pub async fn trust_of(&self, context: &Context) -> Result<TrustAdminClient<Channel>, Failure> {
        Ok(TrustAdminClient::new(self.dial(context).await?))
    }

    async fn dial(&self, context: &Context) -> Result<Channel, Failure> {
        admin::dial(&context.admin_socket, self.timeout).await
    }
}

impl Change {
    /// Shows what opens and asks, unless `--yes` was given.
    ///
    /// # Errors
    /// Exit code 1 when the answer is no, 2 when nobody can be asked.
    pub fn confirm(&self, question: &str, opens: &[String]) -> Result<(), Failure> {
        for line in opens {
            eprintln!("  {line}");
        }
        if self.yes {
            return Ok(());
        }
        // Standard input may carry the token, so the answer comes from the terminal.
        let terminal = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/tty");
        let Ok(terminal) = terminal
            .map_err(drop)
            .and_then(|tty| if tty.is_terminal() { Ok(tty) } else { Err(()) })
        else {
            return Err(Failure::invalid(anyhow::anyhow!(
                "there is no terminal to ask on: read the lines above and add --yes"
            )));
        };
        let mut prompt = &terminal;
        write!(prompt, "{question} [y/N] ").map_err(Failure::failed)?;
        let mut answer = String::new();
        std::io::BufReader::new(&terminal)
            .read_line(&mut answer)
            .map_err(Failure::failed)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            Ok(())
        } else {
            Err(Failure::Failed(anyhow::anyhow!(
                "not confirmed; nothing was changed"
            )))
        }
    }
}

/// Reads a secret operand: `-` is standard input, anything else a file. Never
/// the command line itself.
///
/// # Errors
/// Exit code 2 for a file that cannot be read or is larger than 64 KiB.
pub fn secret(operand: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if operand == "-" {
        std::io::stdin().take(LIMIT).read_to_string(&mut text)
    } else if operand.starts_with("pelago1.") {
        return Err(Failure::invalid(anyhow::anyhow!(
            "a token on the command line can be read by every user of this machine: give `-` and pipe it in, or name a file"
        )));
    } else {
        std::fs::File::open(operand).and_then(|file| file.take(LIMIT).read_to_string(&mut text))
    };
    read.map_err(|error| {
        Failure::invalid(
            anyhow::Error::new(error).context(format!("cannot read the token from {operand}")),
        )
    })?;
    Ok(text)
}

/// Parses `10s`, `500ms`, `5m`, `24h` or `7d`.
///
/// # Errors
/// A text for people.
pub fn duration(text: &str) -> Result<Duration, String> {
    pelago_runtime::config::duration::parse(text).map_err(|error| error.to_string())
}

fn home() -> Option<PathBuf> {
    std::env::home_dir()
}

const LIMIT: u64 = 64 * 1024;

/// The wall clock in Unix seconds, for what people read.
#[must_use]
pub fn now() -> u64 {
    use pelago_runtime::clock::WallClock as _;
    pelago_runtime::clock::SystemClock.now().as_secs()
}

//! The command line: what can be said, and where it goes.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::commands::node::NodeCommand;
use crate::commands::peer::PeerCommand;
use crate::commands::reach::Reach;
use crate::commands::run::RunCommand;
use crate::commands::status::Status;
use crate::commands::svid::SvidCommand;
use crate::commands::trust::TrustCommand;
use crate::demo::DemoCommand;
use crate::failure::Failure;

/// Many clusters, VMs and networks, one zero-trust mesh.
#[derive(Debug, Parser)]
#[command(name = "pelago", version, about, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Two clusters on this machine, joined, called, and one lost.
    Demo(DemoCommand),
    /// Run a process of the mesh in the foreground.
    #[command(subcommand)]
    Run(RunCommand),
    /// Join clusters.
    #[command(subcommand)]
    Peer(PeerCommand),
    /// Let nodes and gateways in.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Show clusters, peers, proxies and what is wrong.
    Status(Status),
    /// Authorities and bundles.
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Identities of workloads.
    #[command(subcommand)]
    Svid(SvidCommand),
    /// Virtual machines (not served yet).
    #[command(hide = true)]
    Vm(Later),
    /// Enrol this machine (not served yet).
    #[command(hide = true)]
    Enroll(Later),
    /// Names by DNS (not served yet).
    #[command(hide = true)]
    Dns(Later),
    /// Print the version.
    Version,
    /// Print a completion script for a shell.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Whatever follows a command that is not served yet.
#[derive(Debug, clap::Args)]
struct Later {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _words: Vec<String>,
}

/// Runs what was asked for.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let Some(command) = cli.command else {
        println!("{JOURNEYS}");
        return ExitCode::SUCCESS;
    };
    match command.run(&cli.reach) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("pelago: {failure}");
            failure.exit_code()
        }
    }
}

impl Command {
    fn run(self, reach: &Reach) -> Result<(), Failure> {
        match self {
            Self::Run(run) => {
                reach.none("run")?;
                run.run()
            }
            Self::Demo(demo) => wait(demo.run(reach)),
            Self::Peer(peer) => wait(peer.run(reach)),
            Self::Node(node) => wait(node.run(reach)),
            Self::Status(status) => wait(status.run(reach)),
            Self::Trust(trust) => wait(trust.run(reach)),
            Self::Svid(svid) => wait(svid.run(reach)),
            Self::Vm(_) => Err(later("vm", "nodes enrol by `pelago node token`")),
            Self::Enroll(_) => Err(later("enroll", "nodes enrol by `pelago node token`")),
            Self::Dns(_) => Err(later(
                "dns",
                "the SOCKS5 entrance of a node resolves the mesh's names",
            )),
            Self::Version => {
                reach.none("version")?;
                println!("pelago {}", env!("CARGO_PKG_VERSION"));
                Ok(())
            }
            Self::Completion { shell } => {
                reach.none("completion")?;
                clap_complete::generate(
                    shell,
                    &mut Cli::command(),
                    "pelago",
                    &mut std::io::stdout(),
                );
                Ok(())
            }
        }
    }
}

fn later(command: &str, meanwhile: &str) -> Failure {
    Failure::invalid(anyhow::anyhow!(
        "`pelago {command}` is not served yet; until then, {meanwhile}"
    ))
}

/// Commands are small: one thread is enough, two where the demo makes load.
fn wait(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::failed)?
        .block_on(command)
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failed, 2 usage or an invalid file, 3 findings, 4 unreachable, 5 not finished.";

const JOURNEYS: &str = "\
Pelago: many clusters, VMs and networks, one zero-trust mesh.

  start a cluster     pelago run controller --config east.yaml
  let a node in       pelago --cluster east node token web > token; pelago run node --config web.yaml
  connect clusters    pelago --cluster west peer token --export shop/orders \\
                        | pelago --cluster east peer join -
  see it              pelago status; pelago peer list; pelago trust status
  who am I            pelago svid show
  all commands        pelago --help

Try it all on this machine, in half a minute:

  pelago demo";

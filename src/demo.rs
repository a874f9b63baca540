//! `pelago demo`: two clusters on this machine, joined, called, and one lost.
//!
//! Everything is a process of this one binary on loopback addresses, with
//! real certificates, tunnels, sockets and files. Start with `steps`.

mod app;
mod command;
mod files;
mod index;
mod intruder;
mod layout;
mod logs;
mod process;
mod report;
mod steps;
mod subnet;
mod traffic;
mod world;

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::commands::peer::Trust;
use crate::commands::reach::Reach;
use crate::failure::Failure;
use crate::output::Format;
use layout::{Layout, member, port};
use report::Report;
use world::World;

/// Two clusters on this machine, joined, called, and one lost.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DemoCommand {
    /// Prove every step, then end.
    #[arg(long)]
    check: bool,
    /// Keep state, logs and demo.json in this folder.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How the clusters trust each other.
    #[arg(long, value_enum, default_value_t)]
    trust: Trust,
    #[command(subcommand)]
    helper: Option<Helper>,
}

/// The workloads of the demo; started by it.
#[derive(Debug, Subcommand)]
enum Helper {
    /// A workload that answers over HTTP.
    #[command(hide = true)]
    App(app::App),
    /// An ordinary program that ends with the demo.
    #[command(hide = true)]
    Guard(app::Guard),
}

impl DemoCommand {
    /// Runs the demo.
    ///
    /// # Errors
    /// Exit code 1 when a step failed, 2 for what is not served yet.
    pub async fn run(self, reach: &Reach) -> Result<(), Failure> {
        match self.helper {
            Some(Helper::App(app)) => return app.run().await,
            Some(Helper::Guard(guard)) => return guard.run().await,
            None => {}
        }
        if self.trust == Trust::Share {
            return Err(Failure::invalid(anyhow::anyhow!(
                "--trust share is not served yet: the demo federates two trust domains"
            )));
        }
        let folder = Folder::open(self.dir.as_deref())?;
        let ended = Box::pin(show(&folder, self.check, reach.output)).await;
        folder.close();
        ended
    }
}

async fn show(folder: &Folder, check: bool, format: Format) -> Result<(), Failure> {
    let mut world = World::prepare(Layout::make(&folder.path, || folder.sockets())?)?;
    let mut interrupted = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())
        .map_err(Failure::failed)?;
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(Failure::failed)?;
    let work = async {
        let mut report = Report::begin(format);
        let up = prove(&mut world, &mut report, check).await;
        if check || !up {
            return report.end();
        }
        if format.is_table() {
            println!("{}", invitation(&world, folder)?);
        }
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = work => ended,
        _ = interrupted.recv() => Ok(()),
        _ = terminated.recv() => Ok(()),
    };
    if !check && format.is_table() {
        eprintln!("draining…");
    }
    let cut = world.end().await;
    if cut > 0 {
        eprintln!("{cut} processes did not end in time and were killed");
    }
    ended
}

/// The steps; whether the clusters are up and joined.
async fn prove(world: &mut World, report: &mut Report, check: bool) -> bool {
    if report
        .step("clusters up", async { Ok(((), world.start().await?)) })
        .await
        .is_none()
    {
        return false;
    }
    let Some((token, joined)) = report.step("joined by token", steps::join(world)).await else {
        return false;
    };
    report
        .step("call inside east", steps::call_inside(world))
        .await;
    report
        .step("call from east to west", steps::call_across(world, joined))
        .await;
    if check {
        report
            .step("the same token again", steps::reuse_token(world, &token))
            .await;
        report
            .step(
                "unexported service at the gateway",
                steps::unexported(world),
            )
            .await;
        report
            .step("foreign identity at a workload", steps::foreign(world))
            .await;
        report
            .step("identity denied by policy", steps::denied(world))
            .await;
        report
            .step("west killed under load", steps::loss(world))
            .await;
        report
            .step("west back and converged", steps::back(world))
            .await;
        report
            .step("control: west killed, failover off", steps::control(world))
            .await;
    }
    true
}

fn invitation(world: &World, folder: &Folder) -> Result<String, Failure> {
    let socks = world
        .layout
        .member(member("east", "frontend")?, port::SOCKS);
    Ok(format!(
        "
Everything runs; Ctrl-C drains it. In another terminal:

  export {variable}={contexts}
  pelago status
  pelago peer list
  pelago node list
  pelago trust status
  pelago svid show --socket {agent}
  curl --socks5-hostname {socks} http://web.shop.svc.cluster.local/
  curl --socks5-hostname {socks} http://orders.shop.svc.west.mesh/
  curl --socks5-hostname {socks} http://api.shop.svc.cluster.local/

Logs are in {logs}; every process is in {index}.",
        variable = crate::contexts::VARIABLE,
        contexts = world.layout.contexts().display(),
        agent = world.layout.socket("east/frontend").display(),
        logs = folder.path.join("logs").display(),
        index = folder.path.join("demo.json").display(),
    ))
}

/// The demo's folder: the one named, kept; or a fresh one, removed at the end.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    remove: std::cell::RefCell<Vec<PathBuf>>,
}

impl Folder {
    fn open(named: Option<&Path>) -> Result<Self, Failure> {
        let Some(named) = named else {
            let path = fresh("pelago-demo")?;
            return Ok(Self {
                path: path.clone(),
                remove: vec![path].into(),
            });
        };
        std::fs::create_dir_all(named)
            .and_then(|()| named.canonicalize())
            .map(|path| Self {
                path,
                remove: Vec::new().into(),
            })
            .map_err(|error| {
                Failure::Invalid(
                    anyhow::Error::new(error).context(format!("--dir {}", named.display())),
                )
            })
    }

    /// A short folder for sockets; named to the user, since it is elsewhere.
    fn sockets(&self) -> Result<PathBuf, Failure> {
        let path = fresh("pelago")?;
        eprintln!(
            "the folder's path is too long for Unix sockets: they are in {}",
            path.display()
        );
        self.remove.borrow_mut().push(path.clone());
        Ok(path)
    }

    fn close(&self) {
        for path in self.remove.borrow().iter() {
            if let Err(error) = std::fs::remove_dir_all(path) {
                eprintln!("cannot remove {}: {error}", path.display());
            }
        }
    }
}

/// A fresh folder for temporary files that only we can enter.
fn fresh(name: &str) -> Result<PathBuf, Failure> {
    let parent = std::env::temp_dir();
    for n in 0..1000_u32 {
        let path = parent.join(format!("{name}-{}-{n}", std::process::id()));
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Failure::failed(error)),
        }
    }
    Err(Failure::Failed(anyhow::anyhow!(
        "no free name under {}",
        parent.display()
    )))
}

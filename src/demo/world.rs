//! The demo's mesh: started, told apart, killed and brought back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pelago_wire::admin::mesh_admin_client::MeshAdminClient;
use pelago_wire::admin::trust_admin_client::TrustAdminClient;
use pelago_wire::admin::{CreateNodeTokenRequest, StatusRequest, StatusResponse};
use tokio::time::Instant;

use super::command;
use super::files;
use super::index;
use super::layout::{CLUSTERS, Layout, MEMBERS, Member, port};
use super::process::{Process, Recipe};
use crate::admin;
use crate::failure::Failure;

/// Everything that runs.
#[derive(Debug)]
pub(super) struct World {
    /// Where everything is.
    pub(super) layout: Layout,
    program: PathBuf,
    python: Option<PathBuf>,
    processes: BTreeMap<String, Process>,
}

impl World {
    /// Nothing runs yet; the files are written.
    ///
    /// # Errors
    /// Exit code 1 when a file cannot be written.
    pub(super) fn prepare(layout: Layout) -> Result<Self, Failure> {
        files::write_all(&layout)?;
        let program = std::env::current_exe().map_err(Failure::failed)?;
        Ok(Self {
            layout,
            program,
            python: command::find("python3"),
            processes: BTreeMap::new(),
        })
    }

    /// Starts both clusters and waits until every process serves.
    ///
    /// # Errors
    /// Exit code 1 when one ends or is not ready in time.
    pub(super) async fn start(&mut self) -> Result<String, Failure> {
        for cluster in CLUSTERS {
            self.start_controller(cluster)?;
        }
        for cluster in CLUSTERS {
            self.answers(cluster).await?;
        }
        for cluster in CLUSTERS {
            self.tokens(cluster).await?;
            self.start_parts(cluster)?;
        }
        for cluster in CLUSTERS {
            self.settled(cluster).await?;
        }
        index::write(&self.layout, &self.processes)?;
        Ok(format!(
            "2 controllers, 2 gateways, {} nodes, {} processes in all",
            MEMBERS.len(),
            self.processes.len()
        ))
    }

    /// Starts a controller.
    ///
    /// # Errors
    /// Exit code 1 when it cannot be started.
    pub(super) fn start_controller(&mut self, cluster: &str) -> Result<(), Failure> {
        self.run(
            &format!("{cluster}/controller"),
            "controller",
            &self.layout.cluster(cluster).join("controller.yaml"),
        )
    }

    /// Starts gateway, nodes and workloads of a cluster.
    ///
    /// # Errors
    /// Exit code 1 when one cannot be started.
    pub(super) fn start_parts(&mut self, cluster: &str) -> Result<(), Failure> {
        let folder = self.layout.cluster(cluster);
        self.run(
            &format!("{cluster}/gateway"),
            "gateway",
            &folder.join("gateway.yaml"),
        )?;
        for member in members(cluster) {
            self.run(
                &member.id(),
                "node",
                &folder.join(format!("{}.yaml", member.name)),
            )?;
            if member.serves {
                self.start_app(member)?;
            }
        }
        Ok(())
    }

    /// Brings a killed cluster back, from its state.
    ///
    /// # Errors
    /// Exit code 1 when it does not come back in time.
    pub(super) async fn restart(&mut self, cluster: &str) -> Result<(), Failure> {
        self.start_controller(cluster)?;
        self.start_parts(cluster)?;
        self.settled(cluster).await?;
        index::write(&self.layout, &self.processes)
    }

    /// Kills every process of a cluster at once and reaps them; gives the
    /// moment at which the last one was gone.
    ///
    /// # Errors
    /// Exit code 1 when one cannot be killed.
    pub(super) async fn kill(&mut self, cluster: &str) -> Result<Instant, Failure> {
        let prefix = format!("{cluster}/");
        let names: Vec<_> = self
            .processes
            .keys()
            .filter(|name| name.starts_with(&prefix))
            .cloned()
            .collect();
        let gone: Vec<_> = names
            .iter()
            .filter_map(|name| self.processes.remove(name))
            .collect();
        let kills = gone
            .into_iter()
            .map(|mut process| async move { process.kill().await });
        for killed in futures_util::future::join_all(kills).await {
            killed.map_err(Failure::failed)?;
        }
        Ok(Instant::now())
    }

    /// Drains and ends everything, gateways and nodes before controllers.
    pub(super) async fn end(&mut self) -> usize {
        let mut cut = 0;
        for controllers in [false, true] {
            let names: Vec<_> = self
                .processes
                .keys()
                .filter(|name| name.ends_with("/controller") == controllers)
                .cloned()
                .collect();
            let mut batch: Vec<_> = names
                .iter()
                .filter_map(|name| self.processes.remove(name))
                .collect();
            batch.iter().for_each(Process::terminate);
            let ends = batch.iter_mut().map(|process| process.end(DRAIN));
            cut += futures_util::future::join_all(ends)
                .await
                .into_iter()
                .filter(|clean| !clean)
                .count();
        }
        cut
    }

    /// Ends one process.
    pub(super) async fn end_one(&mut self, name: &str) {
        if let Some(mut process) = self.processes.remove(name) {
            process.terminate();
            process.end(DRAIN).await;
        }
    }

    /// What the controller of `cluster` says of itself.
    ///
    /// # Errors
    /// Exit code 4 when it does not answer.
    pub(super) async fn status(&self, cluster: &str) -> Result<StatusResponse, Failure> {
        let channel = admin::dial(&files::admin(&self.layout, cluster), ANSWER).await?;
        Ok(MeshAdminClient::new(channel)
            .status(StatusRequest {})
            .await?
            .into_inner())
    }

    /// Runs one of our own commands as a person would; gives what it prints.
    ///
    /// # Errors
    /// Exit code 1 with what it said when it fails.
    pub(super) async fn command(
        &self,
        contexts: &Path,
        arguments: &[&str],
        input: &str,
    ) -> Result<String, Failure> {
        command::run(&self.program, contexts, arguments, input).await
    }

    /// Waits for `condition`, watching that no process ends meanwhile.
    ///
    /// # Errors
    /// Exit code 1 with what is still missing after 15 s.
    pub(super) async fn wait<T>(
        &mut self,
        what: &str,
        condition: impl AsyncFn(&Self) -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = None;
        while Instant::now() < deadline {
            match condition(self).await {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => {}
                Err(failure) => last = Some(failure),
            }
            for process in self.processes.values_mut() {
                process.check()?;
            }
            tokio::time::sleep(POLL).await;
        }
        let last = last
            .map(|failure| format!(": {failure}"))
            .unwrap_or_default();
        Err(Failure::NotFinished(anyhow::anyhow!(
            "{what}: not within {} s{last}",
            PATIENCE.as_secs()
        )))
    }

    /// Waits until a controller answers.
    ///
    /// # Errors
    /// Exit code 1 when it ends or does not answer in time.
    pub(super) async fn answers(&mut self, cluster: &str) -> Result<(), Failure> {
        self.wait(&format!("controller of {cluster} answers"), async |world| {
            world.status(cluster).await.map(|_| Some(()))
        })
        .await
    }

    /// Waits until every proxy of a cluster is ready and in step.
    ///
    /// # Errors
    /// Exit code 1 when one is not in time.
    pub(super) async fn settled(&mut self, cluster: &str) -> Result<(), Failure> {
        let parts = members(cluster).count() + 1;
        self.wait(
            &format!("{parts} proxies of {cluster} in step"),
            async |world| {
                let status = world.status(cluster).await?;
                let synced = status.clients.iter().filter(|client| client.synced).count();
                if synced < parts {
                    return Err(Failure::Failed(anyhow::anyhow!("{synced} are")));
                }
                for address in world.health(cluster) {
                    command::ready(address).await?;
                }
                for member in members(cluster).filter(|member| member.serves) {
                    command::listens(world.layout.member(member, port::APP)).await?;
                }
                Ok(Some(()))
            },
        )
        .await
    }

    fn health(&self, cluster: &str) -> Vec<SocketAddr> {
        let gateway = SocketAddr::new(self.layout.gateway(cluster).ip(), port::HEALTH);
        members(cluster)
            .map(|member| self.layout.member(member, port::HEALTH))
            .chain([gateway])
            .collect()
    }

    async fn tokens(&self, cluster: &str) -> Result<(), Failure> {
        let channel = admin::dial(&files::admin(&self.layout, cluster), ANSWER).await?;
        let mut trust = TrustAdminClient::new(channel);
        let nodes =
            members(cluster).map(|member| (member.name, "node", format!("{}.token", member.name)));
        for (name, role, file) in nodes.chain([("gw", "gateway", "gateway.token".to_owned())]) {
            let request = CreateNodeTokenRequest {
                name: name.to_owned(),
                role: role.to_owned(),
                ttl_seconds: 600,
                reason: "pelago demo".to_owned(),
            };
            let token = trust.create_node_token(request).await?.into_inner().token;
            files::write_secret(&self.layout.cluster(cluster).join(file), &token)?;
        }
        Ok(())
    }

    fn start_app(&mut self, member: &Member) -> Result<(), Failure> {
        let address = self.layout.member(member, port::APP);
        let name = format!("{}-app", member.id());
        let arguments = match &self.python {
            Some(python) if member.ordinary => {
                let page = self
                    .layout
                    .dir
                    .join("www")
                    .join(member.id().replace('/', "-"));
                let (ip, port) = (address.ip().to_string(), address.port().to_string());
                let page = page.display().to_string();
                let python = python.display().to_string();
                [
                    "demo",
                    "guard",
                    "--",
                    &python,
                    "-m",
                    "http.server",
                    &port,
                    "--bind",
                    &ip,
                    "--directory",
                    &page,
                ]
                .map(str::to_owned)
                .to_vec()
            }
            _ => vec![
                "demo".to_owned(),
                "app".to_owned(),
                format!("--listen={address}"),
                format!("--says={}", files::says(member)),
            ],
        };
        self.start_recipe(&name, arguments)
    }

    fn run(&mut self, name: &str, role: &str, config: &Path) -> Result<(), Failure> {
        let config = format!("--config={}", config.display());
        let arguments = ["run", role, "--stop-with-stdin", &config]
            .map(str::to_owned)
            .to_vec();
        self.start_recipe(name, arguments)
    }

    fn start_recipe(&mut self, name: &str, arguments: Vec<String>) -> Result<(), Failure> {
        let recipe = Recipe {
            name: name.to_owned(),
            program: self.program.clone(),
            arguments,
            log: self.layout.log(name),
        };
        self.processes.insert(name.to_owned(), recipe.start()?);
        Ok(())
    }
}

/// The workloads of a cluster.
pub(super) fn members(cluster: &str) -> impl Iterator<Item = &'static Member> {
    MEMBERS
        .iter()
        .filter(move |member| member.cluster == cluster)
}

const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);
const ANSWER: Duration = Duration::from_secs(5);
const DRAIN: Duration = Duration::from_secs(10);

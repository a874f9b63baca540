//! A cluster in memory: a controller, a gateway, nodes with their workloads,
//! each a host of its own that can be killed, cut off and started again.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper_util::rt::TokioIo;
use pelago::config::Lifetimes;
use pelago::controller::{Controller, Ground, Settings};
use pelago_ca_server::MemoryKeyring;
use pelago_dataplane_node::{
    App, Ground as NodeGround, Part, Placement, Running, Settings as NodeSettings, Snapshots,
    TokenSource,
};
use pelago_federation_server::Source;
use pelago_identity::StateDir;
use pelago_model::{ClusterId, HostPort, Locality, Name, Namespace, TrustDomain};
use pelago_net::{BoxNet, Fabric, MemoryNet, Net as _, ProcessFacts};
use pelago_runtime::clock::{Clock, TokioClock, UnixTime};
use pelago_runtime::scope::Scope;
use pelago_store::MemoryStore;
use pelago_wire::admin::mesh_admin_client::MeshAdminClient;
use pelago_wire::admin::trust_admin_client::TrustAdminClient;
use pelago_wire::admin::{
    CreateNodeTokenRequest, CreatePeerTokenRequest, JoinPeerRequest, PeerInfo, StatusRequest,
    StatusResponse,
};
use tokio::sync::watch;
use tonic::transport::{Channel, Endpoint, Uri};
use zeroize::Zeroizing;

use crate::log::Log;
use crate::{socks, workload};

/// What clusters of one mesh share: the wires and the time.
pub struct Mesh {
    /// The network.
    pub fabric: Fabric,
    /// The wall clock, which passes with tokio's.
    pub clock: Clock,
}

impl Default for Mesh {
    fn default() -> Self {
        Self::new()
    }
}

impl Mesh {
    /// An empty mesh on 2027-01-15.
    #[must_use]
    pub fn new() -> Self {
        Self {
            fabric: Fabric::new(),
            clock: Arc::new(TokioClock::starting_at(UnixTime::from_secs(1_800_000_000))),
        }
    }
}

/// One cluster.
pub struct Cluster {
    name: &'static str,
    octet: u8,
    mesh: Arc<Mesh>,
    mesh_yaml: watch::Sender<String>,
    lifetimes: Lifetimes,
    ground: Ground,
    hosts: BTreeMap<String, MemoryNet>,
    scopes: BTreeMap<String, Scope>,
    running: BTreeMap<String, Running>,
    kept: BTreeMap<String, (StateDir, Snapshots)>,
    logs: BTreeMap<String, Log>,
}

const CONTROLLER: &str = "controller";
const GATEWAY: &str = "gw";

impl Cluster {
    /// Starts controller and gateway of cluster `name` in `10.<octet>.0.0/16`.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start(
        mesh: &Arc<Mesh>,
        name: &'static str,
        octet: u8,
        lifetimes: Lifetimes,
    ) -> anyhow::Result<Self> {
        let facts = ProcessFacts::of_user(0, 0);
        let host = mesh.fabric.host([ip(octet, 1)], facts);
        let ground = Ground {
            net: BoxNet::new(host.clone()),
            store: Arc::new(MemoryStore::new()),
            keyring: Arc::new(MemoryKeyring::new()),
            clock: Arc::clone(&mesh.clock),
        };
        let mut cluster = Self {
            name,
            octet,
            mesh: Arc::clone(mesh),
            mesh_yaml: watch::Sender::new(String::new()),
            lifetimes,
            ground,
            hosts: BTreeMap::from([(CONTROLLER.to_owned(), host)]),
            scopes: BTreeMap::new(),
            running: BTreeMap::new(),
            kept: BTreeMap::new(),
            logs: BTreeMap::new(),
        };
        cluster.start_controller().await?;
        cluster.start_part(GATEWAY, 2).await?;
        Ok(cluster)
    }

    /// Replaces the resources of the mesh.
    pub fn apply(&self, yaml: &str) {
        self.mesh_yaml.send_replace(yaml.to_owned());
    }

    /// Adds a node at `10.<octet>.0.<host>` and a workload that answers
    /// `<name> in <cluster>`.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn workload(&mut self, name: &'static str, host: u8) -> anyhow::Result<()> {
        self.start_part(name, host).await?;
        let app = SocketAddr::new(ip(self.octet, host), 8080);
        let scope = self.scopes.get(name).context("just started")?;
        let net = self.hosts.get(name).context("just made")?;
        workload::serve(net, app, format!("{name} in {}", self.name), scope).await
    }

    /// Calls `host` port 80 as the workload of node `name`.
    ///
    /// # Errors
    /// Why there was no answer.
    pub async fn call(&self, name: &str, host: &str) -> anyhow::Result<String> {
        let (net, at) = self.caller(name)?;
        socks::call(&net, at, host).await
    }

    /// The caller's process on the host of node `name`, and its SOCKS5 address.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn caller(&self, name: &str) -> anyhow::Result<(MemoryNet, SocketAddr)> {
        let net = self
            .hosts
            .get(name)
            .context("no such node")?
            .as_process(ProcessFacts::of_user(1000, 1000));
        let at = self
            .running
            .get(name)
            .and_then(|running| running.bound().socks)
            .context("no SOCKS5 here")?;
        Ok((net, at))
    }

    /// The connection log of a node, or of the gateway `gw`.
    #[must_use]
    pub fn log(&self, name: &str) -> Log {
        self.logs.get(name).cloned().unwrap_or_default()
    }

    /// The running node or gateway of that name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&Running> {
        self.running.get(name)
    }

    /// The host of a part or of the `controller`.
    ///
    /// # Errors
    /// When there is none.
    pub fn host(&self, name: &str) -> anyhow::Result<&MemoryNet> {
        self.hosts.get(name).context("no such host")
    }

    /// Kills one host: its process, its connections.
    pub fn kill(&mut self, name: &str) {
        if let Some(host) = self.hosts.get(name) {
            self.mesh.fabric.kill(host);
        }
        self.running.remove(name);
        self.scopes.remove(name);
    }

    /// Kills every host of the cluster.
    pub fn kill_all(&mut self) {
        for name in self.hosts.keys().cloned().collect::<Vec<_>>() {
            self.kill(&name);
        }
    }

    /// Starts the controller, again if it was killed: from its store and keys.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_controller(&mut self) -> anyhow::Result<()> {
        self.mesh.fabric.revive(self.host(CONTROLLER)?);
        let settings = self.settings()?;
        let controller = Controller::build(settings, self.ground.clone()).await?;
        let scope = Scope::new(self.name);
        controller.start(&scope).await?;
        self.scopes.insert(CONTROLLER.to_owned(), scope);
        Ok(())
    }

    /// Starts the gateway again, from its state.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_gateway(&mut self) -> anyhow::Result<()> {
        self.start_part(GATEWAY, 2).await
    }

    /// Prints a peer token that exports and merges these services.
    ///
    /// # Errors
    /// What the controller says.
    pub async fn peer_token(&self, export: &[&str], merge: &[&str]) -> anyhow::Result<String> {
        let request = CreatePeerTokenRequest {
            export: export.iter().map(ToString::to_string).collect(),
            merge: merge.iter().map(ToString::to_string).collect(),
            trust: "federate".to_owned(),
            ttl_seconds: 600,
            reason: "test".to_owned(),
        };
        Ok(self
            .trust()
            .await?
            .create_peer_token(request)
            .await?
            .into_inner()
            .token)
    }

    /// Redeems a peer token.
    ///
    /// # Errors
    /// What the controller says.
    pub async fn join(&self, token: &str) -> anyhow::Result<()> {
        let request = JoinPeerRequest {
            token: token.to_owned(),
            export: Vec::new(),
            reason: "test".to_owned(),
        };
        self.trust().await?.join_peer(request).await?;
        Ok(())
    }

    /// What the controller says of itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status(&self) -> anyhow::Result<StatusResponse> {
        let mut mesh = MeshAdminClient::new(self.admin().await?);
        Ok(mesh.status(StatusRequest {}).await?.into_inner())
    }

    /// What the controller says of its only peer.
    ///
    /// # Errors
    /// When it does not answer or has no peer.
    pub async fn peer(&self) -> anyhow::Result<PeerInfo> {
        self.status().await?.peers.pop().context("no peer")
    }

    /// The CA's admin API.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn trust(&self) -> anyhow::Result<TrustAdminClient<Channel>> {
        Ok(TrustAdminClient::new(self.admin().await?))
    }

    async fn admin(&self) -> anyhow::Result<Channel> {
        let net = self.host(CONTROLLER)?.clone();
        let connect = tower::service_fn(move |_: Uri| {
            let net = net.clone();
            async move { net.dial_unix(&socket("admin")).await.map(TokioIo::new) }
        });
        Ok(Endpoint::from_static("http://admin.pelago")
            .connect_with_connector(connect)
            .await?)
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        Ok(Settings {
            cluster: ClusterId::parse(self.name)?,
            trust_domain: TrustDomain::parse(&format!("{}.example", self.name))?,
            network: Name::parse("net")?,
            root_namespace: Namespace::parse("istio-system")?,
            lifetimes: self.lifetimes,
            refresh_hint: Duration::from_secs(60),
            advertise: vec![HostPort::from(SocketAddr::new(ip(self.octet, 2), 15443))],
            control: SocketAddr::new(ip(self.octet, 1), 15012),
            source: Source::Static(self.mesh_yaml.subscribe()),
            admin: (socket("admin"), 0),
        })
    }

    async fn start_part(&mut self, name: &str, host: u8) -> anyhow::Result<()> {
        let address = ip(self.octet, host);
        if !self.hosts.contains_key(name) {
            let net = self
                .mesh
                .fabric
                .host([address], ProcessFacts::of_user(0, 0));
            self.hosts.insert(name.to_owned(), net);
            self.kept
                .insert(name.to_owned(), (StateDir::memory(), Snapshots::memory()));
        }
        let net = self.host(name)?.clone();
        self.mesh.fabric.revive(&net);
        let token = if self.logs.contains_key(name) {
            TokenSource::Absent
        } else {
            self.node_token(name).await?
        };
        let (state, snapshots) = self.kept.get(name).cloned().context("made with the host")?;
        let log = self.logs.entry(name.to_owned()).or_default().clone();
        let ground = NodeGround {
            net,
            clock: Arc::clone(&self.mesh.clock),
            state,
            snapshots,
            token,
            access_log: Box::new(log),
            placement: Placement::Here,
            seed: u64::from(host),
        };
        let app = App::build(self.part_settings(name, address)?, ground).await?;
        let scope = Scope::new(name);
        let running = app.run(&scope).await?;
        self.scopes.insert(name.to_owned(), scope);
        self.running.insert(name.to_owned(), running);
        Ok(())
    }

    async fn node_token(&self, name: &str) -> anyhow::Result<TokenSource> {
        let role = if name == GATEWAY { "gateway" } else { "node" };
        let request = CreateNodeTokenRequest {
            name: name.to_owned(),
            role: role.to_owned(),
            ttl_seconds: 600,
            reason: "test".to_owned(),
        };
        let token = self
            .trust()
            .await?
            .create_node_token(request)
            .await?
            .into_inner()
            .token;
        Ok(TokenSource::Text(Zeroizing::new(token)))
    }

    fn part_settings(&self, name: &str, address: IpAddr) -> anyhow::Result<NodeSettings> {
        let gateway = SocketAddr::new(address, 15443);
        Ok(NodeSettings {
            name: Name::parse(name)?,
            network: Name::parse("net")?,
            locality: Locality::default(),
            controller: vec![HostPort::from(SocketAddr::new(ip(self.octet, 1), 15012))],
            part: if name == GATEWAY {
                Part::Gateway {
                    listen: gateway,
                    advertise: vec![gateway.into()],
                }
            } else {
                Part::Node {
                    hbone: SocketAddr::new(address, 15008),
                    socks: Some(SocketAddr::new(address, 15080)),
                    socket: socket("agent"),
                }
            },
            metrics: SocketAddr::new(address, 15020),
            health: SocketAddr::new(address, 15021),
        })
    }
}

/// Address `host` of a cluster.
#[must_use]
pub const fn ip(octet: u8, host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, octet, 0, host))
}

fn socket(name: &str) -> PathBuf {
    PathBuf::from(format!("/run/pelago/{name}.sock"))
}

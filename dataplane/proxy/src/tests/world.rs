//! Two clusters on an in-memory network: nodes, gateways and programs, with
//! real certificates, tunnels and decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use pelago_dataplane_policy::Home;
use pelago_identity::{Identity, State, Svid};
use pelago_model::service::{ServicePort, Spread};
use pelago_model::*;
use pelago_net::{
    DialOptions, Fabric, ListenOptions, Listener as _, MemoryNet, MemoryStream, Net, ProcessFacts,
};
use pelago_runtime::clock::{Clock, TokioClock, UnixTime};
use pelago_runtime::scope::Scope;
use pelago_runtime::telemetry::Metrics;
use tests_suites::mint::{Authority, FROM, NOW, Spec, UNTIL};
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream,
};
use tokio::sync::watch;

use crate::{Proxy, Role, Settings, Telemetry};

pub(crate) const USER: u32 = 1000;
pub(crate) const SOCKS: u16 = 1080;

pub(crate) fn id(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

pub(crate) fn ip(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

pub(crate) fn key(name: &str) -> ServiceKey {
    ServiceKey::parse(&format!("shop/{name}.shop.svc.cluster.local")).unwrap()
}

/// The network and everything that is true on it.
pub(crate) struct World {
    pub(crate) fabric: Fabric,
    pub(crate) scope: Scope,
    /// When SVIDs issued from now on expire, Unix seconds.
    pub(crate) until: u64,
    clock: Clock,
    clusters: BTreeMap<&'static str, Cluster>,
}

struct Cluster {
    intermediate: Authority,
    bundle: Arc<Bundle>,
    snapshot: watch::Sender<Arc<Snapshot>>,
}

/// A node or gateway.
pub(crate) struct Part {
    pub(crate) net: MemoryNet,
    pub(crate) scope: Scope,
    pub(crate) metrics: Metrics,
    lines: BufReader<DuplexStream>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clusters = ["east", "west"].map(|name| {
            let domain = format!("{name}.example");
            let root = Authority::root(&Spec::root(&domain));
            let prefix = format!("spiffe://{domain}");
            let intermediate = root.authority(&Spec::intermediate(name, &[&prefix]));
            let bundle = Bundle {
                trust_domain: TrustDomain::parse(&domain).unwrap(),
                sequence: 1,
                refresh_hint: 60,
                x509_authorities: vec![root.root_der().into()],
            };
            let cluster = Cluster {
                intermediate,
                bundle: Arc::new(bundle),
                snapshot: watch::Sender::new(Arc::default()),
            };
            (name, cluster)
        });
        Self {
            fabric: Fabric::new(),
            scope: Scope::new("test"),
            until: UNTIL,
            clock: Arc::new(TokioClock::starting_at(UnixTime::from_secs(NOW))),
            clusters: clusters.into(),
        }
    }

    /// Makes resources true in a cluster.
    pub(crate) fn tell(&self, cluster: &str, upserts: Vec<Resource>) {
        self.clusters[cluster].snapshot.send_modify(|snapshot| {
            Arc::make_mut(snapshot).apply(&Delta {
                upserts,
                removals: Vec::new(),
            });
        });
    }

    /// The SVID of an identity, issued by the cluster.
    pub(crate) fn svid(&self, cluster: &str, id: &SpiffeId) -> Arc<Svid> {
        let spec = Spec::leaf(id.as_str()).valid(FROM, self.until);
        let minted = self.clusters[cluster].intermediate.leaf(&spec);
        Arc::new(Svid::new(minted.chain, minted.pkcs8.into()).unwrap())
    }

    pub(crate) fn identity(&self, state: State) -> Identity {
        let (writer, identity) = pelago_identity::channel(Arc::clone(&self.clock));
        let mut state = state;
        for cluster in self.clusters.values() {
            state.bundles.accept(Arc::clone(&cluster.bundle)).unwrap();
        }
        writer.update(|current| *current = state);
        identity
    }

    /// A node at an address with the workload `name`, which has the identity
    /// `spiffe://<cluster>.example/ns/shop/sa/<name>` and belongs to [`USER`].
    pub(crate) async fn node(&self, cluster: &'static str, name: &str, last: u8) -> Part {
        self.node_as(cluster, name, last, name).await
    }

    /// The same, whose workload shows another identity than it should.
    pub(crate) async fn node_as(
        &self,
        cluster: &'static str,
        name: &str,
        last: u8,
        shown: &str,
    ) -> Part {
        let own = node_id(cluster, name);
        let workload = workload_id(cluster, shown);
        let entry = RegistrationEntry {
            id: Name::parse(name).unwrap(),
            spiffe_id: workload.clone(),
            node: Name::parse(name).unwrap(),
            selectors: vec![Selector::Uid(USER)],
            ttl_seconds: None,
            hint: String::new(),
        };
        let state = State {
            own: Some(self.svid(cluster, &own)),
            workloads: BTreeMap::from([
                (workload.clone(), self.svid(cluster, &workload)),
                // What the snapshot says runs here, in the key of another.
                (workload_id(cluster, name), self.svid(cluster, &workload)),
            ]),
            entries: vec![entry],
            ..State::default()
        };
        let role = Role::Node {
            hbone: Some(SocketAddr::new(ip(last), 15008)),
            socks: Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), SOCKS)),
        };
        self.part(cluster, own, last, state, role).await
    }

    /// A gateway at an address, whose controller is at 10.0.0.9:15012.
    pub(crate) async fn gateway(&self, cluster: &'static str, name: &str, last: u8) -> Part {
        let own = gateway(cluster, name, last).identity;
        let state = State {
            own: Some(self.svid(cluster, &own)),
            ..State::default()
        };
        let role = Role::Gateway {
            listen: SocketAddr::new(ip(last), 15443),
            controller: vec![HostPort::parse("10.0.0.9:15012").unwrap()],
        };
        self.part(cluster, own, last, state, role).await
    }

    async fn part(
        &self,
        cluster: &'static str,
        own_id: SpiffeId,
        last: u8,
        state: State,
        role: Role,
    ) -> Part {
        let net = self.fabric.host([ip(last)], ProcessFacts::of_user(0, 0));
        let metrics = Metrics::new();
        let (telemetry, lines) = Telemetry::new(&metrics, Arc::clone(&self.clock));
        let (reader, writer) = tokio::io::duplex(1 << 20);
        self.scope.spawn("lines", lines.write(writer));
        let settings = Settings {
            home: Home {
                cluster: ClusterId::parse(cluster).unwrap(),
                trust_domain: own_id.trust_domain().clone(),
                network: network(cluster),
                locality: Locality::default(),
                reserved_ports: BTreeSet::new(),
            },
            own_id,
            role,
            connections: 100,
        };
        let snapshots = self.clusters[cluster].snapshot.subscribe();
        let identity = self.identity(state);
        let workers = NonZeroUsize::new(1).unwrap();
        let proxy = Proxy::bind(
            net.clone(),
            identity,
            snapshots,
            settings,
            telemetry,
            workers,
        );
        let scope = self.scope.supervised("part");
        for worker in proxy.await.unwrap().workers(&scope) {
            scope.spawn_critical("worker", worker);
        }
        Part {
            net,
            scope,
            metrics,
            lines: BufReader::new(reader),
        }
    }
}

impl Part {
    /// The next log line.
    pub(crate) async fn line(&mut self) -> serde_json::Value {
        let mut text = String::new();
        let read = self.lines.read_line(&mut text);
        tokio::time::timeout(Duration::from_secs(60), read)
            .await
            .expect("no line came")
            .unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// A program on port 8080 that says `name` and then repeats what it hears.
    pub(crate) async fn program(&self, world: &World, last: u8, name: &'static str) {
        let at = SocketAddr::new(ip(last), 8080);
        let mut listener = self.net.listen(at, ListenOptions::default()).await.unwrap();
        let scope = Arc::new(world.scope.child("program"));
        let inner = Arc::clone(&scope);
        scope.spawn("program", async move {
            while let Ok((stream, _)) = listener.accept().await {
                inner.spawn("served", async move {
                    let (mut read, mut write) = tokio::io::split(stream);
                    let _ = write.write_all(format!("{name}\n").as_bytes()).await;
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                    let _ = write.shutdown().await;
                });
            }
        });
    }

    /// Calls a service as a program of `uid`: the answer's code, and the
    /// stream if it is 0.
    pub(crate) async fn call_as(&self, uid: u32, host: &str, port: u16) -> (u8, MemoryStream) {
        let net = self.net.as_process(ProcessFacts::of_user(uid, uid));
        let at = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), SOCKS);
        let mut stream = net.dial(at, DialOptions::default()).await.unwrap();
        let length = u8::try_from(host.len()).unwrap();
        let request = [
            &[5, 1, 0, 5, 1, 0, 3, length],
            host.as_bytes(),
            &port.to_be_bytes(),
        ]
        .concat();
        stream.write_all(&request).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        (answer[3], stream)
    }

    pub(crate) async fn call(&self, name: &str) -> Result<(String, MemoryStream), u8> {
        let (code, mut stream) = self.call_as(USER, key(name).host.as_str(), 80).await;
        if code != 0 {
            return Err(code);
        }
        let mut greeting = Vec::new();
        loop {
            match stream.read_u8().await.expect("the program's name") {
                b'\n' => break,
                byte => greeting.push(byte),
            }
        }
        Ok((String::from_utf8(greeting).unwrap(), stream))
    }
}

pub(crate) fn network(cluster: &str) -> NetworkId {
    NetworkId::parse(&format!("{cluster}/net")).unwrap()
}

pub(crate) fn node_id(cluster: &str, name: &str) -> SpiffeId {
    id(&format!(
        "spiffe://{cluster}.example/pelago/node/{cluster}/{name}"
    ))
}

pub(crate) fn workload_id(cluster: &str, name: &str) -> SpiffeId {
    id(&format!("spiffe://{cluster}.example/ns/shop/sa/{name}"))
}

pub(crate) fn service(name: &str) -> Service {
    Service {
        key: key(name),
        ports: BTreeMap::from([(PortKey::tcp(80), ServicePort::default())]),
        aliases: Vec::new(),
        addresses: Vec::new(),
        cluster: ClusterId::parse("east").unwrap(),
        exported_to: BTreeSet::new(),
        spread: Spread::Nearest,
        failover: true,
    }
}

/// `service` of `cluster`, exported to the other.
pub(crate) fn exported(name: &str, cluster: &str, to: &str) -> Service {
    Service {
        cluster: ClusterId::parse(cluster).unwrap(),
        exported_to: BTreeSet::from([Audience {
            cluster: ClusterId::parse(to).unwrap(),
            trust_domain: TrustDomain::parse(&format!("{to}.example")).unwrap(),
        }]),
        ..service(name)
    }
}

/// A workload by name at an address (0: only behind gateways), serving port 80
/// of `services` on its port 8080.
pub(crate) fn workload(cluster: &str, name: &str, last: u8, services: &[&str]) -> Workload {
    let endpoint = |service: &&str| {
        let endpoint = Endpoint {
            host: key(service).host,
            ports: BTreeMap::from([(PortKey::tcp(80), 8080)]),
        };
        (key(service), endpoint)
    };
    Workload {
        uid: WorkloadUid::parse(&format!("{cluster}/x/{name}")).unwrap(),
        name: Name::parse(name).unwrap(),
        namespace: Namespace::parse("shop").unwrap(),
        identity: workload_id(cluster, name),
        cluster: ClusterId::parse(cluster).unwrap(),
        network: network(cluster),
        addresses: (last > 0).then(|| ip(last)).into_iter().collect(),
        tunnel: Tunnel::Hbone(15008),
        locality: Locality::default(),
        weight: 1,
        health: Health::Healthy,
        standing: Standing::Fresh,
        node: (last > 0).then(|| node_id(cluster, name)),
        endpoints: services.iter().map(endpoint).collect(),
        labels: BTreeMap::new(),
    }
}

pub(crate) fn gateway(cluster: &str, name: &str, last: u8) -> Gateway {
    Gateway {
        id: GatewayId::parse(&format!("{cluster}/{name}")).unwrap(),
        network: network(cluster),
        identity: id(&format!(
            "spiffe://{cluster}.example/pelago/gateway/{cluster}/{name}"
        )),
        addresses: vec![SocketAddr::new(ip(last), 15443).into()],
        standing: Standing::Fresh,
    }
}

pub(crate) fn of(
    services: Vec<Service>,
    workloads: Vec<Workload>,
    gateways: Vec<Gateway>,
) -> Vec<Resource> {
    let services = services.into_iter().map(|s| Resource::Service(Arc::new(s)));
    let workloads = workloads
        .into_iter()
        .map(|w| Resource::Workload(Arc::new(w)));
    let gateways = gateways.into_iter().map(|g| Resource::Gateway(Arc::new(g)));
    services.chain(workloads).chain(gateways).collect()
}

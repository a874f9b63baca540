//! Two controllers in one process: in-memory network and store, real TLS, a
//! paused clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pelago_identity::{
    Channels, ClientAuth, Expect, IdentityWriter, SNI_CONTROL, SNI_PEERING, Svid, Target, channel,
    incoming,
};
use pelago_model::{
    Bundle, ClusterId, Grant, HostPort, Name, Namespace, Peer, ServiceKey, ServicePattern,
    Snapshot, SpiffeId, Standing, TrustDomain,
};
use pelago_net::{BoxListener, BoxNet, Fabric, ListenOptions, MemoryNet, Net as _, ProcessFacts};
use pelago_runtime::clock::{Clock, TokioClock, UnixTime};
use pelago_runtime::scope::Scope;
use pelago_store::{
    Actor, BoxFuture, Expected, Key, Listing, MemoryStore, Revision, Store, StoreError, Swap,
    Table, Versioned, Watch,
};
use pelago_wire::admin::mesh_admin_server::MeshAdmin as _;
use pelago_wire::admin::{PeerInfo, StatusRequest, StatusResponse};
use pelago_wire::ads::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use pelago_wire::ads::{Client, DeltaDiscoveryRequest, DeltaDiscoveryResponse, encode_client};
use pelago_wire::peering::PeerMessage;
use pelago_wire::peering::peering_client::PeeringClient;
use tests_suites::mint::{Authority, NOW, Spec};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tonic::Code;
use zeroize::Zeroizing;

use super::{Federation, FederationConfig};
use crate::sources::Source;

struct Domain {
    name: &'static str,
    root: Authority,
    intermediate: Authority,
}

impl Domain {
    fn new(name: &'static str) -> Self {
        let root = Authority::root(&Spec::root(&format!("{name}.example")));
        let prefix = format!("spiffe://{name}.example");
        let intermediate = root.authority(&Spec::intermediate(name, &[&prefix]));
        Self {
            name,
            root,
            intermediate,
        }
    }

    fn id(&self, path: &str) -> SpiffeId {
        SpiffeId::parse(&format!("spiffe://{}.example/{path}", self.name)).unwrap()
    }

    fn controller(&self) -> SpiffeId {
        self.id(&format!("pelago/controller/{}", self.name))
    }

    fn svid(&self, id: &SpiffeId) -> Arc<Svid> {
        let minted = self.intermediate.leaf(&Spec::leaf(id.as_str()));
        Arc::new(Svid::new(minted.chain, Zeroizing::new(minted.pkcs8)).unwrap())
    }

    fn bundle(&self) -> Arc<Bundle> {
        Arc::new(Bundle {
            trust_domain: TrustDomain::parse(&format!("{}.example", self.name)).unwrap(),
            sequence: 1,
            refresh_hint: 60,
            x509_authorities: vec![self.root.der().into()],
        })
    }

    fn peer(&self, address: &HostPort, export: &[&str], merge: &[&str]) -> Peer {
        let patterns = |list: &[&str]| {
            list.iter()
                .map(|text| ServicePattern::parse(text).unwrap())
                .collect()
        };
        Peer {
            cluster: cluster(self.name),
            trust_domain: self.bundle().trust_domain.clone(),
            controller: self.controller(),
            addresses: vec![address.clone()],
            grant: Grant {
                export: patterns(export),
                merge: patterns(merge),
            },
        }
    }
}

fn cluster(name: &str) -> ClusterId {
    ClusterId::parse(name).unwrap()
}

fn clock() -> Clock {
    Arc::new(TokioClock::starting_at(UnixTime::from_secs(NOW)))
}

struct World {
    fabric: Fabric,
    east: Domain,
    west: Domain,
    nets: [MemoryNet; 2],
}

impl World {
    fn new() -> Self {
        let fabric = Fabric::new();
        let host = |ip: &str| fabric.host([ip.parse().unwrap()], ProcessFacts::of_user(1, 1));
        Self {
            nets: [host("10.0.0.1"), host("10.0.0.2")],
            east: Domain::new("east"),
            west: Domain::new("west"),
            fabric,
        }
    }

    async fn controller(&self, index: usize, store: Arc<dyn Store>, yaml: &str) -> Controller {
        let (own, net) = ([&self.east, &self.west][index], &self.nets[index]);
        let (writer, identity) = channel(clock());
        writer.update(|state| {
            state.own = Some(own.svid(&own.controller()));
            for domain in [&self.east, &self.west] {
                state.bundles.accept(domain.bundle()).unwrap();
            }
        });
        let (text, said) = watch::channel(yaml.to_owned());
        let config = FederationConfig::new(
            cluster(own.name),
            own.bundle().trust_domain.clone(),
            Name::parse(&format!("{}-net", own.name)).unwrap(),
            Namespace::parse("istio-system").unwrap(),
            vec![Source::Static(said)],
        );
        let channels = Channels::new(BoxNet::new(net.clone()), identity.clone());
        let federation = Federation::open(config, Arc::clone(&store), channels, clock())
            .await
            .unwrap();
        let scope = Scope::new(own.name);
        federation.run(&scope);
        let address = HostPort::parse(&format!("10.0.0.{}:15012", index + 1)).unwrap();
        let at = address.to_string().parse().unwrap();
        let listener = net.listen(at, ListenOptions::default()).await.unwrap();
        let served = incoming(
            BoxListener::new(listener),
            identity,
            own.controller(),
            ClientAuth::Optional,
        );
        let drain = scope.shutdown();
        let server = tonic::transport::Server::builder()
            .add_service(federation.peering_service())
            .add_service(federation.discovery_service())
            .serve_with_incoming_shutdown(served, async move { drain.begun().await });
        scope.spawn("server", server);
        Controller {
            federation,
            store,
            text,
            address,
            scope,
            writer,
        }
    }

    fn target(
        &self,
        index: usize,
        by: &Domain,
        id: &SpiffeId,
        sni: &str,
    ) -> (Target, Channels, IdentityWriter) {
        let (own, net) = ([&self.east, &self.west][index], &self.nets[1 - index]);
        let (writer, identity) = channel(clock());
        writer.update(|state| {
            state.own = Some(by.svid(id));
            state.bundles.accept(own.bundle()).unwrap();
        });
        let target = Target {
            addresses: vec![HostPort::parse(&format!("10.0.0.{}:15012", index + 1)).unwrap()],
            sni: sni.to_owned(),
            as_id: id.clone(),
            expect: Expect::exactly(own.controller()),
        };
        (
            target,
            Channels::new(BoxNet::new(net.clone()), identity),
            writer,
        )
    }
}

struct Controller {
    federation: Federation,
    store: Arc<dyn Store>,
    text: watch::Sender<String>,
    address: HostPort,
    scope: Scope,
    writer: IdentityWriter,
}

impl Controller {
    /// Everything ends by itself once the drain begins.
    async fn stop(self) {
        let drained = self.scope.drain(Duration::from_secs(5)).await;
        assert_eq!(drained.cut, [""; 0]);
    }

    async fn add(&self, peer: Peer) {
        let table = Table::new(Arc::clone(&self.store), "peer");
        table
            .put(peer.cluster.as_str(), Expected::Any, &peer)
            .await
            .unwrap();
    }

    async fn until(&self, what: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut snapshots = self.federation.snapshot();
        let found = timeout(
            Duration::from_secs(300),
            snapshots.wait_for(|now| what(now)),
        )
        .await;
        Arc::clone(&found.expect("in time").expect("alive"))
    }

    async fn status(&self) -> StatusResponse {
        let mut request = tonic::Request::new(StatusRequest {});
        request.extensions_mut().insert(Actor::System("test"));
        self.federation
            .admin
            .status(request)
            .await
            .unwrap()
            .into_inner()
    }

    async fn peer(&self) -> PeerInfo {
        self.status().await.peers.remove(0)
    }
}

fn key(text: &str) -> ServiceKey {
    ServiceKey::parse(text).unwrap()
}

fn endpoints(snapshot: &Snapshot, service: &str) -> usize {
    snapshot.endpoints_of(&key(service)).count()
}

fn standing(snapshot: &Snapshot, service: &str) -> Option<Standing> {
    snapshot
        .endpoints_of(&key(service))
        .map(|w| w.standing)
        .next()
}

fn service(name: &str, workloads: usize) -> String {
    let mut text = format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{selector: {{app: {name}}}, ports: [{{port: 80, targetPort: 8080}}]}}\n---\napiVersion: multicluster.x-k8s.io/v1alpha1\nkind: ServiceExport\nmetadata: {{name: {name}, namespace: shop}}\n"
    );
    for index in 0..workloads {
        text += &format!(
            "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: {name}-{index}, namespace: shop}}\nspec: {{address: 10.1.0.{index}, labels: {{app: {name}}}, serviceAccount: {name}}}\n"
        );
    }
    text
}

const ORDERS: &str = "shop/orders.shop.svc.west.mesh";
const API: &str = "shop/api.shop.svc.cluster.local";

/// East with `api`, west with `api` (merged) and `orders` (exported), joined.
async fn joined(world: &World) -> [Controller; 2] {
    let store = || Arc::new(MemoryStore::new()) as Arc<dyn Store>;
    let east = world.controller(0, store(), &service("api", 1)).await;
    let west = world
        .controller(
            1,
            store(),
            &(service("api", 2) + &service("orders", 1) + &service("own", 1)),
        )
        .await;
    west.add(
        world
            .east
            .peer(&east.address, &["shop/orders"], &["shop/api"]),
    )
    .await;
    east.add(world.west.peer(&west.address, &[], &["shop/api"]))
        .await;
    [east, west]
}

#[tokio::test(start_paused = true)]
async fn exports_arrive_within_a_second_of_joining_and_follow_changes() {
    let world = World::new();
    let began = Instant::now();
    let [east, west] = joined(&world).await;
    let now = east
        .until(|s| endpoints(s, ORDERS) == 1 && endpoints(s, API) == 3)
        .await;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert!(
        now.service(&key("shop/own.shop.svc.west.mesh")).is_none(),
        "not granted"
    );
    west.until(|s| endpoints(s, API) == 3).await;
    west.text
        .send_replace(service("api", 2) + &service("orders", 3));
    east.until(|s| endpoints(s, ORDERS) == 3).await;
    west.text.send_replace(service("orders", 3));
    east.until(|s| endpoints(s, API) == 1).await;
    let (at_east, at_west) = (east.peer().await, west.peer().await);
    assert_eq!(
        (at_east.state.as_str(), at_west.state.as_str()),
        ("connected", "connected")
    );
    assert_eq!(
        (at_east.imported_services, at_east.imported_endpoints),
        (1, 3)
    );
}

/// Right after a join one side may dial before the other holds its bundle; the
/// connection made then is judged once and must not be kept.
#[tokio::test(start_paused = true)]
async fn a_peer_that_is_trusted_late_is_reached_all_the_same() {
    let world = World::new();
    let store = || Arc::new(MemoryStore::new()) as Arc<dyn Store>;
    let east = world.controller(0, store(), "").await;
    let west = world.controller(1, store(), &service("orders", 1)).await;
    west.writer
        .update(|state| drop(state.bundles.remove(&world.east.bundle().trust_domain)));
    east.add(world.west.peer(&west.address, &[], &[])).await;
    // Only east can dial, so that west's own session does not make up for it.
    let nowhere = HostPort::parse("10.0.0.9:1").unwrap();
    west.add(world.east.peer(&nowhere, &["shop/orders"], &[]))
        .await;
    let refused = timeout(
        Duration::from_secs(3),
        east.until(|s| endpoints(s, ORDERS) == 1),
    );
    assert!(refused.await.is_err());
    west.writer
        .update(|state| state.bundles.accept(world.east.bundle()).unwrap());
    let trusted = Instant::now();
    east.until(|s| endpoints(s, ORDERS) == 1).await;
    assert!(
        trusted.elapsed() < Duration::from_secs(2),
        "{:?}",
        trusted.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_peer_is_demoted_never_emptied_and_converges_when_it_is_back() {
    let world = World::new();
    let [east, west] = joined(&world).await;
    east.until(|s| standing(s, ORDERS) == Some(Standing::Fresh))
        .await;
    world.fabric.cut(&world.nets[0], &world.nets[1]);
    let cut = Instant::now();
    east.until(|s| standing(s, ORDERS) == Some(Standing::Demoted))
        .await;
    let demoted = cut.elapsed();
    assert!(
        (Duration::from_secs(3)..Duration::from_secs(7)).contains(&demoted),
        "{demoted:?}"
    );
    assert_eq!(east.peer().await.state, "demoted");
    // Both sides change while they cannot talk.
    west.text
        .send_replace(service("api", 2) + &service("orders", 2));
    east.text.send_replace(service("api", 2));
    east.until(|s| standing(s, ORDERS) == Some(Standing::Withdrawn))
        .await;
    assert_eq!(east.peer().await.state, "withdrawn");
    world.fabric.heal(&world.nets[0], &world.nets[1]);
    east.until(|s| endpoints(s, ORDERS) == 2 && standing(s, ORDERS) == Some(Standing::Fresh))
        .await;
    east.until(|s| endpoints(s, API) == 4).await;
    west.until(|s| endpoints(s, API) == 4).await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_peer_leaves_no_residue() {
    let world = World::new();
    let [east, _west] = joined(&world).await;
    east.until(|s| endpoints(s, ORDERS) == 1).await;
    let saved = || async { east.store.list("import/").await.unwrap().entries.len() };
    wait("the import is kept", async || saved().await > 0).await;
    let table: Table<Peer> = Table::new(Arc::clone(&east.store), "peer");
    table.delete("west", Expected::Any).await.unwrap();
    let now = east
        .until(|s| endpoints(s, ORDERS) == 0 && endpoints(s, API) == 1)
        .await;
    assert!(
        now.services()
            .all(|s| s.cluster == cluster("east") && s.exported_to.is_empty())
    );
    assert!(east.status().await.peers.is_empty());
    wait("the import is gone", async || saved().await == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_empties_nothing_and_believes_less_until_the_peer_speaks() {
    let world = World::new();
    let [east, west] = joined(&world).await;
    east.until(|s| endpoints(s, ORDERS) == 1).await;
    wait("the import is kept", async || {
        !east.store.list("import/").await.unwrap().entries.is_empty()
    })
    .await;
    let store = Arc::clone(&east.store);
    east.stop().await;
    world.fabric.cut(&world.nets[0], &world.nets[1]);
    let east = world.controller(0, store, &service("api", 1)).await;
    let now = east.until(|s| endpoints(s, API) == 3).await;
    assert_eq!(standing(&now, ORDERS), Some(Standing::Demoted));
    world.fabric.heal(&world.nets[0], &world.nets[1]);
    east.until(|s| standing(s, ORDERS) == Some(Standing::Fresh))
        .await;
    drop(west);
}

#[tokio::test(start_paused = true)]
async fn only_the_exact_controller_of_a_peer_opens_a_session() {
    let world = World::new();
    let [_east, _west] = joined(&world).await;
    let call = async |by: &Domain, path: &str| {
        let (target, channels, _writer) = world.target(1, by, &by.id(path), SNI_PEERING);
        let mut client = PeeringClient::new(channels.channel(&target));
        client
            .session(tokio_stream::pending::<PeerMessage>())
            .await
            .map(drop)
            .map_err(|s| s.code())
    };
    assert_eq!(call(&world.east, "pelago/controller/east").await, Ok(()));
    assert_eq!(
        call(&world.east, "pelago/node/east/n1").await,
        Err(Code::PermissionDenied)
    );
    assert_eq!(
        call(&world.west, "pelago/node/west/n1").await,
        Err(Code::PermissionDenied)
    );
    assert_eq!(
        call(&world.west, "pelago/controller/west").await,
        Err(Code::PermissionDenied)
    );
    // A root that nobody here knows, with the right name.
    let forged = Domain::new("east");
    let stranger = call(&forged, "pelago/controller/east").await;
    assert_eq!(stranger, Err(Code::Unauthenticated));
}

async fn ask(
    world: &World,
    by: &Domain,
    path: &str,
    claim: &str,
) -> Result<DeltaDiscoveryResponse, Code> {
    let (first, _stream) = follow(world, by, path, claim).await?;
    Ok(first)
}

type Followed = (
    tonic::Streaming<DeltaDiscoveryResponse>,
    Channels,
    IdentityWriter,
);

async fn follow(
    world: &World,
    by: &Domain,
    path: &str,
    claim: &str,
) -> Result<(DeltaDiscoveryResponse, Followed), Code> {
    let (target, channels, writer) = world.target(0, by, &by.id(path), SNI_CONTROL);
    let mut client = AggregatedDiscoveryServiceClient::new(channels.channel(&target));
    let node = encode_client(&Client {
        id: by.id(claim),
        hello: pelago_wire::hello::ours(&[]),
        advertise: vec![HostPort::parse("gw.east.example:15443").unwrap()],
        network: None,
        locality: Default::default(),
    });
    let request = DeltaDiscoveryRequest {
        node: Some(node),
        type_url: pelago_wire::discovery::type_url(pelago_model::Kind::Service).to_owned(),
        resource_names_subscribe: vec!["*".to_owned()],
        ..Default::default()
    };
    let requests =
        tokio_stream::StreamExt::chain(tokio_stream::once(request), tokio_stream::pending());
    let mut stream = client
        .delta_aggregated_resources(requests)
        .await
        .map_err(|status| status.code())?
        .into_inner();
    let first = stream.message().await.map_err(|status| status.code())?;
    let first = first.ok_or(Code::Cancelled)?;
    Ok((first, (stream, channels, writer)))
}

#[tokio::test(start_paused = true)]
async fn an_identity_has_few_streams_and_the_newest_stays() {
    let world = World::new();
    let east = world.controller(0, Arc::new(MemoryStore::new()), "").await;
    east.text.send_replace(service("api", 1));
    east.until(|s| endpoints(s, API) == 1).await;
    let node = "pelago/node/east/n1";
    let mut streams = Vec::new();
    for _ in 0..6 {
        streams.push(follow(&world, &world.east, node, node).await.unwrap().1);
    }
    for (index, (stream, ..)) in streams.iter_mut().enumerate() {
        let next = timeout(Duration::from_secs(5), stream.message()).await;
        let ended = matches!(next, Ok(Ok(None) | Err(_)));
        assert_eq!(ended, index < 2, "{index}: {next:?}");
    }
    assert_eq!(east.status().await.clients.len(), 1);
}

/// A store whose writes and listings can be made to fail.
#[derive(Default)]
struct Fragile {
    inner: MemoryStore,
    broken: AtomicBool,
    failed: AtomicU64,
}

impl Fragile {
    fn check(&self) -> Result<(), StoreError> {
        if !self.broken.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.failed.fetch_add(1, Ordering::SeqCst);
        Err(StoreError::Backend {
            operation: "write",
            source: "no space left on device".into(),
        })
    }
}

impl Store for Fragile {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>> {
        self.inner.get(key)
    }
    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Listing, StoreError>> {
        Box::pin(async move {
            self.check()?;
            self.inner.list(prefix).await
        })
    }
    fn compare_and_swap<'a>(
        &'a self,
        key: &'a Key,
        expected: Expected,
        value: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        Box::pin(async move {
            self.check()?;
            self.inner.compare_and_swap(key, expected, value).await
        })
    }
    fn watch<'a>(
        &'a self,
        prefix: &'a str,
        from: Revision,
    ) -> BoxFuture<'a, Result<Watch, StoreError>> {
        self.inner.watch(prefix, from)
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_holds_up_nothing_and_has_everything_once_it_works_again() {
    let world = World::new();
    let store = Arc::new(Fragile::default());
    let shared: Arc<dyn Store> = Arc::<Fragile>::clone(&store);
    let good = service("api", 1) + ENTRY;
    let east = world.controller(0, Arc::clone(&shared), &good).await;
    let entries = async || store.inner.list("entry/").await.unwrap().entries.len();
    wait("the entry is written", async || entries().await > 0).await;
    store.broken.store(true, Ordering::SeqCst);
    east.text.send_replace(service("api", 2));
    east.until(|s| endpoints(s, API) == 2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let failed = store.failed.load(Ordering::SeqCst);
    assert!(
        (5..500).contains(&failed),
        "tried again, without spinning: {failed}"
    );
    assert_eq!(entries().await, 1);
    store.broken.store(false, Ordering::SeqCst);
    wait("the entry is gone", async || entries().await == 0).await;
    east.stop().await;
    let east = world.controller(0, shared, "kind: [").await;
    east.until(|s| endpoints(s, API) == 2).await;
}

/// One record that no store takes does not hold up the others.
#[tokio::test(start_paused = true)]
async fn a_policy_too_large_for_the_store_keeps_nothing_else_from_it() {
    let world = World::new();
    let large = format!(
        "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: a, namespace: shop}}\nspec: {{action: DENY, rules: [{}]}}\n",
        "{}, ".repeat(30_000)
    );
    let small = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: b, namespace: shop}\nspec: {action: DENY, rules: [{}]}\n";
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let east = world
        .controller(0, Arc::clone(&store), &(large + small))
        .await;
    let keys = async |prefix: &str| store.list(prefix).await.unwrap().entries.len();
    wait("policy and source are kept", async || {
        keys("policy/").await > 0 && keys("source/").await > 0
    })
    .await;
    assert_eq!(keys("policy/").await, 1);
    east.stop().await;
    let east = world.controller(0, Arc::clone(&store), "kind: [").await;
    east.until(|s| s.policies().count() == 2).await;
}

/// Whoever wrote it: a peer of our own domain could show our identities.
#[tokio::test(start_paused = true)]
async fn a_peer_that_is_named_like_us_is_none() {
    let world = World::new();
    let east = world.controller(0, Arc::new(MemoryStore::new()), "").await;
    let nowhere = HostPort::parse("10.0.0.9:1").unwrap();
    let mut twin = world.east.peer(&nowhere, &["shop/*"], &[]);
    east.add(twin.clone()).await;
    twin.cluster = cluster("other");
    twin.controller = world.east.id("pelago/controller/other");
    east.add(twin.clone()).await;
    let mut posing = world.west.peer(&nowhere, &["shop/*"], &[]);
    posing.cluster = cluster("posing");
    east.add(posing).await;
    east.add(world.west.peer(&nowhere, &[], &[])).await;
    wait("the peer is shown", async || {
        !east.status().await.peers.is_empty()
    })
    .await;
    assert_eq!(east.peer().await.cluster, "west");
    let status = east.status().await;
    assert_eq!((status.peers.len(), status.findings.len()), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn the_session_of_a_removed_peer_is_cut_at_once() {
    let world = World::new();
    let [east, west] = joined(&world).await;
    west.until(|s| endpoints(s, API) == 3).await;
    assert_eq!(west.peer().await.state, "connected");
    let table: Table<Peer> = Table::new(Arc::clone(&east.store), "peer");
    table.delete("west", Expected::Any).await.unwrap();
    let removed = Instant::now();
    wait("the session is cut", async || {
        !west.peer().await.last_error.is_empty()
    })
    .await;
    assert!(
        removed.elapsed() < Duration::from_secs(1),
        "{:?}",
        removed.elapsed()
    );
    assert!(east.status().await.peers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nodes_and_gateways_of_ours_discover_and_gateways_are_registered() {
    let world = World::new();
    let [east, west] = joined(&world).await;
    east.until(|s| endpoints(s, ORDERS) == 1).await;
    let (node, gateway) = ("pelago/node/east/n1", "pelago/gateway/east/gw");
    let told = ask(&world, &world.east, node, node).await.unwrap();
    assert_eq!(told.resources.len(), 2, "api and the imported orders");
    let told = ask(&world, &world.east, gateway, gateway).await.unwrap();
    assert_eq!(told.resources.len(), 1, "what it may let in");
    let known = west
        .until(|s| s.gateways().any(|g| g.id.to_string() == "east/gw"))
        .await;
    let shown = known.gateways().next().unwrap();
    assert_eq!(shown.identity, world.east.id(gateway));
    assert_eq!(shown.network.to_string(), "east/east-net");

    assert_eq!(
        ask(&world, &world.east, node, gateway).await.unwrap_err(),
        Code::PermissionDenied
    );
    let foreign = ask(
        &world,
        &world.west,
        "pelago/node/west/n",
        "pelago/node/west/n",
    )
    .await;
    assert_eq!(foreign.unwrap_err(), Code::PermissionDenied);
    let workload = ask(&world, &world.east, "ns/shop/sa/api", "ns/shop/sa/api").await;
    assert_eq!(workload.unwrap_err(), Code::PermissionDenied);
}

#[tokio::test(start_paused = true)]
async fn entries_and_policies_reach_the_store_and_findings_the_status() {
    let world = World::new();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let entry = "---\napiVersion: pelago.dev/v1alpha1\nkind: RegistrationEntry\nmetadata: {name: api, namespace: shop}\nspec: {spiffeId: 'spiffe://east.example/ns/shop/sa/api', node: n1, selectors: ['unix:uid:1']}\n";
    let policy = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec: {action: DENY, rules: [{}]}\n";
    let east = world
        .controller(0, Arc::clone(&store), &(entry.to_owned() + policy))
        .await;
    let keys = async |store: &Arc<dyn Store>| {
        let entries = store.list("").await.unwrap().entries;
        entries
            .iter()
            .map(|(key, _)| key.as_str().to_owned())
            .filter(|key| !key.starts_with("audit/") && !key.starts_with("source/"))
            .collect::<Vec<_>>()
    };
    wait("entry and policy are kept", async || {
        keys(&store).await == ["entry/shop.api", "policy/shop.p"]
    })
    .await;
    east.stop().await;
    // After a restart with a file that cannot be read the policy still holds,
    // and nothing is deleted.
    let east = world.controller(0, Arc::clone(&store), "kind: [").await;
    east.until(|s| s.policies().count() == 1).await;
    let status = east.status().await;
    assert_eq!((status.policies, status.findings.len()), (1, 1));
    assert_eq!(status.findings[0].severity, "error");
    assert_eq!(keys(&store).await, ["entry/shop.api", "policy/shop.p"]);
    east.text
        .send_replace(policy.replace("rules: [{}]", "rules: [{when: [{key: k}]}]"));
    wait("only the policy is kept", async || {
        keys(&store).await == ["policy/shop.p"]
    })
    .await;
    east.text.send_replace(String::new());
    east.until(|s| s.policies().count() == 0).await;
    wait("nothing is kept", async || keys(&store).await.is_empty()).await;
    let audit = pelago_store::Audit::new(store).list(10).await.unwrap();
    let verbs: Vec<&str> = audit.iter().map(|entry| entry.verb.as_str()).collect();
    assert_eq!(verbs, ["entry.delete", "entry.put"]);
    east.stop().await;
}

const ENTRY: &str = "---\napiVersion: pelago.dev/v1alpha1\nkind: RegistrationEntry\nmetadata: {name: api, namespace: shop}\nspec: {spiffeId: 'spiffe://east.example/ns/shop/sa/api', node: n1, selectors: ['unix:uid:1']}\n";

#[tokio::test(start_paused = true)]
async fn a_restart_with_a_broken_source_serves_its_last_good_content() {
    let world = World::new();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    // Larger than one value of the store.
    let good = service("api", 1) + ENTRY + &"# comment\n".repeat(100_000);
    let east = world.controller(0, Arc::clone(&store), &good).await;
    east.until(|s| endpoints(s, API) == 1).await;
    east.stop().await;
    let east = world.controller(0, Arc::clone(&store), "kind: [").await;
    east.until(|s| endpoints(s, API) == 1).await;
    assert_eq!(east.status().await.findings.len(), 1, "and it is reported");
    east.stop().await;
    assert_eq!(store.list("entry/").await.unwrap().entries.len(), 1);
    // What is whole again replaces it, for good.
    for text in ["", "kind: ["] {
        let east = world.controller(0, Arc::clone(&store), text).await;
        let mut ready = east.federation.discovery.ready.clone();
        ready.wait_for(|ready| *ready).await.unwrap();
        assert_eq!(endpoints(&east.federation.snapshot().borrow(), API), 0);
        east.stop().await;
        assert!(store.list("entry/").await.unwrap().entries.is_empty());
    }
}

/// The second DENY was dropped before, which permitted what it denies.
#[tokio::test(start_paused = true)]
async fn of_a_policy_that_is_declared_twice_everything_it_denies_holds() {
    let world = World::new();
    let deny = |port: u16| {
        format!(
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {{action: DENY, rules: [{{to: [{{operation: {{ports: ['{port}']}}}}]}}]}}\n"
        )
    };
    let store = Arc::new(MemoryStore::new());
    let east = world.controller(0, store, &(deny(1) + &deny(2))).await;
    let now = east.until(|s| s.policies().count() == 2).await;
    let mut ports: Vec<u16> = now
        .policies()
        .map(|policy| policy.rules[0].to[0].ports[0])
        .collect();
    ports.sort_unstable();
    assert_eq!(ports, [1, 2]);
    assert!(!east.status().await.findings.is_empty());
}

#[tokio::test(start_paused = true)]
async fn people_need_an_actor() {
    let world = World::new();
    let east = world.controller(0, Arc::new(MemoryStore::new()), "").await;
    let refused = east
        .federation
        .admin
        .status(tonic::Request::new(StatusRequest {}))
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    let status = east.status().await;
    assert_eq!(
        (status.cluster.as_str(), status.network.as_str()),
        ("east", "east/east-net")
    );
}

/// Waits for the thing in the clock of the test: a test that cannot pass fails
/// after five of its minutes instead of hanging.
async fn wait(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::advance(Duration::from_millis(10)).await;
        tokio::task::yield_now().await;
    }
}

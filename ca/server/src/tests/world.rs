//! Controllers on hosts of a network in memory.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pelago_ca_core::Caller;
use pelago_ca_core::token::{TokenId, TokenState};
use pelago_identity::{
    Channels, ClientAuth, Identity, SNI_CONTROL, Target, channel, incoming, pinned,
};
use pelago_model::token::Token;
use pelago_model::{Bundle, ClusterId, HostPort, TrustDomain};
use pelago_net::{BoxNet, Fabric, ListenOptions, Net as _, ProcessFacts};
use pelago_runtime::clock::{Clock, TokioClock, UnixTime};
use pelago_runtime::scope::Scope;
use pelago_store::{Actor, AuditRecord, MemoryStore, Store};
use pelago_wire::admin::trust_admin_server::TrustAdmin as _;
use pelago_wire::admin::{
    CreateNodeTokenRequest, CreatePeerTokenRequest, JoinPeerRequest, JoinPeerResponse,
};
use pelago_wire::trust::trust_client::TrustClient;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::admin::AdminService;
use crate::{CaConfig, CaServer, Keyring, MemoryKeyring, OpenError};

pub(super) const START: u64 = 1_800_000_000;

/// The network and the time that all controllers of a test share.
pub(super) struct World {
    pub(super) fabric: Fabric,
    pub(super) clock: Clock,
}

/// A host that may hold a controller.
pub(super) struct Host {
    pub(super) net: BoxNet,
    pub(super) store: Arc<dyn Store>,
    pub(super) keyring: Arc<dyn Keyring>,
    pub(super) clock: Clock,
    pub(super) ip: IpAddr,
}

/// A controller that serves.
pub(super) struct Site {
    pub(super) server: CaServer,
    pub(super) identity: Identity,
    pub(super) scope: Scope,
    pub(super) host: Host,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            fabric: Fabric::new(),
            clock: Arc::new(TokioClock::starting_at(UnixTime::from_secs(START))),
        }
    }

    pub(super) fn host(&self, number: u8) -> Host {
        let ip = IpAddr::from([10, 0, 0, number]);
        Host {
            net: BoxNet::new(self.fabric.host([ip], ProcessFacts::of_user(0, 0))),
            store: Arc::new(MemoryStore::new()),
            keyring: Arc::new(MemoryKeyring::new()),
            clock: Arc::clone(&self.clock),
            ip,
        }
    }

    /// A serving controller `cluster` of `<cluster>.example`.
    pub(super) async fn site(&self, cluster: &str, number: u8) -> Site {
        let config = config(cluster, &format!("{cluster}.example"));
        self.host(number).serve(config).await
    }
}

impl Host {
    pub(super) async fn open(&self, config: CaConfig) -> Result<(CaServer, Identity), OpenError> {
        let (writer, identity) = channel(Arc::clone(&self.clock));
        let channels = Channels::new(self.net.clone(), identity.clone());
        let server = CaServer::open(
            CaConfig {
                advertise: vec![self.address()],
                control: vec![self.address()],
                ..config
            },
            Arc::clone(&self.store),
            Arc::clone(&self.keyring),
            writer,
            channels,
            self.net.clone(),
            Arc::clone(&self.clock),
        );
        Ok((server.await?, identity))
    }

    pub(super) async fn serve(self, config: CaConfig) -> Site {
        let (server, identity) = self.open(config).await.expect("opens");
        let scope = Scope::new("controller");
        let at = (self.ip, PORT).into();
        let listener = self.net.listen(at, ListenOptions::default()).await;
        let own = identity.own_id().expect("issued");
        let accepted = incoming(
            listener.expect("listens"),
            identity.clone(),
            own,
            ClientAuth::Optional,
        );
        let drain = scope.shutdown();
        let serving = tonic::transport::Server::builder()
            .add_service(server.trust_service())
            .serve_with_incoming_shutdown(accepted, async move { drain.begun().await });
        scope.spawn("listener", serving);
        server.run(&scope);
        Site {
            server,
            identity,
            scope,
            host: self,
        }
    }

    pub(super) fn address(&self) -> HostPort {
        HostPort::from(std::net::SocketAddr::from((self.ip, PORT)))
    }
}

impl Site {
    pub(super) fn admin(&self) -> AdminService {
        AdminService {
            ca: Arc::clone(&self.server.ca),
        }
    }

    pub(super) async fn node_token(&self, name: &str, role: &str) -> String {
        let asked = CreateNodeTokenRequest {
            name: name.to_owned(),
            role: role.to_owned(),
            ..CreateNodeTokenRequest::default()
        };
        let made = self.admin().create_node_token(by_root(asked)).await;
        made.expect("made").into_inner().token
    }

    pub(super) async fn peer_token(&self, export: &[&str], merge: &[&str]) -> String {
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        let asked = CreatePeerTokenRequest {
            export: texts(export),
            merge: texts(merge),
            ..CreatePeerTokenRequest::default()
        };
        let made = self.admin().create_peer_token(by_root(asked)).await;
        made.expect("made").into_inner().token
    }

    pub(super) async fn join(&self, token: &str) -> Result<JoinPeerResponse, Status> {
        let asked = JoinPeerRequest {
            token: token.to_owned(),
            export: vec!["shop/web".to_owned()],
            reason: "test".to_owned(),
        };
        let joined = self.admin().join_peer(by_root(asked)).await;
        joined.map(tonic::Response::into_inner)
    }

    pub(super) fn bundle_of(&self, domain: &str) -> Option<Arc<Bundle>> {
        let domain = TrustDomain::parse(domain).expect("a domain");
        self.identity.current().bundles.get(&domain).cloned()
    }

    pub(super) async fn audit(&self) -> Vec<AuditRecord> {
        let audit = &self.server.ca.tables.audit;
        assert!(audit.verify().await.is_ok());
        audit.list(100).await.expect("read")
    }

    pub(super) async fn token_is_unused(&self, token: &str) -> bool {
        let id = TokenId::of(&Token::decode(token).expect("a token").secret);
        let found = self.server.ca.tables.tokens.get(id.as_str()).await;
        found.expect("read").expect("there").value.state == TokenState::Unused
    }

    /// What an observer acknowledged of a domain's bundle.
    pub(super) async fn holds(&self, caller: &Caller, domain: &str) -> Option<u64> {
        let found = self
            .server
            .ca
            .tables
            .observers
            .get(&caller.observer())
            .await;
        let observer = found.expect("read")?.value;
        let domain = TrustDomain::parse(domain).expect("a domain");
        observer.holdings.get(&domain).map(|held| held.sequence)
    }

    /// A channel by the token alone, as a node that has nothing yet.
    pub(super) async fn pinned(&self, net: &BoxNet, token: &str) -> TrustClient<Channel> {
        let token = Token::decode(token).expect("a token");
        let channel = pinned(net, &self.host.clock, &token, None).await;
        TrustClient::new(channel.expect("reached"))
    }

    pub(super) fn control(&self, as_id: pelago_model::SpiffeId) -> Target {
        Target {
            addresses: vec![self.host.address()],
            sni: SNI_CONTROL.to_owned(),
            as_id,
            expect: pelago_identity::Expect::exactly(self.identity.own_id().expect("issued")),
        }
    }
}

pub(super) fn config(cluster: &str, domain: &str) -> CaConfig {
    CaConfig::new(
        ClusterId::parse(cluster).expect("a cluster"),
        TrustDomain::parse(domain).expect("a domain"),
    )
}

/// A request of the local operator.
pub(super) fn by_root<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .extensions_mut()
        .insert(Actor::LocalUid(0, Some("root".to_owned())));
    request
}

/// Waits for something to become true, at most two minutes of the test's time.
pub(super) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(120), waiting).await;
    assert!(waited.is_ok(), "never: {what}");
}

const PORT: u16 = 15443;

//! Trust sessions of nodes and gateways.

use std::sync::Arc;
use std::time::Duration;

use pelago_ca_core::Caller;
use pelago_identity::session::Session;
use pelago_identity::{
    Channels, Identity, IdentityWriter, KeyRequest, StateDir, Stored, channel, enrol,
};
use pelago_model::token::Token;
use pelago_model::{Name, PartKind, RegistrationEntry, Selector, SpiffeId};
use pelago_net::BoxNet;
use pelago_store::{Expected, Table};
use pelago_wire::trust::trust_client::TrustClient;
use pelago_wire::trust::{
    BundleAck, IssueRequest, TrustRequest, TrustResponse, issue_response, trust_request,
    trust_response,
};
use pelago_wire::{bundle, hello};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::world::{Site, World, until};

/// A node that enrolled, with its own host.
struct Node {
    net: BoxNet,
    stored: Stored,
    writer: IdentityWriter,
    identity: Identity,
}

async fn node(world: &World, east: &Site, number: u8, name: &str, role: &str) -> Node {
    let token = Token::decode(&east.node_token(name, role).await).expect("a token");
    let net = world.host(number).net;
    let stored = enrol(&net, &world.clock, &token).await.expect("enrolled");
    let (writer, identity) = channel(Arc::clone(&world.clock));
    writer.update(|state| {
        state.own = Some(Arc::clone(&stored.svid));
        state.bundles = stored.bundles.clone();
    });
    Node {
        net,
        stored,
        writer,
        identity,
    }
}

/// A session spoken by hand.
struct Raw {
    say: mpsc::Sender<TrustRequest>,
    hear: Streaming<TrustResponse>,
}

impl Raw {
    async fn open(node: &Node, east: &Site) -> Result<Self, Status> {
        let channels = Channels::new(node.net.clone(), node.identity.clone());
        let target = east.control(node.stored.svid.id().clone());
        let mut client = TrustClient::new(channels.channel(&target));
        let (say, said) = mpsc::channel(1024);
        let hear = client
            .session(ReceiverStream::new(said))
            .await?
            .into_inner();
        Ok(Self { say, hear })
    }

    async fn greeted(node: &Node, east: &Site) -> Self {
        let mut raw = Self::open(node, east).await.expect("opened");
        raw.tell(trust_request::Message::Hello(hello::ours(&[])))
            .await;
        let first = raw.next().await.expect("answered");
        assert!(matches!(first, trust_response::Message::Hello(_)));
        raw
    }

    async fn tell(&self, message: trust_request::Message) {
        let request = TrustRequest {
            message: Some(message),
        };
        self.say.send(request).await.expect("sent");
    }

    async fn next(&mut self) -> Result<trust_response::Message, Status> {
        let heard = self.hear.message().await?.expect("not ended");
        Ok(heard.message.expect("a message"))
    }

    /// Asks for a certificate; the code of the refusal if it is one.
    async fn ask(&mut self, id: u64, entry: &str, csr: &[u8]) -> Result<(), (String, bool)> {
        self.tell(trust_request::Message::Issue(IssueRequest {
            id,
            entry: entry.to_owned(),
            csr: csr.to_vec(),
        }))
        .await;
        loop {
            let trust_response::Message::Issued(issued) = self.next().await.expect("answered")
            else {
                continue;
            };
            assert_eq!((issued.id, issued.entry.as_str()), (id, entry));
            return match issued.outcome.expect("an outcome") {
                issue_response::Outcome::Certificate(_) => Ok(()),
                issue_response::Outcome::Refusal(refusal) => Err((refusal.code, refusal.retry)),
            };
        }
    }
}

fn entry(id: &str, spiffe_id: &str, node: &str) -> RegistrationEntry {
    RegistrationEntry {
        id: Name::parse(id).expect("a name"),
        spiffe_id: SpiffeId::parse(spiffe_id).expect("an ID"),
        node: Name::parse(node).expect("a name"),
        selectors: vec![Selector::Uid(1000)],
        ttl_seconds: None,
        hint: String::new(),
    }
}

/// As federation does.
async fn register(east: &Site, entry: &RegistrationEntry) {
    let entries: Table<RegistrationEntry> = Table::new(Arc::clone(&east.host.store), "entry");
    let put = entries.put(entry.id.as_str(), Expected::Any, entry).await;
    put.expect("written");
    let id = entry.id.as_str();
    until("the entry is known", || async {
        east.server.ca.view.entries().get(id) == Some(entry)
    })
    .await;
}

const WEB: &str = "spiffe://east.example/ns/shop/sa/web";

#[tokio::test(start_paused = true)]
async fn a_node_gets_its_entries_and_what_it_holds_is_recorded() {
    let world = World::new();
    let east = world.site("east", 1).await;
    let vm1 = node(&world, &east, 2, "vm1", "node").await;
    let (net, mut identity) = (vm1.net.clone(), vm1.identity.clone());
    let target = east.control(vm1.stored.svid.id().clone());
    let session = Session::new(vm1.writer, StateDir::memory(), vm1.stored, 7);
    let channels = Channels::new(net, identity.clone());
    let running = session.run(channels, target, east.scope.shutdown());
    east.scope.spawn("node", running);
    register(&east, &entry("shop.web", WEB, "vm1")).await;
    register(
        &east,
        &entry("shop.db", "spiffe://east.example/ns/shop/sa/db", "vm2"),
    )
    .await;
    let web = SpiffeId::parse(WEB).expect("an ID");
    let has_web = async {
        while identity.current().svid(&web).is_none() {
            identity.changed().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), has_web).await;
    waited.expect("the workload's SVID arrives");
    assert_eq!(identity.current().entries.len(), 1);
    assert_eq!(identity.current().workloads.len(), 1);
    let caller = Caller::Part {
        kind: PartKind::Node,
        name: Name::parse("vm1").expect("a name"),
    };
    until("the bundle is acknowledged", || async {
        east.holds(&caller, "east.example").await == Some(1)
    })
    .await;
    assert!(east.server.ca.seats.has("node.vm1"));
    // A peer's bundle follows the join without asking.
    let west = world.site("west", 3).await;
    west.join(&east.peer_token(&[], &[]).await)
        .await
        .expect("joined");
    until("the peer's bundle is held by the node", || async {
        east.holds(&caller, "west.example").await == Some(1)
    })
    .await;
    // An entry that is gone is gone at the node.
    let entries: Table<RegistrationEntry> = Table::new(Arc::clone(&east.host.store), "entry");
    let deleted = entries.delete("shop.web", Expected::Any).await;
    deleted.expect("deleted");
    until("the entry is gone", || async {
        identity.current().entries.is_empty()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_goes_to_its_node_only() {
    let world = World::new();
    let east = world.site("east", 1).await;
    register(&east, &entry("shop.web", WEB, "vm1")).await;
    let own = "spiffe://east.example/pelago/gateway/east/gw1";
    register(&east, &entry("shop.evil", own, "vm1")).await;
    let key = KeyRequest::generate().expect("a key");
    let refused = |code: &str| Err((code.to_owned(), false));
    let vm1 = node(&world, &east, 2, "vm1", "node").await;
    let mut raw = Raw::greeted(&vm1, &east).await;
    assert_eq!(raw.ask(1, "shop.web", &key.csr).await, Ok(()));
    assert_eq!(raw.ask(2, "", &key.csr).await, Ok(()));
    assert_eq!(
        raw.ask(3, "shop.evil", &key.csr).await,
        refused("identity_not_issued")
    );
    assert_eq!(
        raw.ask(4, "shop.none", &key.csr).await,
        refused("not_entitled")
    );
    assert_eq!(
        raw.ask(5, "shop.web", b"junk").await,
        refused("bad_request")
    );
    for (number, name, role) in [(3, "vm2", "node"), (4, "vm1", "gateway")] {
        let other = node(&world, &east, number, name, role).await;
        let mut raw = Raw::greeted(&other, &east).await;
        assert_eq!(
            raw.ask(1, "shop.web", &key.csr).await,
            refused("not_entitled")
        );
        assert_eq!(raw.ask(2, "", &key.csr).await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_gets_our_roots_and_nothing_else() {
    let world = World::new();
    let (east, west) = (world.site("east", 1).await, world.site("west", 2).await);
    let north = world.site("north", 3).await;
    for other in [&west, &north] {
        let token = east.peer_token(&[], &[]).await;
        other.join(&token).await.expect("joined");
    }
    register(&east, &entry("shop.web", WEB, "vm1")).await;
    let (writer, identity) = channel(Arc::clone(&world.clock));
    let state = west.identity.current();
    writer.update(|own| *own = state.as_ref().clone());
    let as_west = Node {
        net: west.host.net.clone(),
        stored: Stored {
            svid: state.own.clone().expect("issued"),
            renew_at: 0,
            bundles: state.bundles.clone(),
        },
        writer,
        identity,
    };
    let mut raw = Raw::greeted(&as_west, &east).await;
    let trust_response::Message::Bundles(told) = raw.next().await.expect("told") else {
        panic!("bundles follow the Hello");
    };
    let told = bundle::decode_all(told.bundles).expect("reads");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].trust_domain.as_str(), "east.example");
    let key = KeyRequest::generate().expect("a key");
    let refused = Err(("not_entitled".to_owned(), false));
    assert_eq!(raw.ask(1, "shop.web", &key.csr).await, refused);
    assert_eq!(raw.ask(2, "", &key.csr).await, refused);
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_wait_and_others_do_not() {
    let world = World::new();
    let east = world.site("east", 1).await;
    let vm1 = node(&world, &east, 2, "vm1", "node").await;
    let vm2 = node(&world, &east, 3, "vm2", "node").await;
    let mut flood = Raw::greeted(&vm1, &east).await;
    let mut limited = None;
    for id in 0..2000 {
        match flood.ask(id, "shop.none", b"").await {
            Err((code, true)) => {
                limited = Some(code);
                break;
            }
            other => assert_eq!(other, Err(("not_entitled".to_owned(), false))),
        }
    }
    assert_eq!(limited.as_deref(), Some("rate_limited"));
    let key = KeyRequest::generate().expect("a key");
    let mut calm = Raw::greeted(&vm2, &east).await;
    assert_eq!(calm.ask(1, "", &key.csr).await, Ok(()));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(flood.ask(9999, "", &key.csr).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn strangers_and_the_impolite_have_no_session() {
    let world = World::new();
    let east = world.site("east", 1).await;
    let vm1 = node(&world, &east, 2, "vm1", "node").await;
    // No Hello first.
    let mut raw = Raw::open(&vm1, &east).await.expect("opened");
    raw.tell(trust_request::Message::Ack(BundleAck::default()))
        .await;
    let refused = raw.next().await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    // None at all.
    let mut silent = Raw::open(&vm1, &east).await.expect("opened");
    let refused = silent.next().await.expect_err("refused");
    assert_eq!(refused.code(), Code::DeadlineExceeded);
    // A later protocol only.
    let mut later = Raw::open(&vm1, &east).await.expect("opened");
    let hello = hello::Hello {
        oldest_protocol: 90,
        newest_protocol: 99,
        ..hello::ours(&[])
    };
    later.tell(trust_request::Message::Hello(hello)).await;
    let refused = later.next().await.expect_err("refused");
    assert!(refused.message().contains("90 to 99"), "{refused}");
    // Somebody without a certificate.
    let net = world.host(9).net;
    let mut anyone = east
        .pinned(&net, &east.node_token("vm9", "node").await)
        .await;
    let empty = tokio_stream::empty::<TrustRequest>();
    let refused = anyone.session(empty).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unauthenticated);
    // More sessions than one caller may have.
    drop((raw, silent, later));
    let mut open = Vec::new();
    let refused = loop {
        match Raw::open(&vm1, &east).await {
            Ok(raw) if open.len() < 10 => open.push(raw),
            Ok(_) => panic!("no limit"),
            Err(status) => break status,
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_with_the_controller() {
    let world = World::new();
    let east = world.site("east", 1).await;
    let vm1 = node(&world, &east, 2, "vm1", "node").await;
    let mut raw = Raw::greeted(&vm1, &east).await;
    east.scope.begin_drain();
    let ended = loop {
        if let Err(status) = raw.next().await {
            break status;
        }
    };
    assert_eq!(ended.code(), Code::Unavailable);
    let drained = east.scope.drain(Duration::from_secs(5)).await;
    assert!(drained.cut.is_empty(), "{:?}", drained.cut);
}

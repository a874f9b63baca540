mod enrolment;
mod restart;

use std::time::Duration;

use pelago_model::token::{Purpose, Secret, Token};
use pelago_model::{HostPort, Name, PartKind, RegistrationEntry, Selector};
use pelago_net::BoxNet;
use pelago_runtime::scope::Scope;
use tests_suites::mint::{NOW, Spec};

use super::*;
use crate::enrol::enrol;
use crate::kit::{Controller, Domain, SECRET, clock, hosts};
use crate::state::{Identity, channel};

struct World {
    east: Domain,
    controller: Controller,
    address: HostPort,
    node: BoxNet,
    scope: Scope,
    directory: tempfile::TempDir,
    _fabric: pelago_net::Fabric,
}

async fn world() -> World {
    let east = Domain::new("east");
    let (fabric, controller_net, node) = hosts();
    let scope = Scope::new("test");
    let (controller, address) = Controller::start(&east, &controller_net, &scope).await;
    World {
        east,
        controller,
        address,
        node: BoxNet::new(node),
        scope,
        directory: tempfile::tempdir().unwrap(),
        _fabric: fabric,
    }
}

impl World {
    fn token(&self) -> Token {
        Token {
            purpose: Purpose::Part {
                kind: PartKind::Node,
                name: Name::parse("n1").unwrap(),
            },
            cluster: crate::kit::cluster("east"),
            controller: self.east.id("pelago/controller/east"),
            addresses: vec![HostPort::parse("10.9.9.9:1").unwrap(), self.address.clone()],
            pins: vec![pelago_svid::pin(self.east.root.der()).unwrap()],
            secret: Secret::new(SECRET),
            expires: NOW + 3600,
        }
    }

    fn disk(&self) -> StateDir {
        StateDir::open(self.directory.path()).unwrap()
    }

    /// Enrols, stores, and runs the session.
    async fn node(&self) -> Identity {
        let stored = enrol(&self.node, &clock(), &self.token()).await.unwrap();
        self.disk().save(&stored).unwrap();
        self.start(stored)
    }

    fn start(&self, stored: Stored) -> Identity {
        let (writer, identity) = channel(clock());
        let target = stored.target(vec![self.address.clone()]).unwrap();
        let channels = Channels::new(self.node.clone(), identity.clone());
        let session = Session::new(writer, self.disk(), stored, 1);
        let drain = self.scope.shutdown();
        self.scope
            .spawn("session", session.run(channels, target, drain));
        identity
    }

    fn entry(&self, name: &str, path: &str) -> RegistrationEntry {
        RegistrationEntry {
            id: Name::parse(name).unwrap(),
            spiffe_id: self.east.id(path),
            node: Name::parse("n1").unwrap(),
            selectors: vec![Selector::Uid(1)],
            ttl_seconds: None,
            hint: format!("hint of {name}"),
        }
    }
}

async fn until(identity: &Identity, what: impl Fn(&crate::State) -> bool) {
    let mut identity = identity.clone();
    let wait = async {
        while !what(&identity.current()) {
            identity.changed().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(7200), wait)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_entry_gets_its_svid_and_loses_it_with_the_entry() {
    let world = world().await;
    let identity = world.node().await;
    let (web, api) = (
        world.entry("shop.web", "ns/shop/sa/web"),
        world.entry("shop.api", "ns/shop/sa/api"),
    );
    let mut foreign = world.entry("shop.other", "ns/shop/sa/other");
    foreign.node = Name::parse("n2").unwrap();
    world
        .controller
        .told
        .send_modify(|told| told.entries = vec![web.clone(), api.clone(), foreign]);
    until(&identity, |state| state.workloads.len() == 2).await;
    let state = identity.current();
    let held = state.svid(&web.spiffe_id).unwrap();
    assert_eq!(
        (held.id(), held.hint()),
        (&web.spiffe_id, "hint of shop.web")
    );
    let names: Vec<_> = state.entries.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(names, ["shop.api", "shop.web"]);
    assert_ne!(
        held.key_der(),
        state.svid(&api.spiffe_id).unwrap().key_der()
    );
    world
        .controller
        .told
        .send_modify(|told| told.entries = vec![api.clone()]);
    until(&identity, |state| state.workloads.len() == 1).await;
    assert!(identity.current().svid(&web.spiffe_id).is_none());
}

#[tokio::test(start_paused = true)]
async fn svids_are_renewed_in_time_with_new_keys_and_stored() {
    let world = world().await;
    let identity = world.node().await;
    world
        .controller
        .told
        .send_modify(|told| told.entries = vec![world.entry("a", "ns/a/sa/a")]);
    until(&identity, |state| state.workloads.len() == 1).await;
    let first = identity.current();
    let began = Instant::now();
    let id = world.east.id("ns/a/sa/a");
    until(&identity, |state| {
        let own = state.own.as_ref().unwrap();
        let workload = state.svid(&id).unwrap();
        own.key_der() != first.own.as_ref().unwrap().key_der()
            && workload.key_der() != first.svid(&id).unwrap().key_der()
    })
    .await;
    let passed = began.elapsed().as_secs();
    assert!((3200..=4020).contains(&passed), "{passed}");
    let own = identity.current().own.clone().unwrap();
    // Stored after it is in use.
    let stored = loop {
        let stored = world.disk().load().unwrap().unwrap();
        if stored.svid.key_der() == own.key_der() {
            break stored;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(stored.renew_at > identity.now());
}

#[tokio::test(start_paused = true)]
async fn bundles_only_grow_and_are_acknowledged_once_in_use() {
    let world = world().await;
    let identity = world.node().await;
    let east = world.east.trust_domain();
    let west = Domain::new("west");
    world.controller.told.send_modify(|told| {
        told.bundles = vec![world.east.bundle(5), west.bundle(2)];
    });
    let heard = world
        .controller
        .hears(|heard| heard.acks.iter().any(|ack| ack.sequence == 5))
        .await;
    let ack = heard.acks.iter().find(|ack| ack.sequence == 5).unwrap();
    assert_eq!(ack.version, world.east.bundle(5).version().to_string());
    assert_eq!(identity.current().bundles.get(&east).unwrap().sequence, 5);
    // Lower, other roots under the same sequence, a foreign root: each refused, the rest taken.
    let mut other_roots = west.bundle(2);
    other_roots.x509_authorities = Domain::new("west").bundle(2).x509_authorities;
    world.controller.told.send_modify(|told| {
        told.bundles = vec![world.east.bundle(4), other_roots];
    });
    let mut foreign = west.bundle(3);
    foreign.x509_authorities = world.east.bundle(1).x509_authorities;
    world.controller.told.send_modify(|told| {
        told.bundles.push({
            let north = Domain::new("north");
            north.bundle(7)
        })
    });
    world
        .controller
        .hears(|heard| heard.acks.iter().any(|ack| ack.sequence == 7))
        .await;
    world
        .controller
        .told
        .send_modify(|told| told.bundles = vec![foreign, Domain::new("south").bundle(8)]);
    let heard = world
        .controller
        .hears(|heard| heard.acks.iter().any(|ack| ack.sequence == 8))
        .await;
    let acked = |sequence| heard.acks.iter().any(|ack| ack.sequence == sequence);
    assert!(!acked(4) && !acked(3));
    let state = identity.current();
    assert_eq!(**state.bundles.get(&east).unwrap(), world.east.bundle(5));
    assert_eq!(
        **state.bundles.get(&west.trust_domain()).unwrap(),
        west.bundle(2)
    );
    // Own domain was not even offered last: it stays. North was not: it goes.
    let domains: Vec<_> = state
        .bundles
        .iter()
        .map(|b| b.trust_domain.to_string())
        .collect();
    assert_eq!(domains, ["east.example", "south.example", "west.example"]);
    let stored = world.disk().load().unwrap().unwrap();
    assert_eq!(stored.bundles, state.bundles);
}

#[tokio::test(start_paused = true)]
async fn a_restart_needs_no_token_and_no_controller() {
    let world = world().await;
    let first = world.node().await;
    world
        .controller
        .told
        .send_modify(|told| told.bundles = vec![world.east.bundle(6)]);
    world
        .controller
        .hears(|heard| heard.acks.iter().any(|ack| ack.sequence == 6))
        .await;
    let own = first.current().own.clone().unwrap();
    // The state is whole before the controller is reached, and older bundles stay refused.
    let stored = world.disk().load().unwrap().unwrap();
    let again = world.start(stored);
    let state = again.current();
    assert_eq!(state.own.as_ref().unwrap().key_der(), own.key_der());
    let sequence = |state: &crate::State| {
        let held = state.bundles.get(&world.east.trust_domain());
        held.map(|bundle| bundle.sequence)
    };
    assert_eq!(sequence(&state), Some(6));
    world.controller.hears(|heard| heard.sessions >= 2).await;
    assert_eq!(world.controller.heard.borrow().enrols, 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_stream_comes_back_and_nothing_held_is_lost() {
    let world = world().await;
    let identity = world.node().await;
    world
        .controller
        .told
        .send_modify(|told| told.entries = vec![world.entry("a", "ns/a/sa/a")]);
    until(&identity, |state| state.workloads.len() == 1).await;
    world
        .controller
        .told
        .send_modify(|told| told.generation = 1);
    world.controller.hears(|heard| heard.sessions == 2).await;
    assert_eq!(identity.current().workloads.len(), 1);
    world
        .controller
        .told
        .send_modify(|told| told.entries.push(world.entry("b", "ns/a/sa/b")));
    until(&identity, |state| state.workloads.len() == 2).await;
    // What it held was not asked for again.
    let issued = world.controller.heard.borrow().issued.clone();
    assert_eq!(issued, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn certificates_that_our_bundles_do_not_vouch_for_are_not_used() {
    let world = world().await;
    let identity = world.node().await;
    let good = {
        let prefix = "spiffe://east.example";
        let spec = Spec::intermediate("east", &[prefix]);
        world.east.root.authority(&spec)
    };
    world.controller.sign_with(Domain::new("east").intermediate);
    world
        .controller
        .told
        .send_modify(|told| told.entries = vec![world.entry("a", "ns/a/sa/a")]);
    // Asked again and again, never used.
    world
        .controller
        .hears(|heard| heard.issued.len() >= 3)
        .await;
    assert!(identity.current().workloads.is_empty());
    world.controller.sign_with(good);
    until(&identity, |state| state.workloads.len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_retried() {
    let world = world().await;
    let identity = world.node().await;
    world.controller.told.send_modify(|told| {
        told.refuse = true;
        told.entries = vec![world.entry("a", "ns/a/sa/a")];
    });
    world
        .controller
        .hears(|heard| heard.issued.len() >= 2)
        .await;
    assert!(identity.current().workloads.is_empty());
    world
        .controller
        .told
        .send_modify(|told| told.refuse = false);
    until(&identity, |state| state.workloads.len() == 1).await;
}

#[test]
fn a_controller_that_is_away_is_told_of_once_and_reminded_of() {
    let mut warnings = Warnings::default();
    let began = Instant::now();
    let mut told = Vec::new();
    for second in (0..1300).step_by(15) {
        let now = began + Duration::from_secs(second);
        if warnings.is_due(second == 0, now) {
            told.push(second);
        }
    }
    assert_eq!(told, [0, 600, 1200]);
    // One that opens and breaks again and again is not told of each time.
    let flapping = (0..240).filter(|half| {
        let now = began + Duration::from_secs(2000) + Duration::from_millis(half * 500);
        warnings.is_due(true, now)
    });
    assert_eq!(flapping.count(), 2);
}

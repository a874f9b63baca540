//! A CA over time: restarts, renewal, rotation of its intermediate.

use std::sync::Arc;
use std::time::Duration;

use pelago_ca_core::State;
use pelago_identity::enrol;
use pelago_model::TrustDomain;
use pelago_model::token::Token;
use pelago_store::RedbStore;
use pelago_svid::Usage;
use pelago_wire::admin::trust_admin_server::TrustAdmin as _;
use pelago_wire::admin::{CreateNodeTokenRequest, TrustStatusRequest};

use super::world::{START, World, by_root, config, until};
use crate::{CaConfig, ConfigError, DiskKeyring, MemoryKeyring, OpenError, SigningError};

#[tokio::test(start_paused = true)]
async fn a_restart_keeps_root_peers_and_nodes() {
    let world = World::new();
    let (east, west) = (world.site("east", 1).await, world.site("west", 2).await);
    east.join(&west.peer_token(&[], &[]).await)
        .await
        .expect("joined");
    let token = Token::decode(&east.node_token("vm1", "node").await).expect("a token");
    let enrolled = enrol(&world.host(3).net, &world.clock, &token).await;
    let node = enrolled.expect("enrolled").svid;
    let before = east.bundle_of("east.example").expect("held");
    let first = east.identity.current().own.clone().expect("issued");
    let drained = east.scope.drain(Duration::from_secs(5)).await;
    assert!(drained.cut.is_empty(), "{:?}", drained.cut);
    let again = east.host.serve(config("east", "east.example")).await;
    assert_eq!(again.bundle_of("east.example"), Some(before));
    assert!(again.bundle_of("west.example").is_some());
    let own = again.identity.current().own.clone().expect("issued");
    assert_eq!(own.id(), first.id());
    assert_ne!(own.key_der(), first.key_der(), "a key of its own");
    let bundles = &again.identity.current().bundles;
    let known = pelago_svid::verify(node.chain_der(), bundles, Usage::Client, START);
    assert!(known.is_ok());
    until("the session with the peer is back", || async {
        again.server.ca.seats.has("peer.west")
    })
    .await;
}

#[tokio::test]
async fn a_restart_from_disk_signs_with_the_same_keys() {
    let world = World::new();
    let folder = tempfile::tempdir().expect("a folder");
    let mut bundles = Vec::new();
    let mut issued = Vec::new();
    for _ in 0..2 {
        let mut host = world.host(1);
        let store = RedbStore::open(folder.path().join("store")).await;
        host.store = Arc::new(store.expect("opens"));
        let keys = DiskKeyring::open(folder.path().join("keys")).await;
        host.keyring = Arc::new(keys.expect("opens"));
        let (_server, identity) = host
            .open(config("east", "east.example"))
            .await
            .expect("opens");
        let state = identity.current();
        let domain = TrustDomain::parse("east.example").expect("a domain");
        bundles.push(state.bundles.get(&domain).cloned().expect("held"));
        issued.push(state.own.clone().expect("issued"));
    }
    assert_eq!(bundles[0], bundles[1]);
    assert_eq!(issued[0].chain_der()[1], issued[1].chain_der()[1]);
    let mut files: Vec<String> = std::fs::read_dir(folder.path().join("keys"))
        .expect("reads")
        .map(|file| {
            file.expect("reads")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect();
    files.sort();
    assert_eq!(files, ["intermediate-1.pk8", "root-1.pk8"]);
}

#[tokio::test(start_paused = true)]
async fn another_clusters_store_is_refused_by_name() {
    let world = World::new();
    let host = world.host(1);
    host.open(config("east", "east.example"))
        .await
        .expect("opens");
    let refused = host.open(config("west", "east.example")).await.map(drop);
    let refused = refused.expect_err("refused").to_string();
    assert!(
        refused.contains("\"east\"") && refused.contains("\"west\""),
        "{refused}"
    );
    let refused = host.open(config("east", "other.example")).await.map(drop);
    let refused = refused.expect_err("refused").to_string();
    assert!(
        refused.contains("east.example") && refused.contains("other.example"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_without_its_keys_is_refused() {
    let world = World::new();
    let mut host = world.host(1);
    host.open(config("east", "east.example"))
        .await
        .expect("opens");
    host.keyring = Arc::new(MemoryKeyring::new());
    let refused = host.open(config("east", "east.example")).await.map(drop);
    assert!(matches!(
        refused,
        Err(OpenError::Signing(SigningError::KeyMissing { .. }))
    ));
}

#[tokio::test(start_paused = true)]
async fn own_svid_and_intermediate_are_replaced_in_time() {
    let world = World::new();
    let short = CaConfig {
        svid_ttl: Duration::from_secs(600),
        renew_every: Duration::from_secs(200),
        intermediate_ttl: Duration::from_secs(3600),
        ..config("east", "east.example")
    };
    let east = world.host(1).serve(short).await;
    let root = east.bundle_of("east.example").expect("held");
    let first = east.identity.current().own.clone().expect("issued");
    let mut changes = east.identity.clone();
    while changes.current().own.clone().expect("issued").not_after() == first.not_after() {
        changes.changed().await;
    }
    // Three lifetimes of an intermediate.
    tokio::time::sleep(Duration::from_secs(3 * 3600)).await;
    let status = east
        .admin()
        .trust_status(by_root(TrustStatusRequest {}))
        .await;
    let status = status.expect("told").into_inner();
    let states: Vec<(&str, &str)> = status
        .authorities
        .iter()
        .map(|authority| (authority.id.as_str(), authority.state.as_str()))
        .collect();
    assert!(states.len() >= 5, "{states:?}");
    assert_eq!(states.last(), Some(&("root-1", State::Active.as_str())));
    let active = states
        .iter()
        .filter(|(id, state)| *state == "active" && *id != "root-1");
    assert_eq!(active.count(), 1, "{states:?}");
    assert_eq!(status.bundles[0].sequence, 1, "the trust stays");
    assert_eq!(east.bundle_of("east.example"), Some(root));
    let now = world.clock.now().as_secs();
    let state = east.identity.current();
    let own = state.own.clone().expect("issued");
    let verified = pelago_svid::verify(own.chain_der(), &state.bundles, Usage::Server, now);
    assert!(verified.is_ok(), "{verified:?}");
    // Whoever enrols now gets a chain of the new one.
    let token = Token::decode(&east.node_token("vm1", "node").await).expect("a token");
    let enrolled = enrol(&world.host(3).net, &world.clock, &token).await;
    enrolled.expect("enrolled");
}

#[test]
fn lifetimes_that_do_not_fit_are_refused_by_name() {
    let good = config("east", "east.example");
    assert_eq!(good.check(), Ok(()));
    let bad = CaConfig {
        renew_every: Duration::from_secs(20 * 3600),
        ..good
    };
    let refused = bad.check().expect_err("refused");
    assert!(matches!(
        refused,
        ConfigError::Lifetime {
            field: "ca.svid.renewEvery",
            ..
        }
    ));
    assert!(refused.to_string().contains("72000s"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn the_controllers_certificate_has_its_names() {
    let world = World::new();
    let named = CaConfig {
        dns_names: vec!["control.east.example".parse().expect("a name")],
        ..config("east", "east.example")
    };
    let (_server, identity) = world.host(1).open(named).await.expect("opens");
    let state = identity.current();
    let own = state.own.clone().expect("issued");
    let text = String::from_utf8_lossy(&own.chain_der()[0]).into_owned();
    assert!(text.contains("control.east.example"));
    let verified = pelago_svid::verify(own.chain_der(), &state.bundles, Usage::Server, START);
    let verified = verified.expect("verified");
    assert_eq!(
        verified.id().as_str(),
        "spiffe://east.example/pelago/controller/east"
    );
}

#[tokio::test(start_paused = true)]
async fn tokens_are_forgotten_long_after_their_expiry() {
    let world = World::new();
    let host = world.host(1);
    let (server, _identity) = host
        .open(config("east", "east.example"))
        .await
        .expect("opens");
    let admin = crate::admin::AdminService {
        ca: Arc::clone(&server.ca),
    };
    let asked = CreateNodeTokenRequest {
        name: "vm1".to_owned(),
        role: "node".to_owned(),
        ttl_seconds: 60,
        reason: String::new(),
    };
    admin
        .create_node_token(by_root(asked.clone()))
        .await
        .expect("made");
    tokio::time::advance(Duration::from_secs(31 * 24 * 3600)).await;
    admin.create_node_token(by_root(asked)).await.expect("made");
    crate::redeem::purge(&server.ca).await.expect("purged");
    let left = server.ca.tables.tokens.list().await.expect("read").rows;
    assert_eq!(left.len(), 1);
    assert!(left[0].value.expires > world.clock.now().as_secs());
}

//! Clusters that join, and those that may not.

use std::sync::Arc;

use pelago_ca_core::Caller;
use pelago_model::token::{Pin, Purpose, Token};
use pelago_model::{Bundle, ClusterId, TrustDomain};
use pelago_store::Expected;
use pelago_wire::admin::trust_admin_server::TrustAdmin as _;
use pelago_wire::admin::{
    CreatePeerTokenRequest, InspectPeerTokenRequest, ListAuditRequest, RemovePeerRequest,
};
use tonic::{Code, Request};

use super::world::{Site, World, by_root, config, until};

fn cluster(text: &str) -> ClusterId {
    ClusterId::parse(text).expect("a cluster")
}

fn peer(text: &str) -> Caller {
    Caller::Peer {
        cluster: cluster(text),
    }
}

/// Both clusters, joined, each holding what the other shows.
async fn joined(world: &World) -> (Site, Site) {
    let (east, west) = (world.site("east", 1).await, world.site("west", 2).await);
    let token = west.peer_token(&["shop/orders"], &["shop/api"]).await;
    let answer = east.join(&token).await.expect("joined");
    assert_eq!(answer.cluster, "west");
    assert_eq!(answer.trust_domain, "west.example");
    until("acknowledged both ways", || async {
        east.holds(&peer("west"), "east.example").await == Some(1)
            && west.holds(&peer("east"), "west.example").await == Some(1)
    })
    .await;
    (east, west)
}

/// Writes another bundle of a site's own domain, as a rotation would.
async fn publish(site: &Site, domain: &str, change: impl FnOnce(&mut Bundle)) {
    let mut bundle = site.bundle_of(domain).expect("held").as_ref().clone();
    change(&mut bundle);
    let bundles = &site.server.ca.tables.bundles;
    let put = bundles.put(domain, Expected::Any, &bundle).await;
    put.expect("written");
}

#[tokio::test(start_paused = true)]
async fn both_sides_hold_peer_grant_and_bundle() {
    let world = World::new();
    let (east, west) = joined(&world).await;
    let ours = east.server.ca.view.peers();
    let ours = ours.get(&cluster("west")).expect("a peer");
    assert!(ours.grant.exports("shop", "web") && ours.grant.merges("shop", "api"));
    assert!(!ours.grant.exports("shop", "orders"));
    assert_eq!(
        ours.controller.as_str(),
        "spiffe://west.example/pelago/controller/west"
    );
    assert_eq!(ours.addresses, [west.host.address()]);
    let theirs = west.server.ca.view.peers();
    let theirs = theirs.get(&cluster("east")).expect("a peer");
    assert!(theirs.grant.exports("shop", "orders") && theirs.grant.merges("shop", "api"));
    assert!(!theirs.grant.exports("shop", "web"));
    assert_eq!(
        east.bundle_of("west.example"),
        west.bundle_of("west.example")
    );
    assert_eq!(
        west.bundle_of("east.example"),
        east.bundle_of("east.example")
    );
    let verbs = |audit: Vec<pelago_store::AuditRecord>| -> Vec<String> {
        audit.into_iter().map(|entry| entry.verb).collect()
    };
    assert_eq!(verbs(east.audit().await), ["peer.join"]);
    assert_eq!(verbs(west.audit().await), ["peer.joined", "peer.token"]);
}

#[tokio::test(start_paused = true)]
async fn a_newer_bundle_is_pushed_and_acknowledged_and_an_older_refused() {
    let world = World::new();
    let (east, west) = joined(&world).await;
    publish(&west, "west.example", |bundle| bundle.sequence = 7).await;
    until("the newer bundle is held and acknowledged", || async {
        east.bundle_of("west.example")
            .is_some_and(|held| held.sequence == 7)
            && west.holds(&peer("east"), "west.example").await == Some(7)
    })
    .await;
    publish(&west, "west.example", |bundle| bundle.sequence = 3).await;
    until("the older bundle is refused", || async {
        east.server.counters().bundles_refused() == 1
    })
    .await;
    let held = east.bundle_of("west.example").expect("held");
    assert_eq!(held.sequence, 7);
}

#[tokio::test(start_paused = true)]
async fn the_same_token_again_is_refused() {
    let world = World::new();
    let (east, west) = (world.site("east", 1).await, world.site("west", 2).await);
    let north = world.site("north", 3).await;
    let token = west.peer_token(&[], &[]).await;
    east.join(&token).await.expect("joined");
    // The same key repeats and gets the same answer.
    east.join(&token).await.expect("joined");
    let refused = north.join(&token).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let text = refused.message();
    assert!(
        text.contains("west refused") && text.contains("used already"),
        "{text}"
    );
    assert!(
        text.contains("`pelago --cluster west peer token`"),
        "{text}"
    );
    assert!(west.server.ca.view.peers().get(&cluster("north")).is_none());
    assert!(north.server.ca.view.peers().is_empty());
    let joined = west.audit().await;
    let joined = joined.iter().filter(|entry| entry.verb == "peer.joined");
    assert_eq!(joined.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_pin_never_sees_the_secret() {
    let world = World::new();
    let (east, west) = (world.site("east", 1).await, world.site("west", 2).await);
    let text = west.peer_token(&[], &[]).await;
    let mut token = Token::decode(&text).expect("a token");
    token.pins = vec![Pin([7; 32])];
    let refused = east.join(&token.encode()).await.expect_err("refused");
    assert_eq!(
        refused.code(),
        Code::FailedPrecondition,
        "somebody answered"
    );
    let said = refused.message();
    assert!(
        said.contains("the secret was not sent") && said.contains("pins"),
        "{said}"
    );
    // Neither does another server at the address.
    let north = world.site("north", 3).await;
    let mut token = Token::decode(&text).expect("a token");
    token.addresses = vec![north.host.address()];
    let refused = east.join(&token.encode()).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    // Where nobody listens, nobody was reached.
    token.addresses = vec![world.host(77).address()];
    let refused = east.join(&token.encode()).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(west.token_is_unused(&text).await);
    let refusals = west.server.counters().refused() + north.server.counters().refused();
    assert_eq!(refusals, 0, "nothing was asked of either");
}

#[tokio::test(start_paused = true)]
async fn altered_expired_and_foreign_tokens_are_told_apart() {
    let world = World::new();
    let (east, west) = (world.site("east", 1).await, world.site("west", 2).await);
    let token = west.peer_token(&[], &[]).await;
    let mut altered = token.clone().into_bytes();
    altered[30] = if altered[30] == b'a' { b'b' } else { b'a' };
    let altered = String::from_utf8(altered).expect("text");
    let refused = east.join(&altered).await.expect_err("refused");
    assert!(refused.message().contains("damaged"), "{refused}");
    let mut expired = Token::decode(&token).expect("a token");
    expired.expires = super::world::START - 1;
    let refused = east.join(&expired.encode()).await.expect_err("refused");
    let text = refused.message();
    assert!(
        text.contains("`pelago --cluster west peer token`"),
        "{text}"
    );
    let node = west.node_token("vm1", "node").await;
    let refused = east.join(&node).await.expect_err("refused");
    assert!(refused.message().contains("enrols a node"), "{refused}");
    // Its own token.
    let refused = west.join(&token).await.expect_err("refused");
    assert!(
        refused.message().contains("this cluster's own"),
        "{refused}"
    );
    assert!(west.token_is_unused(&token).await);
}

#[tokio::test(start_paused = true)]
async fn claims_to_anothers_names_are_refused_and_burn_nothing() {
    let world = World::new();
    let (_east, west) = joined(&world).await;
    let token = west.peer_token(&[], &[]).await;
    for (number, (id, domain)) in [
        ("west", "other.example"),
        ("other", "west.example"),
        ("east", "other.example"),
        ("other", "east.example"),
    ]
    .into_iter()
    .enumerate()
    {
        let host = world.host(10 + u8::try_from(number).expect("small"));
        let claimant = host.serve(config(id, domain)).await;
        let refused = claimant.join(&token).await.expect_err(id);
        assert_eq!(
            refused.code(),
            Code::FailedPrecondition,
            "{id} {domain}: {refused}"
        );
        assert!(west.token_is_unused(&token).await, "{id} {domain}");
        assert!(claimant.server.ca.view.peers().is_empty());
    }
    assert_eq!(west.server.ca.view.peers().len(), 1);
    let honest = world.site("north", 20).await;
    honest.join(&token).await.expect("joined");
}

#[tokio::test(start_paused = true)]
async fn a_removed_peer_is_trusted_no_more() {
    let world = World::new();
    let (east, west) = joined(&world).await;
    let asked = RemovePeerRequest {
        cluster: "east".to_owned(),
        reason: "gone".to_owned(),
    };
    let removed = west.admin().remove_peer(by_root(asked.clone())).await;
    assert_eq!(
        removed.expect("removed").into_inner().trust_domain,
        "east.example"
    );
    assert!(west.bundle_of("east.example").is_none());
    until("the session of the removed peer is cut", || async {
        !west.server.ca.seats.has("peer.east")
    })
    .await;
    assert_eq!(west.holds(&peer("east"), "west.example").await, None);
    let missing = west.admin().remove_peer(by_root(asked)).await;
    assert_eq!(missing.expect_err("refused").code(), Code::NotFound);
    // It comes back with a token only, and then at once.
    let refused = east.join(&west.peer_token(&[], &[]).await).await;
    refused.expect("joined again");
    until("sessions are back both ways", || async {
        west.server.ca.seats.has("peer.east") && east.server.ca.seats.has("peer.west")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_old_token_does_not_bring_a_removed_peer_back() {
    let world = World::new();
    let (east, west) = (world.site("east", 1).await, world.site("west", 2).await);
    let token = west.peer_token(&[], &[]).await;
    east.join(&token).await.expect("joined");
    let asked = RemovePeerRequest {
        cluster: "east".to_owned(),
        reason: String::new(),
    };
    let removed = west.admin().remove_peer(by_root(asked)).await;
    removed.expect("removed");
    let refused = east.join(&token).await.expect_err("refused");
    assert!(refused.message().contains("used already"), "{refused}");
    assert!(west.server.ca.view.peers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn people_see_what_opens_and_what_is_not_there_yet() {
    let world = World::new();
    let (east, west) = (world.site("east", 1).await, world.site("west", 2).await);
    let share = CreatePeerTokenRequest {
        trust: "share".to_owned(),
        ..CreatePeerTokenRequest::default()
    };
    let refused = west.admin().create_peer_token(by_root(share)).await;
    let refused = refused.expect_err("refused");
    assert_eq!(refused.code(), Code::Unimplemented);
    assert_eq!(
        refused.message(),
        "trust: share arrives with the next release; use federate"
    );
    let bad = CreatePeerTokenRequest {
        export: vec!["*/*".to_owned()],
        ..CreatePeerTokenRequest::default()
    };
    let refused = west.admin().create_peer_token(by_root(bad)).await;
    let refused = refused.expect_err("refused");
    assert!(refused.message().contains("\"*/*\""), "{refused}");
    let token = west.peer_token(&["shop/orders"], &["shop/api"]).await;
    let asked = InspectPeerTokenRequest {
        token: token.clone(),
        export: vec![],
    };
    let seen = east.admin().inspect_peer_token(by_root(asked)).await;
    let seen = seen.expect("read").into_inner();
    assert_eq!(seen.cluster, "west");
    assert_eq!(seen.opens.len(), 3, "{:?}", seen.opens);
    assert!(seen.opens[0].contains("east may call shop/orders of west"));
    assert!(seen.opens[2].contains("west may call no service of east"));
    assert!(west.token_is_unused(&token).await);
    let nobody = west
        .admin()
        .list_audit(Request::new(ListAuditRequest { limit: 0 }))
        .await;
    assert_eq!(nobody.expect_err("refused").code(), Code::Unauthenticated);
    let audit = west.audit().await;
    let outcomes: Vec<_> = audit.iter().map(|entry| entry.outcome).collect();
    use pelago_store::Outcome::{Done, Refused};
    assert_eq!(outcomes, [Done, Refused, Refused]);
}

#[tokio::test(start_paused = true)]
async fn a_redeemed_token_is_written_out_after_a_crash() {
    let world = World::new();
    let (east, west) = (world.site("east", 1).await, world.site("west", 2).await);
    let text = west.peer_token(&["shop/orders"], &[]).await;
    let token = Token::decode(&text).expect("a token");
    let Purpose::Peer { grant } = token.purpose.clone() else {
        panic!("a peer's token");
    };
    // The swap happened; the process ended before anything else did.
    let bundle = east.bundle_of("east.example").expect("held");
    let claim = pelago_ca_core::join::Claim {
        cluster: cluster("east"),
        controller: east.identity.own_id().expect("issued"),
        addresses: vec![east.host.address()],
        bundle: bundle.as_ref().clone(),
        grant: pelago_model::Grant::default(),
    };
    let outcome = pelago_ca_core::token::Outcome::Joined {
        peer: claim.peer(grant),
        bundle: claim.bundle.clone(),
    };
    let id = pelago_ca_core::token::TokenId::of(&token.secret);
    let tokens = &west.server.ca.tables.tokens;
    let record = tokens.get(id.as_str()).await.expect("read").expect("there");
    let used = record
        .value
        .used(Pin([1; 32]), super::world::START, outcome);
    let put = tokens.put(id.as_str(), Expected::Any, &used).await;
    put.expect("written");
    let host = west.host;
    drop(west.scope);
    let (restarted, identity) = host
        .open(config("west", "west.example"))
        .await
        .expect("opens");
    let peers = restarted.ca.view.peers();
    assert!(peers[&cluster("east")].grant.exports("shop", "orders"));
    let domain = TrustDomain::parse("east.example").expect("a domain");
    assert_eq!(
        identity.current().bundles.get(&domain),
        Some(&Arc::clone(&bundle))
    );
    let audit = restarted.ca.tables.audit.list(10).await.expect("read");
    assert_eq!(audit[0].verb, "peer.joined");
    // Once only.
    host.open(config("west", "west.example"))
        .await
        .expect("opens");
    let again = restarted.ca.tables.audit.list(10).await.expect("read");
    assert_eq!(again.len(), audit.len());
}

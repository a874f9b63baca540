//! Tokens of nodes and gateways.

use std::time::Duration;

use futures_util::future::join_all;
use pelago_identity::{KeyRequest, enrol};
use pelago_model::token::Token;
use pelago_svid::Usage;
use pelago_wire::admin::ListNodesRequest;
use pelago_wire::admin::trust_admin_server::TrustAdmin as _;
use pelago_wire::hello;
use pelago_wire::trust::{EnrolRequest, EnrolResponse};
use tonic::{Code, Status};

use super::world::{Site, World, by_root};

fn request(token: &str, csr: &[u8]) -> EnrolRequest {
    let token = Token::decode(token).expect("a token");
    EnrolRequest {
        hello: Some(hello::ours(&[])),
        secret: token.secret.expose().to_vec(),
        csr: csr.to_vec(),
    }
}

async fn redeem(
    world: &World,
    east: &Site,
    token: &str,
    csr: &[u8],
) -> Result<EnrolResponse, Status> {
    let net = world.host(200).net;
    let mut client = east.pinned(&net, token).await;
    let answer = client.enrol(request(token, csr)).await;
    answer.map(tonic::Response::into_inner)
}

fn leaf(answer: EnrolResponse) -> pelago_svid::Leaf {
    let chain = answer.certificate.expect("a certificate").chain;
    pelago_svid::leaf(&chain[0]).expect("an SVID")
}

#[tokio::test(start_paused = true)]
async fn a_token_makes_a_node_of_exactly_its_name() {
    let world = World::new();
    let east = world.site("east", 1).await;
    for (name, role) in [("vm1", "node"), ("gw1", "gateway")] {
        let token = Token::decode(&east.node_token(name, role).await).expect("a token");
        let net = world.host(2).net;
        let enrolled = enrol(&net, &world.clock, &token).await.expect("enrolled");
        assert_eq!(
            enrolled.svid.id().as_str(),
            format!("spiffe://east.example/pelago/{role}/east/{name}")
        );
    }
    let nodes = east.admin().list_nodes(by_root(ListNodesRequest {})).await;
    let nodes = nodes.expect("listed").into_inner().nodes;
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["gw1", "vm1"]);
    assert!(nodes.iter().all(|node| !node.connected));
    let audit = east.audit().await;
    let verbs: Vec<&str> = audit.iter().map(|entry| entry.verb.as_str()).collect();
    assert_eq!(
        verbs,
        ["node.enrol", "node.token", "node.enrol", "node.token"]
    );
    assert_eq!(audit[1].actor, "uid/0(root)");
    assert!(audit[0].actor.starts_with("token/"), "{}", audit[0].actor);
}

#[tokio::test(start_paused = true)]
async fn the_same_key_gets_the_same_answer_and_no_other_key_any() {
    let world = World::new();
    let east = world.site("east", 1).await;
    let token = east.node_token("vm1", "node").await;
    let key = KeyRequest::generate().expect("a key");
    let first = redeem(&world, &east, &token, &key.csr).await.expect("in");
    let again = redeem(&world, &east, &token, &key.csr).await.expect("in");
    assert_eq!(leaf(first), leaf(again));
    let other = KeyRequest::generate().expect("a key");
    let refused = redeem(&world, &east, &token, &other.csr).await;
    let refused = refused.expect_err("refused");
    assert_eq!(refused.code(), Code::PermissionDenied);
    let text = refused.message();
    assert!(text.contains("used already"), "{text}");
    assert!(
        text.contains("`pelago --cluster east node token vm1 --role node`"),
        "{text}"
    );
    let enrolled = east.audit().await;
    let enrolled = enrolled.iter().filter(|entry| entry.verb == "node.enrol");
    assert_eq!(enrolled.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_expired_or_altered_token_says_what_to_do() {
    let world = World::new();
    let east = world.site("east", 1).await;
    let text = east.node_token("vm1", "node").await;
    let net = world.host(2).net;
    let mut client = east.pinned(&net, &text).await;
    let key = KeyRequest::generate().expect("a key");
    let mut altered = request(&text, &key.csr);
    altered.secret[0] ^= 1;
    let refused = client.enrol(altered).await.expect_err("refused");
    assert!(refused.message().contains("not known here"), "{refused}");
    tokio::time::advance(Duration::from_secs(3601)).await;
    let mut client = east
        .pinned(&net, &east.node_token("vm2", "node").await)
        .await;
    let refused = client.enrol(request(&text, &key.csr)).await;
    let refused = refused.expect_err("refused");
    assert!(refused.message().contains("has expired"), "{refused}");
    assert!(refused.message().contains("ask for a new one"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_at_once_and_one_is_let_in() {
    let world = World::new();
    let east = world.site("east", 1).await;
    let token = east.node_token("vm1", "node").await;
    let net = world.host(2).net;
    let client = east.pinned(&net, &token).await;
    let attempts = (0..100).map(|_| {
        let (mut client, key) = (client.clone(), KeyRequest::generate().expect("a key"));
        let request = request(&token, &key.csr);
        async move { client.enrol(request).await }
    });
    let let_in = join_all(attempts).await.into_iter().filter(Result::is_ok);
    assert_eq!(let_in.count(), 1);
    assert_eq!(east.server.counters().issued(), 1);
    assert_eq!(east.server.counters().refused(), 99);
}

#[tokio::test(start_paused = true)]
async fn what_a_request_asks_for_is_not_issued() {
    let world = World::new();
    let east = world.site("east", 1).await;
    let token = east.node_token("vm1", "node").await;
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = vec!["control.pelago".to_owned(), "10.0.0.9".to_owned()];
    let mut params = rcgen::CertificateParams::new(names).expect("params");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.subject_alt_names.push(rcgen::SanType::URI(
        "spiffe://east.example/pelago/controller/east"
            .try_into()
            .expect("ASCII"),
    ));
    let csr = params.serialize_request(&key).expect("a request");
    let answer = redeem(&world, &east, &token, csr.der()).await.expect("in");
    let chain: Vec<_> = answer.certificate.expect("a certificate").chain;
    let chain: Vec<_> = chain.into_iter().map(Into::into).collect();
    let bundles = &east.identity.current().bundles;
    let peer = pelago_svid::verify(&chain, bundles, Usage::Client, super::world::START);
    let peer = peer.expect("verified");
    assert_eq!(
        peer.id().as_str(),
        "spiffe://east.example/pelago/node/east/vm1"
    );
    assert_eq!(
        peer.issuer_cluster().map(ToString::to_string).as_deref(),
        Some("east")
    );
    let text = String::from_utf8_lossy(&chain[0]);
    assert!(!text.contains("control.pelago") && !text.contains("controller/east"));
}

#[tokio::test(start_paused = true)]
async fn bad_requests_burn_no_token() {
    let world = World::new();
    let east = world.site("east", 1).await;
    let token = east.node_token("vm1", "node").await;
    for csr in [vec![], vec![1, 2, 3], vec![0x30; 20_000]] {
        let refused = redeem(&world, &east, &token, &csr).await;
        assert_eq!(refused.expect_err("refused").code(), Code::InvalidArgument);
    }
    assert!(east.token_is_unused(&token).await);
    // A peer's token is no node's.
    let peer = east.peer_token(&[], &[]).await;
    let key = KeyRequest::generate().expect("a key");
    let refused = redeem(&world, &east, &peer, &key.csr).await;
    let refused = refused.expect_err("refused");
    assert!(refused.message().contains("peer join"), "{refused}");
    assert!(east.token_is_unused(&peer).await);
}

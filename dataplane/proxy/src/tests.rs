//! Whole calls on an in-memory network, with a paused clock.

mod world;

mod failing;
mod gateways;
mod hostile;
mod lasting;

use pelago_model::authz::{Action, Pattern, Policy, Rule, Scope, Source};
use pelago_model::*;
use pelago_net::MemoryStream;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::*;

/// Says `text` and hears it back, then ends.
async fn converse(mut stream: MemoryStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, text);
}

fn shut_to(principal: &str) -> Resource {
    Resource::Policy(Arc::new(Policy {
        key: PolicyKey::parse("shop/shut").unwrap(),
        scope: Scope::Namespace,
        action: Action::Deny,
        rules: vec![Rule {
            from: vec![Source {
                principals: vec![Pattern::parse(principal)],
                ..Source::default()
            }],
            to: Vec::new(),
        }],
    }))
}

/// `web` and `api` in east.
async fn east() -> (World, Part, Part) {
    let world = World::new();
    let workloads = vec![
        workload("east", "web", 1, &[]),
        workload("east", "api", 2, &["api"]),
    ];
    world.tell("east", of(vec![service("api")], workloads, Vec::new()));
    let web = world.node("east", "web", 1).await;
    let api = world.node("east", "api", 2).await;
    api.program(&world, 2, "api").await;
    (world, web, api)
}

#[tokio::test(start_paused = true)]
async fn a_call_is_tunnelled_and_both_sides_know_who_it_is() {
    let (_world, mut web, mut api) = east().await;
    let (name, stream) = web.call("api").await.unwrap();
    assert_eq!(name, "api");
    converse(stream, "a question").await;
    let out = web.line().await;
    assert_eq!(out["direction"], "outbound");
    assert_eq!(out["reason"], "ok");
    assert_eq!(out["source_id"], "spiffe://east.example/ns/shop/sa/web");
    assert_eq!(
        out["destination_id"],
        "spiffe://east.example/ns/shop/sa/api"
    );
    assert_eq!(out["service"], "shop/api.shop.svc.cluster.local");
    assert_eq!(out["hops"], "direct");
    assert_eq!(
        (&out["bytes_sent"], &out["bytes_received"]),
        (&10.into(), &14.into())
    );
    let inbound = api.line().await;
    assert_eq!(inbound["direction"], "inbound");
    assert_eq!(
        inbound["verified_source"],
        "spiffe://east.example/ns/shop/sa/web"
    );
    assert_eq!(inbound["source_cluster"], "east");
    assert_eq!(inbound["port"], 80);
    assert!(
        web.metrics
            .encode()
            .contains("istio_tcp_connections_opened_total{reporter=\"source\"")
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_is_nobody_is_refused() {
    let (_world, mut web, _api) = east().await;
    let (code, _) = web.call_as(7, key("api").host.as_str(), 80).await;
    assert_eq!(code, 2);
    let line = web.line().await;
    assert_eq!(line["reason"], "unknown_caller");
    assert!(line["source_id"].is_null());
}

#[tokio::test(start_paused = true)]
async fn what_is_unknown_is_refused_by_its_code() {
    let (_world, mut web, _api) = east().await;
    for (host, port, code, reason) in [
        (
            "nobody.shop.svc.cluster.local",
            80,
            4,
            "unknown_destination",
        ),
        ("api.shop.svc.cluster.local", 81, 5, "unknown_port"),
        ("10.9.9.9", 80, 4, "unknown_destination"),
    ] {
        assert_eq!(web.call_as(USER, host, port).await.0, code, "{host}:{port}");
        assert_eq!(web.line().await["reason"], reason);
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_refuses_and_only_its_own_side_knows_why() {
    let (world, mut web, mut api) = east().await;
    world.tell("east", vec![shut_to("*/sa/web")]);
    assert_eq!(web.call("api").await.unwrap_err(), 2);
    let (out, inbound) = (web.line().await, api.line().await);
    assert_eq!(inbound["reason"], "policy_denied");
    assert_eq!(inbound["policy"], "shop/shut");
    assert_eq!(out["reason"], "tunnel_refused");
    assert_eq!(out["refusal"], inbound["refusal"]);
    assert_ne!(out["refusal"], "");
}

#[tokio::test(start_paused = true)]
async fn a_workload_is_called_by_its_address_too_but_the_mesh_is_not() {
    let (_world, mut web, mut api) = east().await;
    let (code, mut stream) = web.call_as(USER, "10.0.0.2", 8080).await;
    assert_eq!(code, 0);
    assert_eq!(stream.read_u8().await.unwrap(), b'a');
    drop(stream);
    assert_eq!(web.line().await["reason"], "ok");
    assert_eq!(api.line().await["destination"], "10.0.0.2:8080");
    // The node's own HBONE port.
    assert_eq!(web.call_as(USER, "10.0.0.2", 15008).await.0, 2);
    assert_eq!(api.line().await["reason"], "forbidden_destination");
}

#[tokio::test(start_paused = true)]
async fn many_calls_at_once_share_one_tunnel() {
    let (_world, web, mut api) = east().await;
    let calls = (0..20).map(|_| web.call("api"));
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    let mut peers = std::collections::BTreeSet::new();
    let mut open = Vec::new();
    for call in std::mem::take(&mut calls) {
        open.push(call.await.unwrap());
    }
    for (_, stream) in open {
        converse(stream, "x").await;
        peers.insert(api.line().await["peer_address"].to_string());
    }
    assert_eq!(peers.len(), 1);
}

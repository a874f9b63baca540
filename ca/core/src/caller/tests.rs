use pelago_model::{Grant, HostPort};

use super::*;

fn realm() -> Realm {
    Realm {
        cluster: ClusterId::parse("east").expect("a cluster"),
        trust_domain: TrustDomain::parse("east.example").expect("a domain"),
    }
}

fn west() -> Peer {
    Peer {
        cluster: ClusterId::parse("west").expect("a cluster"),
        trust_domain: TrustDomain::parse("west.example").expect("a domain"),
        controller: SpiffeId::parse("spiffe://west.example/pelago/controller/west").expect("an ID"),
        addresses: vec![HostPort::parse("gw.west.example:15443").expect("an address")],
        grant: Grant::default(),
    }
}

fn classify(id: &str, issuer: Option<&str>) -> Option<String> {
    let id = SpiffeId::parse(id).expect("an ID");
    let issuer = issuer.map(|text| ClusterId::parse(text).expect("a cluster"));
    Caller::classify(&realm(), [&west()], &id, issuer.as_ref())
        .ok()
        .map(|caller| caller.observer())
}

#[test]
fn parts_and_peers_are_known() {
    let node = "spiffe://east.example/pelago/node/east/vm1";
    assert_eq!(classify(node, Some("east")).as_deref(), Some("node.vm1"));
    let gateway = "spiffe://east.example/pelago/gateway/east/gw1";
    assert_eq!(
        classify(gateway, Some("east")).as_deref(),
        Some("gateway.gw1")
    );
    let peer = "spiffe://west.example/pelago/controller/west";
    assert_eq!(classify(peer, Some("west")).as_deref(), Some("peer.west"));
}

#[test]
fn everyone_else_is_a_stranger() {
    for (id, issuer) in [
        ("spiffe://east.example/ns/shop/sa/web", Some("east")),
        ("spiffe://east.example/pelago/controller/east", Some("east")),
        ("spiffe://east.example/pelago/node/west/vm1", Some("east")),
        ("spiffe://east.example/pelago/node/east/vm1", Some("west")),
        ("spiffe://east.example/pelago/node/east/vm1", None),
        ("spiffe://west.example/pelago/node/west/vm1", Some("west")),
        ("spiffe://west.example/pelago/controller/west", Some("east")),
        ("spiffe://west.example/pelago/controller/west", None),
        (
            "spiffe://north.example/pelago/controller/west",
            Some("west"),
        ),
        (
            "spiffe://east.example/pelago/node/east/Bad_Name",
            Some("east"),
        ),
    ] {
        assert_eq!(classify(id, issuer), None, "{id} {issuer:?}");
    }
}

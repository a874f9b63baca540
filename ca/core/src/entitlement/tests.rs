use pelago_model::{ClusterId, Selector, TrustDomain};

use super::*;

const TERMS: Terms = Terms {
    ttl: 86_400,
    renew_every: 3_600,
};

fn realm() -> Realm {
    Realm {
        cluster: ClusterId::parse("east").expect("a cluster"),
        trust_domain: TrustDomain::parse("east.example").expect("a domain"),
    }
}

fn part(kind: PartKind, name: &str) -> Caller {
    Caller::Part {
        kind,
        name: Name::parse(name).expect("a name"),
    }
}

fn entry(id: &str, node: &str, ttl: Option<u64>) -> RegistrationEntry {
    RegistrationEntry {
        id: Name::parse("shop.web").expect("a name"),
        spiffe_id: SpiffeId::parse(id).expect("an ID"),
        node: Name::parse(node).expect("a name"),
        selectors: vec![Selector::Uid(1000)],
        ttl_seconds: ttl,
        hint: String::new(),
    }
}

fn ask(caller: &Caller, ask: Ask<'_>) -> Result<Entitlement, &'static str> {
    let requester = Requester::Verified {
        caller,
        enrolled: true,
    };
    decide(&realm(), TERMS, requester, ask).map_err(|refusal| refusal.code())
}

const WEB: &str = "spiffe://east.example/ns/shop/sa/web";

#[test]
fn every_door_gives_its_own_identity_only() {
    let name = Name::parse("vm1").expect("a name");
    let token = Requester::Token {
        kind: PartKind::Gateway,
        name: &name,
    };
    let granted = decide(&realm(), TERMS, token, Ask::Own).expect("granted");
    assert_eq!(
        granted.id.as_str(),
        "spiffe://east.example/pelago/gateway/east/vm1"
    );
    let own = decide(&realm(), TERMS, Requester::Controller, Ask::Own).expect("granted");
    assert_eq!(
        own.id.as_str(),
        "spiffe://east.example/pelago/controller/east"
    );
    let renewed = ask(&part(PartKind::Node, "vm1"), Ask::Own).expect("granted");
    assert_eq!(
        renewed.id.as_str(),
        "spiffe://east.example/pelago/node/east/vm1"
    );
    assert_eq!((renewed.ttl, renewed.renew_after), (86_400, 3_600));
}

#[test]
fn an_entry_goes_to_its_node_only() {
    let web = entry(WEB, "vm1", Some(600));
    let granted = ask(&part(PartKind::Node, "vm1"), Ask::Entry(Some(&web))).expect("granted");
    assert_eq!((granted.id.as_str(), granted.ttl), (WEB, 600));
    assert_eq!(granted.renew_after, 300);
    for caller in [
        part(PartKind::Node, "vm2"),
        part(PartKind::Gateway, "vm1"),
        Caller::Peer {
            cluster: ClusterId::parse("west").expect("a cluster"),
        },
    ] {
        assert_eq!(ask(&caller, Ask::Entry(Some(&web))), Err("not_entitled"));
    }
    assert_eq!(
        ask(&part(PartKind::Node, "vm1"), Ask::Entry(None)),
        Err("not_entitled")
    );
}

#[test]
fn neither_tokens_nor_the_controller_get_entries() {
    let web = entry(WEB, "vm1", None);
    let name = Name::parse("vm1").expect("a name");
    let token = Requester::Token {
        kind: PartKind::Node,
        name: &name,
    };
    for requester in [token, Requester::Controller] {
        let refused = decide(&realm(), TERMS, requester, Ask::Entry(Some(&web)));
        assert_eq!(refused, Err(Refusal::NotEntitled));
    }
}

#[test]
fn peers_may_not_issue() {
    let peer = Caller::Peer {
        cluster: ClusterId::parse("west").expect("a cluster"),
    };
    assert_eq!(ask(&peer, Ask::Own), Err("not_entitled"));
}

#[test]
fn identities_that_are_not_ours_to_give_are_refused() {
    for id in [
        "spiffe://east.example/pelago/node/east/vm1",
        "spiffe://east.example/pelago/controller/east",
        "spiffe://east.example/pelago",
        "spiffe://west.example/ns/shop/sa/web",
        "spiffe://east.example",
    ] {
        let entry = entry(id, "vm1", None);
        assert_eq!(
            ask(&part(PartKind::Node, "vm1"), Ask::Entry(Some(&entry))),
            Err("identity_not_issued"),
            "{id}"
        );
    }
}

#[test]
fn lifetimes_keep_their_bounds() {
    for ttl in [0, 19, MAX_TTL + 1, u64::MAX] {
        let entry = entry(WEB, "vm1", Some(ttl));
        assert_eq!(
            ask(&part(PartKind::Node, "vm1"), Ask::Entry(Some(&entry))),
            Err("lifetime_out_of_bounds")
        );
    }
}

#[test]
fn a_node_without_a_record_is_refused() {
    let requester = Requester::Verified {
        caller: &part(PartKind::Node, "vm1"),
        enrolled: false,
    };
    let refused = decide(&realm(), TERMS, requester, Ask::Own);
    assert_eq!(refused, Err(Refusal::NotEnrolled));
}

use std::sync::Arc;

use pelago_model::Standing;

use super::{Exports, Ledger, Shown, ShownKey};
use crate::fixture::*;
use crate::merge::Merge;
use crate::view::{Fact, FactKey, View};

fn mesh() -> (Merge, [View; 2]) {
    let yaml = service("api")
        + &workload("api", "api-1", "10.0.0.1")
        + &export("api")
        + &service("db")
        + &export("db")
        + &workload("db", "db-1", "10.0.0.2")
        + &service("own");
    let gateway = gateway("east");
    let mut all = facts("east", &yaml);
    all.insert(
        FactKey::Gateway(gateway.id.name.clone()),
        Fact::Gateway(Arc::new(gateway)),
    );
    let views = [
        view(all),
        view([
            peer_fact(peer("west", &[], &["shop/api"]), Standing::Fresh),
            peer_fact(peer("north", &["shop/db"], &[]), Standing::Fresh),
            (
                FactKey::Imported(cluster("west"), object("shop/api")),
                Fact::Imported(Arc::new(shown_service("west", "api", &["w"]))),
            ),
            (
                FactKey::ImportedGateway(cluster("west"), gateway_name()),
                Fact::ImportedGateway(Arc::new(shown_gateway("west"))),
            ),
        ]),
    ];
    (Merge::new(cluster("east")), views)
}

fn gateway_name() -> pelago_model::Name {
    gateway("west").id.name
}

fn keys(news: &[Shown]) -> Vec<String> {
    news.iter()
        .map(|shown| match shown {
            Shown::Gone(key) => format!("-{key}"),
            other => other.key().to_string(),
        })
        .collect()
}

#[test]
fn only_what_is_exported_and_granted_leaves_without_addresses_and_without_imports() {
    let (mut merge, mut views) = mesh();
    merge.update(&mut views);
    let mut west = Exports::new(cluster("east"), audience("west"));
    let news = west.update(merge.snapshot());
    assert_eq!(keys(&news), ["service shop/api", "gateway gw-1"]);
    let Shown::Service(api) = &news[0] else {
        panic!()
    };
    assert_eq!(
        api.endpoints.len(),
        1,
        "west's own endpoint does not go back"
    );
    assert!(api.endpoints[0].uid.as_str().starts_with("east/"));
    assert_eq!(api.host.as_str(), "api.shop.svc.cluster.local");
    let mut north = Exports::new(cluster("east"), audience("north"));
    assert_eq!(
        keys(&north.update(merge.snapshot())),
        ["service shop/db", "gateway gw-1"]
    );
    assert!(north.update(merge.snapshot()).is_empty());
    // The right cluster under another domain is another audience.
    let mut other = audience("west");
    other.trust_domain = domain("evil");
    assert_eq!(
        keys(&Exports::new(cluster("east"), other).update(merge.snapshot())),
        ["gateway gw-1"]
    );
}

#[test]
fn only_changes_are_told() {
    let (mut merge, mut views) = mesh();
    merge.update(&mut views);
    let mut west = Exports::new(cluster("east"), audience("west"));
    west.update(merge.snapshot());
    let (key, fact) = facts("east", &workload("api", "api-2", "10.0.0.3"))
        .pop_first()
        .expect("one");
    views[0].set(key, fact);
    merge.update(&mut views);
    assert_eq!(keys(&west.update(merge.snapshot())), ["service shop/api"]);
    views[0].remove(&FactKey::Workload(object("shop/db-1")));
    merge.update(&mut views);
    assert!(west.update(merge.snapshot()).is_empty(), "not its business");
    views[0].remove(&FactKey::Export(object("shop/api")));
    views[0].remove(&FactKey::Gateway(gateway_name()));
    merge.update(&mut views);
    assert_eq!(
        keys(&west.update(merge.snapshot())),
        ["-service shop/api", "-gateway gw-1"]
    );
    assert_eq!(west.hash(), Ledger::default().hash());
}

#[test]
fn a_ledger_hashes_content_not_history() {
    let (a, b) = (
        shown_service("west", "a", &["x"]),
        shown_service("west", "b", &[]),
    );
    let mut one = Ledger::default();
    let mut two = Ledger::default();
    one.note(&Shown::Service(a.clone()));
    one.note(&Shown::Service(b.clone()));
    two.note(&Shown::Service(b));
    two.note(&Shown::Service(shown_service("west", "a", &["y"])));
    assert_ne!(one.hash(), two.hash());
    assert!(two.note(&Shown::Service(a.clone())));
    assert!(!two.note(&Shown::Service(a)));
    assert_eq!(one, two);
    assert!(two.note(&Shown::Gone(ShownKey::Service(object("shop/a")))));
    assert_eq!(two.len(), 1);
}

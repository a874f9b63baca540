use std::sync::Arc;

use pelago_model::authz::Action;
use pelago_model::{GatewayId, Name, ServiceKey, Snapshot, Standing};
use proptest::prelude::*;

use super::Merge;
use crate::fixture::*;
use crate::view::{Fact, FactKey, View, declared};

fn key(text: &str) -> ServiceKey {
    ServiceKey::parse(text).expect("key")
}

fn imported(peer: &str, name: &str, workloads: &[&str]) -> (FactKey, Fact) {
    (
        FactKey::Imported(cluster(peer), object(&format!("shop/{name}"))),
        Fact::Imported(Arc::new(shown_service(peer, name, workloads))),
    )
}

fn endpoints(snapshot: &Snapshot, service: &str) -> Vec<String> {
    let mut found: Vec<String> = snapshot
        .endpoints_of(&key(service))
        .map(|w| w.uid.to_string())
        .collect();
    found.sort();
    found
}

#[test]
fn a_local_service_gets_its_endpoints_and_its_audience() {
    let yaml =
        service("api") + &workload("api", "api-1", "10.0.0.1") + &export("api") + &service("db");
    let mut views = [
        view(facts("east", &yaml)),
        view([peer_fact(peer("west", &["shop/*"], &[]), Standing::Fresh)]),
    ];
    let mut merge = Merge::new(cluster("east"));
    merge.update(&mut views);
    let snapshot = merge.snapshot();
    let api = snapshot
        .service(&key("shop/api.shop.svc.cluster.local"))
        .expect("api");
    assert_eq!(api.exported_to, [audience("west")].into());
    assert_eq!(api.aliases[0].as_str(), "api.shop.svc.east.mesh");
    let db = snapshot
        .service(&key("shop/db.shop.svc.cluster.local"))
        .expect("db");
    assert!(
        db.exported_to.is_empty(),
        "granted, but without ServiceExport"
    );
    let workload = snapshot.endpoints_of(&api.key).next().expect("endpoint");
    assert_eq!(
        workload.endpoints[&api.key]
            .ports
            .values()
            .copied()
            .collect::<Vec<_>>(),
        [8080]
    );
    assert_eq!(
        endpoints(snapshot, "shop/db.shop.svc.cluster.local"),
        [""; 0]
    );
}

#[test]
fn a_peers_service_has_its_own_name_until_a_grant_merges_it() {
    let mut views = [
        view(facts(
            "east",
            &(service("api") + &workload("api", "api-1", "10.0.0.1")),
        )),
        view([
            peer_fact(peer("west", &[], &[]), Standing::Fresh),
            imported("west", "api", &["a"]),
            imported("west", "orders", &["a", "o"]),
        ]),
    ];
    let mut merge = Merge::new(cluster("east"));
    merge.update(&mut views);
    let s = merge.snapshot();
    assert_eq!(endpoints(s, "shop/api.shop.svc.west.mesh"), ["west/x/a"]);
    assert_eq!(
        endpoints(s, "shop/orders.shop.svc.west.mesh"),
        ["west/x/a", "west/x/o"]
    );
    assert_eq!(endpoints(s, "shop/api.shop.svc.cluster.local").len(), 1);
    let foreign = s
        .endpoints_of(&key("shop/orders.shop.svc.west.mesh"))
        .next()
        .expect("one");
    assert!(foreign.addresses.is_empty());

    let (k, f) = peer_fact(
        peer("west", &[], &["shop/api", "shop/orders"]),
        Standing::Fresh,
    );
    views[1].set(k, f);
    merge.update(&mut views);
    let s = merge.snapshot();
    assert!(s.service(&key("shop/api.shop.svc.west.mesh")).is_none());
    assert_eq!(endpoints(s, "shop/api.shop.svc.cluster.local").len(), 2);
    let orders = s
        .service(&key("shop/orders.shop.svc.cluster.local"))
        .expect("created");
    assert_eq!(orders.cluster, cluster("west"));
    assert!(orders.exported_to.is_empty());
    assert_eq!(*s, merge.full());
}

#[test]
fn standing_follows_the_peer_and_a_removed_peer_leaves_nothing() {
    let gateway = shown_gateway("west");
    let mut views = [view([
        peer_fact(peer("west", &[], &[]), Standing::Fresh),
        imported("west", "api", &["a"]),
        (
            FactKey::ImportedGateway(cluster("west"), gateway.name.clone()),
            Fact::ImportedGateway(Arc::new(gateway)),
        ),
    ])];
    let mut merge = Merge::new(cluster("east"));
    merge.update(&mut views);
    let id = GatewayId::parse("west/gw-1").expect("id");
    assert_eq!(
        merge.snapshot().gateway(&id).expect("gateway").standing,
        Standing::Fresh
    );
    let (k, f) = peer_fact(peer("west", &[], &[]), Standing::Withdrawn);
    views[0].set(k, f);
    let delta = merge.update(&mut views);
    assert_eq!(
        (delta.upserts.len(), delta.removals.len()),
        (2, 0),
        "workload and gateway only"
    );
    assert_eq!(
        merge.snapshot().gateway(&id).expect("gateway").standing,
        Standing::Withdrawn
    );
    views[0].remove(&FactKey::Peer(cluster("west")));
    merge.update(&mut views);
    assert_eq!(*merge.snapshot(), Snapshot::default());
    assert_eq!(
        merge.snapshot().state_hash(),
        Snapshot::default().state_hash()
    );
}

fn policy(action: &str, rules: &str) -> (FactKey, Fact) {
    let yaml = format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {{action: {action}, rules: {rules}}}\n"
    );
    let parsed = pelago_resources::read("p", &yaml, &context("east"));
    declared(parsed.declarations.into_iter().next().expect("one"))
}

#[test]
fn a_policy_that_is_not_complete_keeps_its_last_complete_version() {
    let of = |merge: &Merge| merge.snapshot().policies().next().cloned().expect("policy");
    let mut views = [view([policy("ALLOW", "[{when: [{key: k}]}]")])];
    let mut merge = Merge::new(cluster("east"));
    merge.update(&mut views);
    assert_eq!(
        of(&merge).rules.len(),
        0,
        "no last version: the rule is lost"
    );
    for (key, fact) in [
        policy("DENY", "[{}]"),
        policy("ALLOW", "[{when: [{key: k}]}]"),
    ] {
        views[0].set(key, fact);
        merge.update(&mut views);
        assert_eq!(of(&merge).action, Action::Deny);
    }
    let persisted = merge
        .last_good()
        .values()
        .next()
        .cloned()
        .expect("remembered");

    let mut merge = Merge::new(cluster("east"));
    merge.remember(persisted);
    merge.update(&mut [view([policy("CUSTOM", "[{}]")])]);
    assert_eq!(of(&merge).rules.len(), 1);
    assert_eq!(merge.last_good().len(), 1);
    let mut views = [View::default()];
    views[0].set(policy("DENY", "[{}]").0, policy("DENY", "[{}]").1);
    let mut merge = Merge::new(cluster("east"));
    merge.update(&mut views);
    views[0].remove(&policy("DENY", "[]").0);
    merge.update(&mut views);
    assert!(merge.last_good().is_empty() && merge.snapshot().policies().next().is_none());
}

#[test]
fn the_first_view_is_believed() {
    let a = (service("api") + &workload("api", "a", "10.0.0.1")).replace("http: 8080", "http: 1");
    let b = service("api") + &workload("api", "a", "10.0.0.2");
    let mut views = [view(facts("east", &a)), view(facts("east", &b))];
    let mut merge = Merge::new(cluster("east"));
    merge.update(&mut views);
    let ip =
        |merge: &Merge| merge.snapshot().workloads().next().expect("one").addresses[0].to_string();
    assert_eq!(ip(&merge), "10.0.0.1");
    views[0].replace([].into());
    merge.update(&mut views);
    assert_eq!(ip(&merge), "10.0.0.2");
}

fn any_fact() -> impl Strategy<Value = (usize, FactKey, Option<Fact>)> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let declared = (0..4_usize, name.clone(), name.clone(), any::<bool>()).prop_map(
        |(kind, one, two, here)| {
            let yaml = match kind {
                0 => service(one),
                1 => workload(one, two, "10.0.0.1"),
                2 => export(one),
                _ => workload(one, two, "10.0.0.2"),
            };
            let (key, fact) = facts("east", &yaml).pop_first().expect("one");
            (key, here.then_some(fact))
        },
    );
    let peers = (
        prop::sample::select(vec!["west", "north"]),
        name.clone(),
        name.clone(),
        0..4_u8,
        any::<bool>(),
    )
        .prop_map(|(who, one, two, kind, here)| {
            let (key, fact) = match kind {
                0 => peer_fact(
                    peer(who, &["shop/a"], &[&format!("shop/{one}")]),
                    Standing::Fresh,
                ),
                1 => peer_fact(peer(who, &["shop/*"], &[]), Standing::Demoted),
                2 => {
                    let gateway = shown_gateway(who);
                    let name = Name::parse("gw-1").expect("name");
                    (
                        FactKey::ImportedGateway(cluster(who), name),
                        Fact::ImportedGateway(Arc::new(gateway)),
                    )
                }
                _ => imported(who, one, &[one, two][..1 + usize::from(one != two)]),
            };
            (key, here.then_some(fact))
        });
    (0..2_usize, prop_oneof![declared, peers]).prop_map(|(view, (key, fact))| (view, key, fact))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn incremental_equals_full(steps in prop::collection::vec(prop::collection::vec(any_fact(), 1..5), 1..12)) {
        let mut views = [View::default(), View::default()];
        let mut merge = Merge::new(cluster("east"));
        let mut applied = Snapshot::default();
        for step in steps {
            for (view, key, fact) in step {
                match fact {
                    Some(fact) => views[view].set(key, fact),
                    None => views[view].remove(&key),
                }
            }
            let delta = merge.update(&mut views);
            applied.apply(&delta);
            prop_assert_eq!(merge.snapshot(), &merge.full());
            prop_assert_eq!(merge.snapshot().state_hash(), merge.full().state_hash());
            prop_assert_eq!(&applied, merge.snapshot());
        }
    }
}

use pelago_model::service::Spread;
use pelago_model::{Health, NetworkId, PortKey, Service, Standing};
use proptest::prelude::*;

use super::*;
use crate::facts::Observed;
use crate::tests::{Mesh, gateway, home, id, key, service, to, uid, workload};
use crate::trace::{Silent, Steps};

fn routed(
    snapshot: &Snapshot,
    attempted: &Attempted,
    observed: &Observed,
    draw: u64,
) -> Result<Route, Reason> {
    let outbound = Outbound {
        home: &home(),
        source: &id("spiffe://east.example/ns/shop/sa/web"),
        destination: &to("api", 80),
        attempted,
        observed,
    };
    route(snapshot, &outbound, draw, &mut Silent).map_err(|unroutable| unroutable.reason)
}

fn fresh(snapshot: &Snapshot) -> Result<Route, Reason> {
    routed(snapshot, &Attempted::default(), &Observed::default(), 0)
}

/// `api` by `one` here, `two` in another zone, `far` in west behind gw1, gw2.
fn mesh() -> Mesh {
    let two = Workload {
        locality: pelago_model::Locality::parse("eu/b"),
        ..workload("east", "two", 2, &["api"])
    };
    let far = Workload {
        locality: pelago_model::Locality::parse("us/a"),
        ..workload("west", "far", 0, &["api"])
    };
    Mesh::default()
        .service(service("api", &[]))
        .workload(workload("east", "one", 1, &["api"]))
        .workload(two)
        .workload(far)
        .gateway(gateway("west", "gw1"))
        .gateway(gateway("west", "gw2"))
}

fn name(route: &Route) -> String {
    route.endpoint().name.to_string()
}

#[test]
fn the_nearest_goes_directly_and_must_prove_its_identity() {
    let route = fresh(&mesh().build()).unwrap();
    assert_eq!(route.service(), Some(&key("api")));
    assert_eq!(*route.authority(), to("api", 80));
    assert_eq!(
        route.hops(),
        [Hop::Endpoint {
            uid: uid("east", "one"),
            identity: id("spiffe://east.example/ns/shop/sa/one"),
            cluster: crate::tests::cluster("east"),
            addresses: vec!["10.0.0.1:15008".parse().unwrap()],
        }]
    );
}

#[test]
fn failures_move_from_zone_to_region_to_the_other_cluster() {
    let snapshot = mesh().build();
    let mut attempted = Attempted::default();
    let mut names = Vec::new();
    let end = loop {
        match routed(&snapshot, &attempted, &Observed::default(), 7) {
            Ok(route) => {
                names.push(name(&route));
                attempted.endpoints.insert(route.endpoint().uid.clone());
            }
            Err(reason) => break reason,
        }
    };
    assert_eq!(names, ["one", "two", "far"]);
    assert_eq!(end, Reason::AllEndpointsFailed);
}

#[test]
fn another_network_is_entered_by_its_gateways_each_once() {
    let snapshot = Mesh::default()
        .service(service("api", &[]))
        .workload(workload("west", "far", 0, &["api"]))
        .gateway(gateway("west", "gw1"))
        .gateway(gateway("west", "gw2"))
        .build();
    let mut attempted = Attempted::default();
    let mut seen = Vec::new();
    while let Ok(route) = routed(&snapshot, &attempted, &Observed::default(), 3) {
        assert_eq!(name(&route), "far");
        assert_eq!(route.hops().len(), 2);
        seen.push(route.gateway().unwrap().to_string());
        attempted.gateways.insert(route.gateway().unwrap().clone());
    }
    seen.sort();
    assert_eq!(seen, ["west/gw1", "west/gw2"]);
}

#[test]
fn a_gateway_that_is_down_is_avoided_and_its_endpoints_rank_behind() {
    let mut observed = Observed::default();
    observed.gateways_down.insert(gateway("west", "gw1").id);
    let only_far = Mesh::default()
        .service(service("api", &[]))
        .workload(workload("west", "far", 0, &["api"]))
        .gateway(gateway("west", "gw1"))
        .gateway(gateway("west", "gw2"))
        .build();
    for draw in 0..50 {
        let route = routed(&only_far, &Attempted::default(), &observed, draw).unwrap();
        assert_eq!(route.gateway().unwrap().to_string(), "west/gw2");
    }
    // With every gateway down even a spread service keeps to what answers.
    observed.gateways_down.insert(gateway("west", "gw2").id);
    let spread = Service {
        spread: Spread::Everywhere,
        ..service("api", &[])
    };
    let snapshot = mesh().service(spread).build();
    for draw in 0..50 {
        let route = routed(&snapshot, &Attempted::default(), &observed, draw).unwrap();
        assert_ne!(name(&route), "far");
    }
    assert!(fresh(&only_far).is_ok(), "down is a rank, not a removal");
}

#[test]
fn a_network_is_entered_only_by_gateways_of_its_own_cluster() {
    let mut foreign = gateway("north", "gw");
    foreign.network = NetworkId::parse("west/net").unwrap();
    let snapshot = Mesh::default()
        .service(service("api", &[]))
        .workload(workload("west", "far", 0, &["api"]))
        .gateway(foreign)
        .build();
    assert_eq!(fresh(&snapshot).unwrap_err(), Reason::NoGateway);
}

#[test]
fn addresses_of_another_network_are_never_dialled() {
    // 10.0.0.9 means something else there: networks may overlap.
    let snapshot = Mesh::default()
        .service(service("api", &[]))
        .workload(workload("west", "far", 9, &["api"]))
        .gateway(gateway("west", "gw1"))
        .build();
    let route = fresh(&snapshot).unwrap();
    assert!(
        matches!(route.hops(), [Hop::Gateway { .. }, Hop::Endpoint { addresses, .. }] if addresses.is_empty())
    );
}

#[test]
fn standing_goes_before_health_before_observation_before_place() {
    let place = |standing, health| Workload {
        standing,
        health,
        ..workload("east", "one", 1, &["api"])
    };
    for (standing, health) in [
        (Standing::Demoted, Health::Healthy),
        (Standing::Withdrawn, Health::Healthy),
        (Standing::Fresh, Health::Unhealthy),
    ] {
        let snapshot = mesh().workload(place(standing, health)).build();
        assert_eq!(
            name(&fresh(&snapshot).unwrap()),
            "two",
            "{standing:?} {health:?}"
        );
    }
    let observed = Observed {
        ejected: [uid("east", "one")].into(),
        ..Observed::default()
    };
    let route = routed(&mesh().build(), &Attempted::default(), &observed, 0).unwrap();
    assert_eq!(name(&route), "two");
}

#[test]
fn without_failover_draws_are_plain_and_blind() {
    let plain = Service {
        failover: false,
        ..service("api", &[])
    };
    let snapshot = mesh().service(plain).build();
    let observed = Observed {
        ejected: [uid("east", "one")].into(),
        gateways_down: [gateway("west", "gw1").id, gateway("west", "gw2").id].into(),
    };
    let attempted = Attempted {
        endpoints: [uid("east", "two")].into(),
        ..Attempted::default()
    };
    let names: std::collections::BTreeSet<_> = (0..30)
        .map(|draw| {
            let route = routed(&snapshot, &attempted, &observed, draw).unwrap();
            assert!(!route.failover());
            name(&route)
        })
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn what_is_not_there_is_told_apart() {
    let none = Mesh::default().service(service("api", &[])).build();
    assert_eq!(fresh(&none).unwrap_err(), Reason::NoEndpoints);
    assert_eq!(
        fresh(&Snapshot::default()).unwrap_err(),
        Reason::UnknownDestination
    );
    let other = Service {
        ports: [(
            PortKey::tcp(81),
            pelago_model::service::ServicePort::default(),
        )]
        .into(),
        ..service("api", &[])
    };
    let snapshot = Mesh::default().service(other).build();
    assert_eq!(fresh(&snapshot).unwrap_err(), Reason::UnknownPort);
}

#[test]
fn an_address_names_the_one_workload_there() {
    let at = |snapshot: &Snapshot, text: &str| {
        let outbound = Outbound {
            home: &home(),
            source: &id("spiffe://east.example/ns/shop/sa/web"),
            destination: &Destination::Address(text.parse().unwrap()),
            attempted: &Attempted::default(),
            observed: &Observed::default(),
        };
        let mut steps = Steps::default();
        let routed = route(snapshot, &outbound, 0, &mut steps);
        assert!(!steps.lines().is_empty());
        routed
            .map(|route| route.authority().to_string())
            .map_err(|e| e.reason)
    };
    let snapshot = mesh().build();
    assert_eq!(at(&snapshot, "10.0.0.1:9").unwrap(), "10.0.0.1:9");
    assert_eq!(at(&snapshot, "10.0.0.7:9"), Err(Reason::UnknownDestination));
    let twice = mesh().workload(workload("east", "twin", 1, &[])).build();
    assert_eq!(at(&twice, "10.0.0.1:9"), Err(Reason::UnknownDestination));
}

#[test]
fn a_route_may_end_where_the_gateway_says_if_it_is_the_same_service() {
    let snapshot = mesh()
        .workload(workload("west", "far2", 0, &["api"]))
        .workload(workload("west", "db", 0, &["db"]))
        .build();
    let attempted = Attempted {
        endpoints: [uid("east", "one"), uid("east", "two"), uid("west", "far2")].into(),
        ..Attempted::default()
    };
    let route = routed(&snapshot, &attempted, &Observed::default(), 0).unwrap();
    let other = route.ending_at(&snapshot, &uid("west", "far2")).unwrap();
    assert_eq!(name(&other), "far2");
    assert_eq!(other.gateway(), route.gateway());
    assert!(route.ending_at(&snapshot, &uid("west", "db")).is_none());
    assert!(route.ending_at(&snapshot, &uid("east", "one")).is_none());
    assert!(
        route
            .ending_at(&snapshot, &uid("west", "unknown"))
            .is_none()
    );
}

proptest! {
    /// Whatever fails, each endpoint is tried at most once by each gateway,
    /// and every way is used before giving up.
    #[test]
    fn every_way_is_tried_before_giving_up(draws in proptest::collection::vec(any::<u64>(), 12)) {
        let snapshot = mesh().build();
        let mut attempted = Attempted::default();
        let mut endpoints = std::collections::BTreeSet::new();
        let mut tries = 0;
        for draw in draws {
            let Ok(route) = routed(&snapshot, &attempted, &Observed::default(), draw) else { break };
            prop_assert!(route.hops().len() <= Route::MAX_HOPS);
            tries += 1;
            endpoints.insert(name(&route));
            match route.gateway() {
                Some(gateway) => attempted.gateways.insert(gateway.clone()),
                None => attempted.endpoints.insert(route.endpoint().uid.clone()),
            };
        }
        prop_assert_eq!(tries, 4);
        prop_assert_eq!(endpoints.len(), 3);
    }
}

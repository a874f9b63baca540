use pelago_model::authz::Scope;

use super::*;
use crate::tests::{Mesh, from, home, patterns, peer, policy, service, to, uid, workload};
use pelago_model::authz::Source;

const OURS: &str = "spiffe://east.example/ns/shop/sa/web";
const WEST: &str = "spiffe://west.example/ns/shop/sa/web";

fn mesh() -> Mesh {
    Mesh::default()
        .service(service("api", &[("west", "west.example")]))
        .service(service("db", &[]))
        .workload(workload("east", "api", 1, &["api", "db"]))
}

fn asked(
    snapshot: &Snapshot,
    peer: &VerifiedPeer,
    destination: &Destination,
) -> Result<Permit, Reason> {
    let api = uid("east", "api");
    let inbound = Inbound {
        home: &home(),
        peer,
        workload: &api,
        local: [10, 0, 0, 1].into(),
        destination,
    };
    authorize(snapshot, &inbound, &mut Silent).map_err(|denied| denied.reason)
}

fn address(text: &str) -> Destination {
    Destination::Address(text.parse().unwrap())
}

#[test]
fn a_permit_says_where_to_deliver() {
    let permit = asked(&mesh().build(), &peer(OURS, Some("east")), &to("api", 80)).unwrap();
    assert_eq!(permit.deliver(), "10.0.0.1:8080".parse().unwrap());
    assert_eq!(permit.service(), Some(&service("api", &[]).key));
    assert_eq!(permit.peer().id().as_str(), OURS);
    let by_alias = Destination::Service {
        host: "api.alias".parse().unwrap(),
        port: 80,
    };
    assert!(asked(&mesh().build(), &peer(OURS, Some("east")), &by_alias).is_ok());
}

#[test]
fn strangers_reach_only_what_is_exported_to_them_both_cluster_and_domain() {
    let snapshot = mesh().build();
    let table = [
        (WEST, Some("west"), Ok(())),
        // The right domain from another cluster, and the other way round.
        (WEST, Some("north"), Err(Reason::NotExported)),
        (
            "spiffe://north.example/ns/shop/sa/web",
            Some("west"),
            Err(Reason::NotExported),
        ),
        // Nobody says which cluster issued it.
        (WEST, None, Err(Reason::NotExported)),
        (OURS, None, Err(Reason::NotExported)),
        // Our own domain, another cluster.
        (OURS, Some("west"), Err(Reason::NotExported)),
    ];
    for (id, issuer, expected) in table {
        let found = asked(&snapshot, &peer(id, issuer), &to("api", 80)).map(|_| ());
        assert_eq!(found, expected, "{id} of {issuer:?}");
    }
    let west = peer(WEST, Some("west"));
    for destination in [
        to("db", 80),
        to("nothing", 80),
        to("api", 81),
        address("10.0.0.1:8080"),
    ] {
        let found = asked(&snapshot, &west, &destination).map(|_| ());
        assert_eq!(
            found,
            Err(Reason::NotExported),
            "{destination}: strangers learn nothing"
        );
    }
}

#[test]
fn an_export_is_asked_before_any_policy_and_opens_none() {
    let everyone = policy(
        "shop/all",
        Scope::Namespace,
        Action::Allow,
        vec![Default::default()],
    );
    let west = peer(WEST, Some("west"));
    let open = mesh().policy(everyone).build();
    assert_eq!(
        asked(&open, &west, &to("db", 80)).map(|_| ()),
        Err(Reason::NotExported)
    );
    let only_us = Source {
        principals: patterns(&["east.example/*"]),
        ..Source::default()
    };
    let shut = policy(
        "shop/us",
        Scope::Namespace,
        Action::Allow,
        vec![from(only_us)],
    );
    let shut = mesh().policy(shut).build();
    assert_eq!(
        asked(&shut, &west, &to("api", 80)).map(|_| ()),
        Err(Reason::NotAllowed)
    );
}

#[test]
fn our_own_ports_and_others_addresses_are_never_delivered_to() {
    let snapshot = mesh().build();
    let ours = peer(OURS, Some("east"));
    let found =
        |destination: &Destination| asked(&snapshot, &ours, destination).map(|p| p.deliver());
    assert_eq!(
        found(&address("10.0.0.1:9000")),
        Ok("10.0.0.1:9000".parse().unwrap())
    );
    for text in [
        "10.0.0.1:15008",
        "10.0.0.1:15001",
        "10.0.0.1:15006",
        "10.0.0.1:15000",
        "10.0.0.1:15020",
        "10.0.0.1:15080",
        // This process's own.
        "10.0.0.1:15999",
        // Others' addresses, whatever they are (H10).
        "127.0.0.1:80",
        "10.0.0.2:80",
        "169.254.169.254:80",
        "[::1]:80",
        "[fe80::1]:80",
        "0.0.0.0:80",
    ] {
        assert_eq!(
            found(&address(text)),
            Err(Reason::ForbiddenDestination),
            "{text}"
        );
    }
    // Nor by way of a service whose target port is one of them.
    let mut inward = workload("east", "api", 1, &["api"]);
    for endpoint in inward.endpoints.values_mut() {
        endpoint.ports = [(PortKey::tcp(80), 15008)].into();
    }
    let inward = mesh().workload(inward).build();
    let denied = asked(&inward, &ours, &to("api", 80)).map(|_| ());
    assert_eq!(denied, Err(Reason::ForbiddenDestination));
}

#[test]
fn what_the_workload_does_not_serve_is_unknown() {
    let snapshot = mesh().service(service("other", &[])).build();
    let ours = peer(OURS, Some("east"));
    let found = |destination| asked(&snapshot, &ours, &destination).map(|_| ());
    assert_eq!(found(to("nothing", 80)), Err(Reason::UnknownDestination));
    assert_eq!(found(to("other", 80)), Err(Reason::UnknownDestination));
    assert_eq!(found(to("api", 81)), Err(Reason::UnknownPort));
}

#[test]
fn a_permit_holds_while_what_it_rests_on_holds() {
    let (ours, west) = (peer(OURS, Some("east")), peer(WEST, Some("west")));
    let snapshot = mesh().build();
    let mine = asked(&snapshot, &ours, &to("api", 80)).unwrap();
    let theirs = asked(&snapshot, &west, &to("api", 80)).unwrap();
    let renewed = |permit: &Permit, mesh: Mesh| {
        permit
            .renew(&mesh.build(), &home())
            .map_err(|denied| denied.reason)
    };
    assert_eq!(renewed(&mine, mesh()), Ok(()));
    assert_eq!(renewed(&theirs, mesh()), Ok(()));
    let shut = || {
        mesh().policy(policy(
            "shop/no",
            Scope::Namespace,
            Action::Allow,
            Vec::new(),
        ))
    };
    assert_eq!(renewed(&mine, shut()), Err(Reason::NotAllowed));
    // No longer exported: ours stays, theirs goes.
    let unexported = || mesh().service(service("api", &[]));
    assert_eq!(renewed(&mine, unexported()), Ok(()));
    assert_eq!(renewed(&theirs, unexported()), Err(Reason::NotExported));
    // The workload is gone, or is somebody else by now.
    assert_eq!(
        renewed(&mine, Mesh::default()),
        Err(Reason::UnknownDestination)
    );
    let mut other = workload("east", "api", 1, &["api"]);
    other.identity = crate::tests::id(OURS);
    assert_eq!(
        renewed(&mine, mesh().workload(other)),
        Err(Reason::UnknownDestination)
    );
    // The service no longer picks it: what is open may end by itself.
    let unpicked = mesh().workload(workload("east", "api", 1, &[]));
    assert_eq!(renewed(&mine, unpicked), Ok(()));
}

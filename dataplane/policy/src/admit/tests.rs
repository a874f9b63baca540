use pelago_model::Health;
use proptest::prelude::*;

use super::*;
use crate::tests::{Mesh, home, peer, service, to, uid, workload};
use crate::trace::Silent;

const WEB: &str = "spiffe://west.example/ns/shop/sa/web";

fn mesh() -> Mesh {
    Mesh::default()
        .service(service("api", &[("west", "west.example")]))
        .service(service("db", &[]))
        .workload(workload("east", "one", 1, &["api"]))
        .workload(workload("east", "two", 2, &["api"]))
        .workload(workload("east", "db", 3, &["db"]))
        .workload(workload("west", "far", 0, &["api"]))
}

fn asked(
    snapshot: &Snapshot,
    peer: &VerifiedPeer,
    destination: &Destination,
    endpoint: Option<&WorkloadUid>,
    attempted: &Attempted,
) -> Result<String, Reason> {
    let inbound = GatewayInbound {
        home: &home(),
        peer,
        destination,
        endpoint,
        attempted,
        observed: &Observed::default(),
    };
    let passage = admit(snapshot, &inbound, 0, &mut Silent).map_err(|denied| denied.reason)?;
    assert!(
        passage
            .addresses()
            .iter()
            .all(|address| address.port() == 15008)
    );
    Ok(passage.endpoint().name.to_string())
}

#[test]
fn only_exported_names_lead_anywhere_for_strangers() {
    let snapshot = mesh().build();
    let (west, north) = (peer(WEB, Some("west")), peer(WEB, Some("north")));
    let none = Attempted::default();
    assert!(asked(&snapshot, &west, &to("api", 80), None, &none).is_ok());
    for (peer, destination) in [
        (&west, to("db", 80)),
        (&west, to("nothing", 80)),
        (&west, to("api", 81)),
        (
            &west,
            Destination::Address("10.0.0.1:15008".parse().unwrap()),
        ),
        (&north, to("api", 80)),
    ] {
        let denied = asked(&snapshot, peer, &destination, None, &none);
        assert_eq!(denied, Err(Reason::NotExported), "{destination}");
    }
    let ours = peer("spiffe://east.example/ns/shop/sa/web", Some("east"));
    assert_eq!(
        asked(&snapshot, &ours, &to("db", 80), None, &none).as_deref(),
        Ok("db")
    );
    assert_eq!(
        asked(&snapshot, &ours, &to("x", 80), None, &none),
        Err(Reason::UnknownDestination)
    );
}

#[test]
fn the_endpoint_asked_for_is_taken_if_it_serves_that_service_here() {
    let snapshot = mesh().build();
    let west = peer(WEB, Some("west"));
    let none = Attempted::default();
    let found = |endpoint: WorkloadUid| {
        asked(&snapshot, &west, &to("api", 80), Some(&endpoint), &none).unwrap()
    };
    assert_eq!(found(uid("east", "two")), "two");
    for other in [uid("east", "db"), uid("west", "far"), uid("east", "nobody")] {
        assert!(["one", "two"].contains(&found(other).as_str()));
    }
}

#[test]
fn a_gateway_leads_into_its_own_cluster_only() {
    let mut imported = service("api", &[("west", "west.example")]);
    imported.cluster = crate::tests::cluster("north");
    let snapshot = mesh().service(imported).build();
    let denied = asked(
        &snapshot,
        &peer(WEB, Some("west")),
        &to("api", 80),
        None,
        &Attempted::default(),
    );
    assert_eq!(denied, Err(Reason::NotExported));
    let only_far = Mesh::default()
        .service(service("api", &[("west", "west.example")]))
        .workload(workload("west", "far", 0, &["api"]))
        .build();
    let west = peer(WEB, Some("west"));
    let denied = asked(
        &only_far,
        &west,
        &to("api", 80),
        None,
        &Attempted::default(),
    );
    assert_eq!(denied, Err(Reason::NoEndpoints));
}

#[test]
fn each_endpoint_is_tried_once_the_healthy_first() {
    let sick = Workload {
        health: Health::Unhealthy,
        ..workload("east", "one", 1, &["api"])
    };
    let snapshot = mesh().workload(sick).build();
    let west = peer(WEB, Some("west"));
    let mut attempted = Attempted::default();
    let mut names = Vec::new();
    let end = loop {
        match asked(&snapshot, &west, &to("api", 80), None, &attempted) {
            Ok(name) => {
                attempted.endpoints.insert(uid("east", &name));
                names.push(name);
            }
            Err(reason) => break reason,
        }
    };
    assert_eq!(names, ["two", "one"]);
    assert_eq!(end, Reason::AllEndpointsFailed);
}

#[test]
fn a_passage_holds_while_the_export_does() {
    let west = peer(WEB, Some("west"));
    let none = Attempted::default();
    let inbound = GatewayInbound {
        home: &home(),
        peer: &west,
        destination: &to("api", 80),
        endpoint: None,
        attempted: &none,
        observed: &Observed::default(),
    };
    let passage = admit(&mesh().build(), &inbound, 0, &mut Silent).unwrap();
    assert_eq!(passage.renew(&mesh().build(), &home()), Ok(()));
    // Its endpoints may come and go.
    let empty = Mesh::default().service(service("api", &[("west", "west.example")]));
    assert_eq!(passage.renew(&empty.build(), &home()), Ok(()));
    for changed in [
        mesh().service(service("api", &[("north", "west.example")])),
        Mesh::default(),
    ] {
        let denied = passage.renew(&changed.build(), &home()).unwrap_err();
        assert_eq!(denied.reason, Reason::NotExported);
    }
}

proptest! {
    /// Whatever is asked for, only endpoints of that service in our network
    /// come out.
    #[test]
    fn nothing_else_comes_out(draw in any::<u64>(), wish in 0_usize..5) {
        let snapshot = mesh().build();
        let west = peer(WEB, Some("west"));
        let wishes = [uid("east", "one"), uid("east", "db"), uid("west", "far"), uid("x", "y")];
        let inbound = GatewayInbound {
            home: &home(),
            peer: &west,
            destination: &to("api", 80),
            endpoint: wishes.get(wish),
            attempted: &Attempted::default(),
            observed: &Observed::default(),
        };
        let passage = admit(&snapshot, &inbound, draw, &mut Silent).unwrap();
        prop_assert!(["one", "two"].contains(&passage.endpoint().name.as_str()));
    }
}

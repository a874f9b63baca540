use std::sync::Arc;

use pelago_model::{ExportedService, HostPort, Name, NetworkId, SpiffeId, WorkloadUid};

use super::{Import, Limits, Refusal};
use crate::export::{Shown, ShownKey};
use crate::fixture::*;
use crate::view::View;

fn import() -> Import {
    Import::new(Arc::new(peer("west", &[], &[])), Limits::default())
}

fn with(change: impl FnOnce(&mut ExportedService)) -> Shown {
    let mut service = shown_service("west", "api", &["a", "b"]);
    change(&mut service);
    Shown::Service(service)
}

#[test]
fn an_endpoint_of_another_cluster_domain_or_network_is_refused_and_the_rest_goes_on() {
    let id = |text: &str| SpiffeId::parse(text).expect("id");
    let cases: Vec<(&str, Shown)> = vec![
        (
            "ForeignUid",
            with(|s| s.endpoints[0].uid = WorkloadUid::parse("east/x/a").expect("uid")),
        ),
        (
            "ForeignUid",
            with(|s| s.endpoints[0].uid = WorkloadUid::parse("westend/x/a").expect("uid")),
        ),
        (
            "ForeignUid",
            with(|s| s.endpoints[0].uid = WorkloadUid::parse("west").expect("uid")),
        ),
        (
            "ForeignIdentity",
            with(|s| s.endpoints[0].identity = id("spiffe://east.example/ns/shop/sa/api")),
        ),
        (
            "ForeignIdentity",
            with(|s| s.endpoints[0].identity = id("spiffe://west.example/pelago/node/west/n")),
        ),
        (
            "ForeignIdentity",
            with(|s| s.endpoints[0].identity = id("spiffe://west.example")),
        ),
        (
            "ForeignNetwork",
            with(|s| s.endpoints[0].network = NetworkId::parse("east/east-net").expect("network")),
        ),
        (
            "ForeignNetwork",
            with(|s| s.endpoints[0].network = NetworkId::parse("shared").expect("network")),
        ),
    ];
    for (name, shown) in cases {
        let mut import = import();
        import.take(shown);
        assert_eq!(
            (import.services(), import.endpoints(), import.refused()),
            (1, 1, 1),
            "{name}"
        );
        let refusal = import.refusals.values().next().expect("remembered");
        assert!(format!("{refusal:?}").starts_with(name), "{refusal:?}");
        assert_eq!(import.findings()[0].object, "service shop/api");
        import.take(with(|_| {}));
        assert_eq!(
            (import.endpoints(), import.findings().len()),
            (2, 0),
            "made good"
        );
    }
}

#[test]
fn a_gateway_must_be_the_peers_own_at_an_address_it_may_have() {
    let address = |text: &str| vec![HostPort::parse(text).expect("address")];
    let mut import = import();
    import.take(Shown::Gateway(shown_gateway("west")));
    assert_eq!(import.believed().count(), 1);
    let mut east = shown_gateway("east");
    import.take(Shown::Gateway(east.clone()));
    assert!(matches!(
        import.refusals.values().next(),
        Some(Refusal::GatewayIdentity { .. })
    ));
    east = shown_gateway("west");
    east.network = NetworkId::parse("east/east-net").expect("network");
    import.take(Shown::Gateway(east));
    assert!(matches!(
        import.refusals.values().next(),
        Some(Refusal::ForeignNetwork { .. })
    ));
    for bad in [
        "127.0.0.1:1",
        "[::1]:1",
        "169.254.169.254:80",
        "0.0.0.0:1",
        "[fe80::1]:1",
        "224.0.0.1:1",
        "[::ffff:127.0.0.1]:1",
    ] {
        let mut gateway = shown_gateway("west");
        gateway.addresses = address(bad);
        import.take(Shown::Gateway(gateway));
        assert!(
            matches!(
                import.refusals.values().next(),
                Some(Refusal::Address { .. })
            ),
            "{bad}"
        );
        assert_eq!(import.believed().count(), 0, "{bad}");
    }
    let mut on_loopback = peer("west", &[], &[]);
    on_loopback.addresses = address("127.0.0.9:15443");
    import.regrant(Arc::new(on_loopback));
    let mut gateway = shown_gateway("west");
    gateway.addresses = address("127.0.0.9:15443");
    import.take(Shown::Gateway(gateway));
    assert_eq!(import.believed().count(), 1);
}

#[test]
fn limits_hold_and_are_counted() {
    let limits = Limits {
        services: 2,
        endpoints: 3,
        gateways: 0,
    };
    let mut import = Import::new(Arc::new(peer("west", &[], &[])), limits);
    import.replace(
        ["a", "b", "c"]
            .map(|name| Shown::Service(shown_service("west", name, &["x", "y"])))
            .into(),
    );
    import.take(Shown::Gateway(shown_gateway("west")));
    assert_eq!(
        (import.services(), import.endpoints(), import.refused()),
        (2, 3, 3)
    );
    import.take(Shown::Gone(ShownKey::Service(object("shop/a"))));
    import.take(Shown::Service(shown_service("west", "c", &["x", "y"])));
    assert_eq!((import.services(), import.endpoints()), (2, 3));
}

#[test]
fn a_dotted_name_is_no_host_here() {
    let mut import = import();
    import.take(with(|s| s.name = Name::parse("a.b").expect("name")));
    assert_eq!((import.services(), import.refused()), (0, 1));
}

#[test]
fn testimony_follows() {
    let mut import = import();
    let mut view = View::default();
    let key = ShownKey::Service(object("shop/api"));
    import.take(with(|_| {}));
    import.testify(&key, &mut view);
    assert_eq!(view.facts().count(), 1);
    import.take(Shown::Gone(key.clone()));
    import.testify(&key, &mut view);
    assert_eq!(view.facts().count(), 0);
}

/// Every endpoint has every port: without a limit one message is a million ports.
#[test]
fn ports_addresses_and_places_are_bounded() {
    let port = |port| (pelago_model::PortKey::tcp(port), Default::default());
    let mut import = import();
    import.take(with(|s| s.ports = (1..=128).map(port).collect()));
    assert_eq!((import.services(), import.refused()), (1, 0));
    import.take(with(|s| s.ports = (1..=129).map(port).collect()));
    assert_eq!((import.services(), import.refused()), (0, 1));
    let mut gateway = shown_gateway("west");
    let address = HostPort::parse("gw.west.example:1").expect("address");
    gateway.addresses = vec![address; 17];
    import.take(Shown::Gateway(gateway));
    assert_eq!(
        import.refusals.values().last(),
        Some(&Refusal::TooManyAddresses)
    );
    for place in ["x".repeat(254), "\u{1b}[2J".to_owned()] {
        import.take(with(|s| s.endpoints[0].locality.zone = place));
        assert_eq!(import.endpoints(), 1);
    }
}

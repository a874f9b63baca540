//! Calls into another cluster, through its gateways.

use std::net::SocketAddr;
use std::time::Duration;

use pelago_identity::{Expect, State};
use pelago_net::{DialOptions, ListenOptions, Listener as _, Net as _, ProcessFacts};
use tokio::time::{Instant, sleep};

use super::*;

/// `web` in east calls `orders` in west, behind the gateways `gw1` and `gw2`.
async fn mesh(to_east: bool) -> (World, Part, Part, [Part; 2]) {
    let world = World::new();
    let gateways = || vec![gateway("west", "gw1", 21), gateway("west", "gw2", 22)];
    let seen = Service {
        cluster: ClusterId::parse("west").unwrap(),
        ..service("orders")
    };
    let east = vec![
        workload("east", "web", 1, &[]),
        workload("west", "orders", 0, &["orders"]),
    ];
    world.tell("east", of(vec![seen], east, gateways()));
    let to = if to_east { "east" } else { "north" };
    let west = vec![workload("west", "orders", 11, &["orders"])];
    world.tell(
        "west",
        of(vec![exported("orders", "west", to)], west, gateways()),
    );
    let web = world.node("east", "web", 1).await;
    let orders = world.node("west", "orders", 11).await;
    orders.program(&world, 11, "orders").await;
    // The address is of another network: it must not even be there for us.
    world.fabric.cut(&web.net, &orders.net);
    let gateways = [
        world.gateway("west", "gw1", 21).await,
        world.gateway("west", "gw2", 22).await,
    ];
    (world, web, orders, gateways)
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_in_a_tunnel_verifies_end_to_end() {
    let (_world, mut web, mut orders, mut gateways) = mesh(true).await;
    let (name, stream) = web.call("orders").await.unwrap();
    assert_eq!(name, "orders");
    converse(stream, "across").await;
    let out = web.line().await;
    assert_eq!(out["reason"], "ok");
    assert_eq!(
        out["destination_id"],
        "spiffe://west.example/ns/shop/sa/orders"
    );
    let hops = out["hops"].as_str().unwrap().to_owned();
    assert!(hops.starts_with("west/gw"), "{hops}");
    let inbound = orders.line().await;
    assert_eq!(
        inbound["verified_source"],
        "spiffe://east.example/ns/shop/sa/web"
    );
    assert_eq!(inbound["source_cluster"], "east");
    // The passage stays open for the pooled inner tunnel: drop it.
    let used = gateways
        .iter_mut()
        .find(|part| hops.ends_with(gateway_name(part)))
        .unwrap();
    used.scope.drain(Duration::from_millis(10)).await;
    let passed = used.line().await;
    assert_eq!(passed["direction"], "gateway");
    assert_eq!(passed["source_id"], "spiffe://east.example/ns/shop/sa/web");
    assert_eq!(passed["service"], "shop/orders.shop.svc.cluster.local");
    assert_eq!(passed["endpoint"], "west/x/orders");
}

fn gateway_name(part: &Part) -> &'static str {
    let probe = format!("{:?}", part.net);
    // Hosts are made in order: web, orders, gw1, gw2.
    if probe.contains("HostId(2)") {
        "gw1"
    } else {
        "gw2"
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_exported_to_us_is_refused_at_the_gateway() {
    let (_world, mut web, _orders, mut gateways) = mesh(false).await;
    assert_eq!(web.call("orders").await.unwrap_err(), 2);
    let out = web.line().await;
    assert_eq!(out["reason"], "tunnel_refused");
    let [one, two] = &mut gateways;
    let passed = tokio::select! {
        line = one.line() => line,
        line = two.line() => line,
    };
    assert_eq!(passed["reason"], "not_exported");
    assert_eq!(passed["refusal"], out["refusal"]);
}

#[tokio::test(start_paused = true)]
async fn an_export_that_ends_cuts_what_is_open() {
    let (world, web, mut orders, _gateways) = mesh(true).await;
    let (_, mut stream) = web.call("orders").await.unwrap();
    world.tell(
        "west",
        of(
            vec![exported("orders", "west", "north")],
            Vec::new(),
            Vec::new(),
        ),
    );
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest).await;
    assert!(read.is_err() || rest.is_empty());
    assert_eq!(orders.line().await["reason"], "revoked");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_dies_costs_nothing_but_its_connections() {
    let (world, mut web, _orders, gateways) = mesh(true).await;
    let (_, stream) = web.call("orders").await.unwrap();
    converse(stream, "before").await;
    let hops = web.line().await["hops"].as_str().unwrap().to_owned();
    let used = gateways
        .iter()
        .find(|part| hops.ends_with(gateway_name(part)))
        .unwrap();
    world.fabric.kill(&used.net);
    for _ in 0..5 {
        let begun = Instant::now();
        let (_, stream) = web.call("orders").await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1));
        converse(stream, "after").await;
        assert_ne!(web.line().await["hops"], hops.as_str());
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_goes_silent_is_noticed_by_its_probe_and_comes_back() {
    let (world, mut web, _orders, gateways) = mesh(true).await;
    let (_, stream) = web.call("orders").await.unwrap();
    converse(stream, "before").await;
    let hops = web.line().await["hops"].as_str().unwrap().to_owned();
    let used = gateways
        .iter()
        .find(|part| hops.ends_with(gateway_name(part)))
        .unwrap();
    world.fabric.cut(&web.net, &used.net);
    sleep(Duration::from_millis(2_500)).await;
    assert!(web.metrics.encode().contains("pelago_gateways_down 1"));
    let begun = Instant::now();
    let (_, stream) = web.call("orders").await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_millis(100),
        "nothing waits for it"
    );
    converse(stream, "after").await;
    assert_ne!(web.line().await["hops"], hops.as_str());
    world.fabric.heal(&web.net, &used.net);
    sleep(Duration::from_secs(15)).await;
    assert!(web.metrics.encode().contains("pelago_gateways_down 0"));
}

#[tokio::test(start_paused = true)]
async fn control_streams_are_spliced_unopened_and_the_rest_is_closed() {
    let (world, web, _orders, mut gateways) = mesh(true).await;
    let controller = world.fabric.host([ip(9)], ProcessFacts::of_user(0, 0));
    let at = SocketAddr::new(ip(9), 15012);
    let mut listener = controller
        .listen(at, ListenOptions::default())
        .await
        .unwrap();
    let own = id("spiffe://west.example/pelago/controller/west");
    let identity = world.identity(State {
        own: Some(world.svid("west", &own)),
        ..State::default()
    });
    let shown = own.clone();
    world.scope.spawn("controller", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let optional = pelago_identity::ClientAuth::Optional;
            let (mut tls, _) = identity.accept(stream, &shown, optional).await.unwrap();
            tls.write_all(b"controller").await.unwrap();
            tls.shutdown().await.unwrap();
        }
    });
    let client = id("spiffe://east.example/pelago/node/east/web");
    let identity = world.identity(State {
        own: Some(world.svid("east", &client)),
        ..State::default()
    });
    let [gateway, _] = &mut gateways;
    let to = SocketAddr::new(ip(21), 15443);
    let open = async |sni: &'static str| {
        let stream = web.net.dial(to, DialOptions::default()).await.unwrap();
        identity
            .connect(stream, &client, sni, &Expect::exactly(own.clone()))
            .await
    };
    let (mut tls, peer) = open("control.pelago").await.unwrap();
    assert_eq!(*peer.id(), own, "the controller's own TLS, end to end");
    let mut text = String::new();
    tls.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "controller");
    drop(tls);
    let line = gateway.line().await;
    assert_eq!(
        (&line["destination"], &line["reason"]),
        (&"control.pelago".into(), &"ok".into())
    );
    for (sni, reason) in [
        (
            "outbound_.80_._.orders.shop.svc.cluster.local",
            "passthrough_unsupported",
        ),
        ("orders.shop.svc.cluster.local", "unknown_server_name"),
    ] {
        assert!(open(sni).await.is_err());
        assert_eq!(gateway.line().await["reason"], reason);
    }
}

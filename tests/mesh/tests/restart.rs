//! Parts that start again while their controller is away: what was allowed
//! before goes on, and what the controller has to say counts once it is back.

#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use pelago::config::Lifetimes;
use tests_mesh::cluster::ip;
use tests_mesh::yaml::{export, service, workload};
use tests_mesh::{Cluster, Mesh};

const WEB: &str = "web.shop.svc.cluster.local";
const ORDERS: &str = "orders.shop.svc.west.mesh";

async fn cluster(mesh: &Arc<Mesh>, name: &'static str, octet: u8) -> Cluster {
    let lifetimes = Lifetimes {
        svid: Duration::from_secs(24 * 3600),
        renew_every: Duration::from_secs(3600),
    };
    Cluster::start(mesh, name, octet, lifetimes).await.unwrap()
}

async fn east(mesh: &Arc<Mesh>) -> Cluster {
    let mut east = cluster(mesh, "east", 1).await;
    east.apply(&east_yaml());
    for (name, host) in [("frontend", 11), ("web", 12)] {
        east.workload(name, host).await.unwrap();
    }
    until("the first call", async || {
        east.call("frontend", WEB).await.is_ok()
    })
    .await;
    east
}

fn east_yaml() -> String {
    let td = "east.example";
    [
        workload(td, "frontend", ip(1, 11)),
        workload(td, "web", ip(1, 12)),
        service("web", ""),
    ]
    .concat()
}

/// Waits for the thing, in the clock of the test, for a minute at most.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what}: not within a minute"
        );
        tokio::time::advance(Duration::from_millis(20)).await;
        tokio::task::yield_now().await;
    }
}

/// Longer than anything waits before it is written.
const WRITTEN: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn nodes_serve_their_workloads_again_without_a_controller() {
    let mesh = Arc::new(Mesh::new());
    let mut east = east(&mesh).await;
    tokio::time::sleep(WRITTEN).await;
    east.kill("controller");
    for (name, host) in [("frontend", 11), ("web", 12)] {
        east.kill(name);
        east.workload(name, host).await.unwrap();
        let ready = east.part(name).unwrap().readiness();
        until("ready", async || ready.missing().is_empty()).await;
    }
    for _ in 0..10 {
        assert_eq!(east.call("frontend", WEB).await.unwrap(), "web in east");
        tokio::time::sleep(Duration::from_secs(60)).await;
    }

    // Once it is back, what it no longer lists is nobody again.
    east.apply(&workload("east.example", "web", ip(1, 12)));
    east.start_controller().await.unwrap();
    let identity = east.part("frontend").unwrap().identity();
    until("the entry is gone", async || {
        let state = identity.current();
        state.entries_received && state.entries.is_empty() && state.workloads.is_empty()
    })
    .await;
    assert!(east.call("frontend", WEB).await.is_err());
    // And a restart does not bring it back.
    tokio::time::sleep(WRITTEN).await;
    east.kill("controller");
    east.kill("frontend");
    east.workload("frontend", 11).await.unwrap();
    let state = east.part("frontend").unwrap().identity().current();
    assert!(state.entries.is_empty() && state.workloads.is_empty());
}

#[tokio::test(start_paused = true)]
async fn gateways_and_nodes_carry_calls_between_clusters_again_without_controllers() {
    let mesh = Arc::new(Mesh::new());
    let mut east = east(&mesh).await;
    let mut west = cluster(&mesh, "west", 2).await;
    let yaml = [
        workload("west.example", "orders", ip(2, 12)),
        service("orders", ""),
        export("orders"),
    ];
    west.apply(&yaml.concat());
    west.workload("orders", 12).await.unwrap();
    let token = west.peer_token(&["shop/orders"], &[]).await.unwrap();
    east.join(&token).await.unwrap();
    until("the first call across", async || {
        east.call("frontend", ORDERS).await.is_ok()
    })
    .await;
    tokio::time::sleep(WRITTEN).await;

    for cluster in [&mut east, &mut west] {
        cluster.kill_all();
        cluster.restart_gateway().await.unwrap();
    }
    east.workload("frontend", 11).await.unwrap();
    west.workload("orders", 12).await.unwrap();
    until("the call across", async || {
        east.call("frontend", ORDERS).await.is_ok()
    })
    .await;
    assert_eq!(
        east.call("frontend", ORDERS).await.unwrap(),
        "orders in west"
    );
    until("the callee's log", async || {
        west.log("orders").newest("verified_source") == "spiffe://east.example/ns/shop/sa/frontend"
    })
    .await;

    // Back again, they agree with everyone.
    for cluster in [&mut east, &mut west] {
        cluster.start_controller().await.unwrap();
    }
    until("the peers are connected", async || {
        let (of_east, of_west) = (east.peer().await, west.peer().await);
        [of_east, of_west]
            .iter()
            .all(|peer| peer.as_ref().is_ok_and(|peer| peer.state == "connected"))
    })
    .await;
    assert_eq!(
        east.call("frontend", ORDERS).await.unwrap(),
        "orders in west"
    );
}

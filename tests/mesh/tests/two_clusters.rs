//! Two clusters that talk: joined, called, lost, healed; in one process, in
//! no time.

#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use pelago::config::Lifetimes;
use tests_mesh::cluster::ip;
use tests_mesh::yaml::{export, policy, service, workload};
use tests_mesh::{Cluster, Mesh};

const SPREAD: &str = "pelago.dev/locality: spread";
const API: &str = "api.shop.svc.cluster.local";
const ORDERS: &str = "orders.shop.svc.west.mesh";

/// East with `frontend`, `web` and `api`; west with `api`, `orders`, `vault`.
struct World {
    mesh: Arc<Mesh>,
    east: Cluster,
    west: Cluster,
}

impl World {
    async fn apart() -> Self {
        Self::with(Lifetimes {
            svid: Duration::from_secs(24 * 3600),
            renew_every: Duration::from_secs(3600),
        })
        .await
    }

    async fn with(lifetimes: Lifetimes) -> Self {
        let mesh = Arc::new(Mesh::new());
        let mut east = Cluster::start(&mesh, "east", 1, lifetimes).await.unwrap();
        let mut west = Cluster::start(&mesh, "west", 2, lifetimes).await.unwrap();
        east.apply(&east_yaml(SPREAD));
        west.apply(&west_yaml());
        for (name, host) in [("frontend", 11), ("web", 12), ("api", 13)] {
            east.workload(name, host).await.unwrap();
        }
        for (name, host) in [("api", 11), ("orders", 12), ("vault", 13)] {
            west.workload(name, host).await.unwrap();
        }
        Self { mesh, east, west }
    }

    async fn joined() -> Self {
        Self::apart().await.join().await
    }

    async fn join(self) -> Self {
        let token = self
            .west
            .peer_token(&["shop/orders"], &["shop/api"])
            .await
            .unwrap();
        self.east.join(&token).await.unwrap();
        until("the first call across", async || {
            self.east.call("frontend", ORDERS).await.is_ok()
        })
        .await;
        self
    }

    /// Both clusters' `api`s answer the frontend.
    async fn both_answer(&self) -> bool {
        let mut seen = [false; 2];
        for _ in 0..32 {
            match self.east.call("frontend", API).await.as_deref() {
                Ok("api in east") => seen[0] = true,
                Ok("api in west") => seen[1] = true,
                _ => {}
            }
        }
        seen == [true; 2]
    }

    /// Each holds what the other shows.
    async fn in_step(&self) -> bool {
        let (Ok(of_east), Ok(of_west)) = (self.east.peer().await, self.west.peer().await) else {
            return false;
        };
        of_east.state == "connected"
            && of_west.state == "connected"
            && of_east.our_hash == of_west.their_hash
            && of_west.our_hash == of_east.their_hash
    }
}

fn east_yaml(api: &str) -> String {
    let td = "east.example";
    [
        workload(td, "frontend", ip(1, 11)),
        workload(td, "web", ip(1, 12)),
        workload(td, "api", ip(1, 13)),
        service("web", ""),
        service("api", api),
        export("api"),
    ]
    .concat()
}

fn west_yaml() -> String {
    let td = "west.example";
    [
        workload(td, "api", ip(2, 11)),
        workload(td, "orders", ip(2, 12)),
        workload(td, "vault", ip(2, 13)),
        service("api", ""),
        service("orders", ""),
        service("vault", ""),
        export("api"),
        export("orders"),
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

#[tokio::test(start_paused = true)]
async fn joined_they_call_each_other_with_both_identities_verified() {
    let world = World::joined().await;
    assert_eq!(
        world
            .east
            .call("frontend", "web.shop.svc.cluster.local")
            .await
            .unwrap(),
        "web in east"
    );
    assert_eq!(
        world.east.call("frontend", ORDERS).await.unwrap(),
        "orders in west"
    );
    until("the callee's log", async || {
        !world.west.log("orders").connections().is_empty()
    })
    .await;
    let log = world.west.log("orders");
    assert_eq!(
        log.newest("verified_source"),
        "spiffe://east.example/ns/shop/sa/frontend"
    );
    assert_eq!(log.newest("source_cluster"), "east");
    until("the caller's log", async || {
        world
            .east
            .log("frontend")
            .newest("destination_id")
            .ends_with("sa/orders")
    })
    .await;
    assert_eq!(
        world.east.log("frontend").newest("destination_id"),
        "spiffe://west.example/ns/shop/sa/orders"
    );
}

#[tokio::test(start_paused = true)]
async fn joining_opens_nothing_but_what_was_granted() {
    let world = World::joined().await;
    for host in [
        "vault.shop.svc.west.mesh",
        "api.shop.svc.west.mesh",
        "vault.shop.svc.cluster.local",
        "orders.shop.svc.cluster.local",
    ] {
        assert!(world.east.call("frontend", host).await.is_err(), "{host}");
    }
    // East exported nothing but the merged service.
    assert!(
        world
            .west
            .call("api", "web.shop.svc.east.mesh")
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn before_they_join_they_know_nothing_of_each_other() {
    let world = World::apart().await;
    assert!(world.east.call("frontend", ORDERS).await.is_err());
    assert_eq!(
        world.east.call("frontend", API).await.unwrap(),
        "api in east"
    );
    assert!(world.east.peer().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_policy_denies_at_once_and_its_removal_admits_again() {
    let world = World::joined().await;
    let deny = policy("no", "orders", "DENY", "east.example/ns/shop/sa/frontend");
    world.west.apply(&format!("{}{deny}", west_yaml()));
    until("the policy denies", async || {
        world.east.call("frontend", ORDERS).await.is_err()
    })
    .await;
    until("the log tells why", async || {
        world.west.log("orders").newest("reason") == "policy_denied"
    })
    .await;
    world.west.apply(&west_yaml());
    until("it admits again", async || {
        world.east.call("frontend", ORDERS).await.is_ok()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn west_lost_fails_no_request_and_back_it_converges() {
    let mut world = World::joined().await;
    until("both answer", async || world.both_answer().await).await;
    world.west.kill_all();
    for n in 0..200 {
        let begun = tokio::time::Instant::now();
        let answer = world.east.call("frontend", API).await;
        assert_eq!(
            answer.unwrap_or_else(|error| panic!("request {n}: {error:#}")),
            "api in east"
        );
        assert!(
            begun.elapsed() <= Duration::from_secs(1),
            "request {n} took {:?}",
            begun.elapsed()
        );
    }
    // Long after its lease, it is ranked last and still not forgotten.
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(
        world.east.call("frontend", API).await.unwrap(),
        "api in east"
    );
    assert!(
        world.east.peer().await.unwrap().imported_endpoints > 0,
        "lost contact empties no service"
    );

    world.west.start_controller().await.unwrap();
    world.west.restart_gateway().await.unwrap();
    for (name, host) in [("api", 11), ("orders", 12)] {
        world.west.workload(name, host).await.unwrap();
    }
    until("both answer again", async || world.both_answer().await).await;
    until("both are in step", async || world.in_step().await).await;
}

#[tokio::test(start_paused = true)]
async fn with_failover_off_a_lost_cluster_is_felt() {
    let mut world = World::joined().await;
    world.east.apply(&east_yaml(&format!(
        "{SPREAD}, pelago.dev/failover: \"off\""
    )));
    until("both answer", async || world.both_answer().await).await;
    world.west.kill_all();
    let mut failed = 0;
    for _ in 0..50 {
        failed += usize::from(world.east.call("frontend", API).await.is_err());
    }
    assert!(failed > 0, "the control must fail");
}

#[tokio::test(start_paused = true)]
async fn a_lost_controller_is_not_felt_by_traffic() {
    let mut world = World::joined().await;
    world.east.kill("controller");
    world.west.kill("controller");
    for _ in 0..20 {
        assert_eq!(
            world.east.call("frontend", ORDERS).await.unwrap(),
            "orders in west"
        );
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    world.east.start_controller().await.unwrap();
    world.west.start_controller().await.unwrap();
    until("both are in step", async || world.in_step().await).await;
    assert_eq!(
        world.east.call("frontend", ORDERS).await.unwrap(),
        "orders in west"
    );
}

#[tokio::test(start_paused = true)]
async fn a_partition_heals_to_equal_state() {
    let world = World::joined().await;
    let cut = |apart: bool| {
        for ours in ["controller", "gw", "frontend", "api"] {
            for theirs in ["controller", "gw"] {
                let (a, b) = (
                    world.east.host(ours).unwrap(),
                    world.west.host(theirs).unwrap(),
                );
                if apart {
                    world.mesh.fabric.cut(a, b)
                } else {
                    world.mesh.fabric.heal(a, b)
                }
            }
        }
        let (a, b) = (
            world.east.host("gw").unwrap(),
            world.west.host("controller").unwrap(),
        );
        if apart {
            world.mesh.fabric.cut(a, b)
        } else {
            world.mesh.fabric.heal(a, b)
        }
    };
    cut(true);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(
        world.east.call("frontend", API).await.unwrap(),
        "api in east"
    );
    // Both sides change while they are apart.
    world
        .west
        .apply(&west_yaml().replace("targetPort: 8080", "targetPort: 8080, name: http"));
    world
        .east
        .apply(&format!("{}{}", east_yaml(SPREAD), service("new", "")));
    tokio::time::sleep(Duration::from_secs(30)).await;
    cut(false);
    until("both are in step", async || world.in_step().await).await;
    until("both answer", async || world.both_answer().await).await;
}

#[tokio::test(start_paused = true)]
async fn svids_are_renewed_while_traffic_goes_on() {
    let lifetimes = Lifetimes {
        svid: Duration::from_secs(300),
        renew_every: Duration::from_secs(60),
    };
    let world = World::with(lifetimes).await.join().await;
    let identity = world.east.part("frontend").unwrap().identity();
    let first = identity.current().own.as_ref().unwrap().not_after();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(
            world.east.call("frontend", ORDERS).await.unwrap(),
            "orders in west"
        );
    }
    let now = identity.current().own.as_ref().unwrap().not_after();
    assert!(
        now >= first + 500,
        "ten minutes are longer than an SVID of five lives: {first} {now}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_removed_peer_leaves_nothing() {
    let world = World::joined().await;
    let request = pelago_wire::admin::RemovePeerRequest {
        cluster: "west".to_owned(),
        reason: "test".to_owned(),
    };
    world
        .east
        .trust()
        .await
        .unwrap()
        .remove_peer(request)
        .await
        .unwrap();
    until("its names are gone", async || {
        world.east.call("frontend", ORDERS).await.is_err()
    })
    .await;
    until("its endpoints are gone", async || {
        let snapshots = world.east.part("frontend").unwrap().snapshots();
        let snapshot = snapshots.borrow();
        snapshot
            .workloads()
            .all(|workload| workload.cluster.as_str() == "east")
            && snapshot
                .gateways()
                .all(|gateway| gateway.id.cluster.as_str() == "east")
    })
    .await;
    until("its roots are gone", async || {
        let identity = world.east.part("frontend").unwrap().identity();
        identity.current().bundles.iter().count() == 1
    })
    .await;
    assert_eq!(
        world.east.call("frontend", API).await.unwrap(),
        "api in east"
    );
}

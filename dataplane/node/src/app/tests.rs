//! A restart while the controller is away, on a network in memory.

use std::time::Duration;

use pelago_model::{HostPort, Locality};
use pelago_net::{DialOptions, Fabric, MemoryNet, ProcessFacts};
use pelago_runtime::clock::{TokioClock, UnixTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::*;
use crate::mint;

/// 2026-01-01.
const NOW: u64 = 1_767_225_600;

fn at(port: u16) -> SocketAddr {
    ([10, 0, 0, 2], port).into()
}

fn settings(part: Part, name: &str) -> Settings {
    Settings {
        name: name.parse().unwrap(),
        network: "east-net".parse().unwrap(),
        locality: Locality::default(),
        controller: vec![HostPort::parse("10.0.0.1:15012").unwrap()],
        part,
        metrics: at(15020),
        health: at(15021),
    }
}

fn a_node() -> Settings {
    let part = Part::Node {
        hbone: at(15008),
        socks: Some(at(15080)),
        socket: "/run/pelago/agent.sock".into(),
    };
    settings(part, "web")
}

fn a_gateway() -> Settings {
    let part = Part::Gateway {
        listen: at(15443),
        advertise: vec![at(15443).into()],
    };
    settings(part, "gw")
}

fn host() -> MemoryNet {
    Fabric::new().host([[10, 0, 0, 2].into()], ProcessFacts::of_user(0, 0))
}

/// What a process finds that ran before as `kind/name`; `known` if it kept a snapshot.
fn ground(net: &MemoryNet, part: &str, known: bool) -> Ground<MemoryNet> {
    let id = format!("spiffe://east.example/pelago/{part}");
    let state = StateDir::memory();
    state.save(&mint::stored(&id, 2030)).unwrap();
    let snapshots = Snapshots::memory();
    if known {
        snapshots
            .save(&id.parse().unwrap(), &Snapshot::default())
            .unwrap();
    }
    Ground {
        net: net.clone(),
        clock: Arc::new(TokioClock::starting_at(UnixTime::from_secs(NOW))),
        state,
        snapshots,
        token: TokenSource::Absent,
        access_log: Box::new(tokio::io::sink()),
        placement: Placement::Here,
        seed: 7,
    }
}

async fn get(net: &MemoryNet, from: SocketAddr, path: &str) -> String {
    let options = DialOptions::within(Duration::from_secs(1));
    let mut stream = net.dial(from, options).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(start_paused = true)]
async fn a_node_serves_from_what_it_kept_while_its_controller_is_away() {
    let net = host();
    let scope = Scope::new("test");
    let app = App::build(a_node(), ground(&net, "node/east/web", true))
        .await
        .unwrap();
    let running = app.run(&scope).await.unwrap();
    assert_eq!(running.bound().hbone, Some(at(15008)));
    assert_eq!(running.bound().socks, Some(at(15080)));
    assert!(
        net.dial_unix("/run/pelago/agent.sock".as_ref())
            .await
            .is_ok()
    );
    // It kept no entries, so the agent waits for them; nothing else is missing.
    while !matches!(running.readiness().missing().as_slice(), [(name, why)] if name == "identity" && why.contains("entries"))
    {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let ready = get(&net, running.health(), "/healthz/ready").await;
    assert!(
        ready.starts_with("HTTP/1.1 503") && ready.contains("entries"),
        "{ready}"
    );
    let metrics = get(&net, running.metrics(), "/metrics").await;
    assert!(
        metrics.contains("pelago_own_svid_expires 1924"),
        "{metrics}"
    );
    let drained = running.drain(Duration::from_secs(5)).await;
    assert!(drained.cut.is_empty(), "{drained:?}");
    assert_eq!(scope.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn kept_workloads_make_it_ready_while_its_controller_is_away() {
    let net = host();
    let scope = Scope::new("test");
    let mut ground = ground(&net, "node/east/web", true);
    let (stored, kept) = mint::with_workload("spiffe://east.example/pelago/node/east/web", 2030);
    ground.state.save(&stored).unwrap();
    ground
        .state
        .save_workloads(stored.svid.id(), &kept)
        .unwrap();
    ground.seed = 8;
    let app = App::build(a_node(), ground).await.unwrap();
    let running = app.run(&scope).await.unwrap();
    running.readiness().ready().await;
    let state = running.identity().current();
    assert_eq!(state.entries, [kept.entries[0].entry.clone()]);
    let held = state.svid(kept.svids[0].id()).unwrap();
    assert_eq!(held.key_der(), kept.svids[0].key_der());
}

#[tokio::test(start_paused = true)]
async fn workloads_of_a_newer_release_are_refused_and_damaged_ones_left_out() {
    let id = "spiffe://east.example/pelago/node/east/web";
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("workloads.jsonl");
    let build = || async {
        let mut ground = ground(&host(), "node/east/web", true);
        ground.state = StateDir::open(directory.path()).unwrap();
        App::build(a_node(), ground).await
    };
    let (stored, kept) = mint::with_workload(id, 2030);
    let state = StateDir::open(directory.path()).unwrap();
    state.save(&stored).unwrap();
    state.save_workloads(stored.svid.id(), &kept).unwrap();
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &good[..good.len() / 2]).unwrap();
    let app = build().await.unwrap();
    assert_eq!(app.id().as_str(), id);
    assert!(app.identity().current().entries.is_empty());
    let newer = good.replace(
        "\"format\":1,\"oldestReader\":1",
        "\"format\":2,\"oldestReader\":2",
    );
    std::fs::write(&file, newer).unwrap();
    let error = build().await.unwrap_err();
    assert!(matches!(error, StartError::Workloads(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_is_ready_with_its_identity_and_a_kept_snapshot() {
    let net = host();
    let scope = Scope::new("test");
    let app = App::build(a_gateway(), ground(&net, "gateway/east/gw", true))
        .await
        .unwrap();
    let running = app.run(&scope).await.unwrap();
    assert_eq!(running.bound().gateway, Some(at(15443)));
    running.readiness().ready().await;
    let drained = running.drain(Duration::from_secs(5)).await;
    assert!(drained.cut.is_empty(), "{drained:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_accepted_before_policy_is_known() {
    let net = host();
    let scope = Scope::new("test");
    let app = App::build(a_node(), ground(&net, "node/east/web", false))
        .await
        .unwrap();
    let readiness = app.readiness();
    let mut starting = std::pin::pin!(app.run(&scope));
    assert!(
        timeout(Duration::from_secs(60), &mut starting)
            .await
            .is_err()
    );
    let missing: Vec<_> = readiness
        .missing()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(missing, ["discovery", "identity", "listeners"]);
    let health = get(&net, at(15021), "/healthz/live").await;
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
}

#[tokio::test(start_paused = true)]
async fn a_port_in_use_is_named_before_anything_waits() {
    for (port, field) in [
        (15020, "listen.metrics"),
        (15021, "listen.health"),
        (15080, "listen.hbone or listen.socks"),
    ] {
        let net = host();
        let _taken = net
            .listen(at(port), ListenOptions::default())
            .await
            .unwrap();
        let scope = Scope::new("test");
        let app = App::build(a_node(), ground(&net, "node/east/web", false))
            .await
            .unwrap();
        let Err(StartError::Listen {
            field: named,
            source,
        }) = app.run(&scope).await
        else {
            panic!("{port} is taken")
        };
        assert_eq!(named, field);
        assert!(source.to_string().contains(&port.to_string()), "{source}");
    }
}

#[tokio::test(start_paused = true)]
async fn state_of_another_process_is_refused() {
    let net = host();
    let error = App::build(a_node(), ground(&net, "node/east/api", true))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("node/east/api"), "{error}");
}

//! The next endpoint, whatever is wrong with the first.

use std::net::SocketAddr;
use std::time::Duration;

use pelago_net::{ListenOptions, Listener as _, Net as _, ProcessFacts};

use super::*;

/// `web` calls `api`, served by a good endpoint in another zone and by a bad
/// one that is preferred, at 10.0.0.3.
async fn with_bad(world: &World, failover: bool) -> (Part, Part) {
    let api = Service {
        failover,
        ..service("api")
    };
    let far = Workload {
        locality: Locality::parse("far/away"),
        ..workload("east", "good", 2, &["api"])
    };
    let bad = workload("east", "bad", 3, &["api"]);
    let workloads = vec![workload("east", "web", 1, &[]), far, bad];
    world.tell("east", of(vec![api], workloads, Vec::new()));
    let good = world.node("east", "good", 2).await;
    good.program(world, 2, "good").await;
    (world.node("east", "web", 1).await, good)
}

async fn moves_on(web: &mut Part) -> serde_json::Value {
    let begun = tokio::time::Instant::now();
    let (name, stream) = web.call("api").await.unwrap();
    assert_eq!(name, "good");
    assert!(begun.elapsed() < Duration::from_secs(4));
    converse(stream, "still here").await;
    let line = web.line().await;
    assert_eq!(line["reason"], "ok");
    assert_eq!(line["attempts"], 2);
    // The bad one is out now: the next call does not try it.
    let (_, stream) = web.call("api").await.unwrap();
    converse(stream, "again").await;
    assert_eq!(web.line().await["attempts"], 1);
    line
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_moves_on() {
    let world = World::new();
    let (mut web, _good) = with_bad(&world, true).await;
    let _bad = world.fabric.host([ip(3)], ProcessFacts::of_user(0, 0));
    moves_on(&mut web).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_host_moves_on_after_a_second() {
    let world = World::new();
    let (mut web, _good) = with_bad(&world, true).await;
    let bad = world.fabric.host([ip(3)], ProcessFacts::of_user(0, 0));
    world.fabric.cut(&web.net, &bad);
    let line = moves_on(&mut web).await;
    assert!(line["duration_ms"].as_u64().unwrap() < 1_500, "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_identity_moves_on() {
    let world = World::new();
    let (mut web, _good) = with_bad(&world, true).await;
    let _bad = world.node_as("east", "bad", 3, "other").await;
    moves_on(&mut web).await;
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_breaks_moves_on() {
    let world = World::new();
    let (mut web, _good) = with_bad(&world, true).await;
    let bad = world.fabric.host([ip(3)], ProcessFacts::of_user(0, 0));
    let at = SocketAddr::new(ip(3), 15008);
    let mut listener = bad.listen(at, ListenOptions::default()).await.unwrap();
    world.scope.spawn("breaker", async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    moves_on(&mut web).await;
}

#[tokio::test(start_paused = true)]
async fn a_program_that_does_not_listen_moves_on() {
    let world = World::new();
    let (mut web, _good) = with_bad(&world, true).await;
    let mut bad = world.node("east", "bad", 3).await;
    moves_on(&mut web).await;
    assert_eq!(bad.line().await["reason"], "connect_refused");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_one_is_not_held_against_it() {
    let world = World::new();
    let (web, _good) = with_bad(&world, true).await;
    let bad = world.node("east", "bad", 3).await;
    bad.program(&world, 3, "bad").await;
    world.tell("east", vec![shut_to("*/sa/web")]);
    assert_eq!(web.call("api").await.unwrap_err(), 2);
    world.tell("east", vec![shut_to("*/sa/nobody")]);
    assert_eq!(
        web.call("api").await.unwrap().0,
        "bad",
        "the nearest, at once"
    );
}

#[tokio::test(start_paused = true)]
async fn without_failover_the_bad_one_fails_its_share() {
    let world = World::new();
    let (mut web, _good) = with_bad(&world, false).await;
    let _bad = world.fabric.host([ip(3)], ProcessFacts::of_user(0, 0));
    let mut failed = 0;
    for _ in 0..40 {
        match web.call("api").await {
            Ok((name, stream)) => {
                assert_eq!(name, "good");
                converse(stream, "x").await;
            }
            Err(code) => {
                assert_eq!(code, 5);
                failed += 1;
            }
        }
        assert_eq!(web.line().await["attempts"], 1);
    }
    // 40 fair draws: never all of one kind but once in 2^39.
    assert!((1..40).contains(&failed), "{failed} of 40");
}

//! Open connections: cut by a policy, finished by a drain.

use std::time::Duration;

use pelago_net::{DialOptions, Net as _};
use tests_suites::mint::{NOW, UNTIL};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_policy_change_cuts_what_it_no_longer_allows() {
    let (world, web, mut api) = east().await;
    let (_, mut stream) = web.call("api").await.unwrap();
    stream.write_all(b"x").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
    world.tell("east", vec![shut_to("*/sa/other")]);
    stream.write_all(b"y").await.unwrap();
    assert_eq!(
        stream.read_u8().await.unwrap(),
        b'y',
        "what is allowed goes on"
    );
    world.tell("east", vec![shut_to("*/sa/web")]);
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest).await;
    assert!(read.is_err(), "a cut is no end");
    let line = api.line().await;
    assert_eq!(line["reason"], "revoked");
    assert!(
        api.metrics
            .encode()
            .contains("pelago_connections_revoked_total 1")
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_finishes_what_is_open_and_takes_no_more() {
    let (_world, web, mut api) = east().await;
    let (_, stream) = web.call("api").await.unwrap();
    let draining = api.scope.drain(Duration::from_secs(30));
    let talking = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let again = api.net.dial((ip(2), 15008).into(), DialOptions::default());
        assert!(again.await.is_err(), "nobody listens any more");
        assert_eq!(
            web.call("api").await.unwrap_err(),
            5,
            "no new stream in the old tunnel"
        );
        converse(stream, "the end of a long transfer").await;
        tokio::time::Instant::now()
    };
    let (drained, talked) = tokio::join!(
        async { (draining.await, tokio::time::Instant::now()) },
        talking
    );
    let (drained, ended) = drained;
    assert!(drained.cut.is_empty(), "{:?}", drained.cut);
    assert!(
        ended.duration_since(talked) < Duration::from_secs(1),
        "it ends with the last one"
    );
    assert_eq!(api.line().await["reason"], "ok");
}

#[tokio::test(start_paused = true)]
async fn a_drain_of_the_calling_side_finishes_too_and_leaves_no_tunnel() {
    let (_world, web, _api) = east().await;
    let (_, stream) = web.call("api").await.unwrap();
    let draining = web.scope.drain(Duration::from_secs(30));
    let (drained, ()) = tokio::join!(draining, async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        converse(stream, "bye").await;
    });
    assert!(drained.cut.is_empty(), "{:?}", drained.cut);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_cuts_what_does_not_end_and_tells_of_it() {
    let (_world, mut web, _api) = east().await;
    let (_, mut stream) = web.call("api").await.unwrap();
    let drained = web.scope.drain(Duration::from_secs(3)).await;
    assert!(!drained.cut.is_empty());
    stream.read_u8().await.unwrap_err();
    let line = web.line().await;
    assert_eq!(
        (&line["reason"], &line["bytes_received"]),
        (&"draining".into(), &4.into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_died_unnoticed_is_dialled_anew_at_once() {
    let (world, mut web, api) = east().await;
    let (_, stream) = web.call("api").await.unwrap();
    converse(stream, "before").await;
    world.fabric.kill(&api.net);
    world.fabric.revive(&api.net);
    let again = world.node("east", "api", 2).await;
    again.program(&world, 2, "again").await;
    // Nothing has been polled since: the pooled tunnel is still believed in.
    let (name, stream) = web.call("api").await.unwrap();
    assert_eq!(name, "again");
    converse(stream, "after").await;
    let _before = web.line().await;
    assert_eq!(web.line().await["attempts"], 1);
}

#[tokio::test(start_paused = true)]
async fn an_svid_that_expires_opens_nothing_more_in_its_old_tunnel() {
    let mut world = World::new();
    let workloads = vec![
        workload("east", "web", 1, &[]),
        workload("east", "api", 2, &["api"]),
    ];
    world.tell("east", of(vec![service("api")], workloads, Vec::new()));
    let api = world.node("east", "api", 2).await;
    api.program(&world, 2, "api").await;
    world.until = NOW + 60;
    let web = world.node("east", "web", 1).await;
    world.until = UNTIL;
    let (_, open) = web.call("api").await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let (_, stream) = web.call("api").await.unwrap();
    converse(stream, "in time").await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(
        web.call("api").await.unwrap_err(),
        2,
        "the tunnel is there, the right is not"
    );
    assert_eq!(
        web.call("api").await.unwrap_err(),
        2,
        "nor is there another tunnel"
    );
    converse(open, "what was open may end").await;
}

//! Programs, peers and strangers that do not behave.

use std::net::SocketAddr;
use std::time::Duration;

use pelago_dataplane_hbone::client::{OpenError, Request, Tunnel as Outgoing};
use pelago_identity::{Expect, SNI_HBONE, State};
use pelago_net::{
    Connection as _, DialOptions, ListenOptions, Listener as _, MemoryNet, Net as _, ProcessFacts,
};
use pelago_wire::hbone::Target;
use tokio::time::Instant;

use super::*;

/// A tunnel to the node `api`, made by hand as `web`.
async fn by_hand(world: &World, net: &MemoryNet) -> Outgoing {
    let source = workload_id("east", "web");
    let identity = world.identity(State {
        own: Some(world.svid("east", &source)),
        ..State::default()
    });
    let to = SocketAddr::new(ip(2), 15008);
    let stream = net.dial(to, DialOptions::default()).await.unwrap();
    let expect = Expect::exactly(workload_id("east", "api"));
    let connecting = identity.connect(stream, &source, SNI_HBONE, &expect);
    let (tls, _) = connecting.await.unwrap();
    let settings = pelago_dataplane_hbone::Settings::default();
    let (tunnel, driver) = pelago_dataplane_hbone::client::open(tls, settings)
        .await
        .unwrap();
    world.scope.spawn("tunnel", driver);
    tunnel
}

fn to_api() -> Request {
    Request::to(Target::Service {
        host: key("api").host,
        port: 80,
    })
}

/// `web` and `api`, whose program does with a connection what it is told.
async fn told(then: fn(MemoryStream)) -> (World, Part, Part) {
    let world = World::new();
    let workloads = vec![
        workload("east", "web", 1, &[]),
        workload("east", "api", 2, &["api"]),
    ];
    world.tell("east", of(vec![service("api")], workloads, Vec::new()));
    let web = world.node("east", "web", 1).await;
    let api = world.node("east", "api", 2).await;
    let at = SocketAddr::new(ip(2), 8080);
    let mut listener = api.net.listen(at, ListenOptions::default()).await.unwrap();
    world.scope.spawn("program", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"api\n").await.unwrap();
            // Until the caller has it, a reset would take it away.
            stream.read_u8().await.unwrap();
            then(stream);
        }
    });
    (world, web, api)
}

#[tokio::test(start_paused = true)]
async fn a_program_that_resets_is_no_end_to_its_caller() {
    let (_world, web, _api) = told(|mut stream| stream.reset_on_drop()).await;
    let (_, mut stream) = web.call("api").await.unwrap();
    stream.write_all(b"x").await.unwrap();
    let read = stream.read_to_end(&mut Vec::new()).await;
    let error = read.expect_err("a truncated answer must not look whole");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_ends_is_an_end_to_its_caller() {
    let (_world, web, _api) = told(drop).await;
    let (_, mut stream) = web.call("api").await.unwrap();
    stream.write_all(b"x").await.unwrap();
    assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_resets_is_no_end_to_the_program() {
    let (world, web, api) = east().await;
    let at = SocketAddr::new(ip(2), 8081);
    let mut listener = api.net.listen(at, ListenOptions::default()).await.unwrap();
    let calling = web.call_as(USER, "10.0.0.2", 8081);
    let ((code, mut stream), accepted) = tokio::join!(calling, listener.accept());
    assert_eq!(code, 0);
    let (mut program, _) = accepted.unwrap();
    stream.write_all(b"x").await.unwrap();
    assert_eq!(program.read_u8().await.unwrap(), b'x');
    stream.reset_on_drop();
    drop(stream);
    let read = program.read_u8().await.unwrap_err();
    assert_eq!(read.kind(), std::io::ErrorKind::ConnectionReset);
    drop(world);
}

#[tokio::test(start_paused = true)]
async fn a_request_taken_back_ends_what_is_done_for_it() {
    let (world, web, mut api) = east().await;
    // The program's host cannot be reached by the node any more: dials hang.
    world.fabric.cut(&api.net, &api.net);
    let tunnel = by_hand(&world, &web.net).await;
    let begun = Instant::now();
    let asking = tokio::time::timeout(Duration::from_millis(100), tunnel.connect(to_api()));
    assert!(asking.await.is_err(), "the node waits for the program");
    assert_eq!(api.line().await["reason"], "tunnel_broken");
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn one_party_does_not_take_all_requests() {
    let (world, web, mut api) = east().await;
    let tunnel = by_hand(&world, &web.net).await;
    let mut open = Vec::new();
    for _ in 0..50 {
        open.push(tunnel.connect(to_api()).await.unwrap());
    }
    let OpenError::Refused { status, refusal } = tunnel.connect(to_api()).await.unwrap_err() else {
        panic!("refused by its status");
    };
    let line = api.line().await;
    assert_eq!((status, &line["reason"]), (503, &"overloaded".into()));
    assert_eq!(line["refusal"], refusal.unwrap());
    assert_eq!(line["source_id"], "spiffe://east.example/ns/shop/sa/web");
    drop(open.pop());
    api.line().await;
    tunnel.connect(to_api()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn silent_strangers_of_one_address_do_not_keep_others_out() {
    let (world, web, mut api) = east().await;
    let stranger = world.fabric.host([ip(66)], ProcessFacts::of_user(0, 0));
    let to = SocketAddr::new(ip(2), 15008);
    let mut silent = Vec::new();
    for _ in 0..25 {
        silent.push(stranger.dial(to, DialOptions::default()).await.unwrap());
    }
    let mut more = stranger.dial(to, DialOptions::default()).await.unwrap();
    assert_eq!(more.read(&mut [0; 1]).await.unwrap(), 0, "closed at once");
    assert_eq!(api.line().await["reason"], "overloaded");
    let (name, stream) = web.call("api").await.unwrap();
    assert_eq!(name, "api");
    converse(stream, "served").await;
    drop(silent);
}

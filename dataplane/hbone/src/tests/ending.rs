use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::Instant;

use super::ends::{echo, ends, exchange, request};
use crate::Settings;
use crate::client::{self, Ended, OpenError};
use crate::server::Server;

#[tokio::test]
async fn a_drain_lets_streams_finish_and_takes_no_new_ones() {
    let mut ends = ends().await;
    let (near, far) = ends.stream().await;
    ends.drain.notify_one();
    while !ends.tunnel.is_closed() {
        ends.tunnel.ping().await.unwrap();
    }
    ends.drain.notify_one();
    let late = ends.connect().await;
    assert!(matches!(late, Err(OpenError::Broken { .. })));
    let (answer, ()) = tokio::join!(exchange(near, b"still here"), echo(far));
    assert_eq!(answer, b"still here");
    assert_eq!(ends.server.join_next().await.unwrap().unwrap(), None);
    ends.tunnel.closed().await;
}

#[tokio::test]
async fn a_vanished_peer_breaks_everything_at_once() {
    let mut ends = ends().await;
    let (mut near, _far) = ends.stream().await;
    let tunnel = ends.tunnel.clone();
    let waiting = tunnel.connect(request());
    tokio::pin!(waiting);
    let unanswered = tokio::select! {
        _ = &mut waiting => panic!("nobody answered"),
        incoming = ends.incoming.recv() => incoming.unwrap(),
    };
    ends.server.shutdown().await;
    assert!(matches!(waiting.await, Err(OpenError::Broken { .. })));
    assert_eq!(
        near.read_u8().await.unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
    assert!(near.write_all(b"x").await.is_err());
    ends.tunnel.closed().await;
    assert!(ends.tunnel.is_closed());
    assert_eq!(ends.tunnel.ping().await, Err(Ended));
    let late = ends.connect().await;
    assert!(matches!(late, Err(OpenError::Broken { .. })));
    assert!(unanswered.accept(None).is_err());
}

#[tokio::test]
async fn a_vanished_client_ends_the_server() {
    let mut ends = ends().await;
    let (_near, mut far) = ends.stream().await;
    ends.client.shutdown().await;
    assert!(far.read_u8().await.is_err());
    ends.server.join_next().await.unwrap().unwrap();
    assert!(ends.incoming.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up() {
    let (near, _silent) = duplex(64 * 1024);
    let (tunnel, driver) = client::open(near, Settings::default()).await.unwrap();
    let started = Instant::now();
    let (connect, ping, ()) = tokio::join!(tunnel.connect(request()), tunnel.ping(), driver);
    assert!(matches!(connect, Err(OpenError::Broken { .. })));
    assert_eq!(ping, Err(Ended));
    assert!(started.elapsed() <= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_given_up() {
    let (near, far) = duplex(64 * 1024);
    let open = client::open(near, Settings::default());
    let (opened, server) = tokio::join!(open, Server::accept(far, Settings::default()));
    let (_tunnel, _never_polled) = opened.unwrap();
    let mut server = server.unwrap();
    assert!(server.next().await.is_none());
    assert_eq!(server.failure().unwrap().kind(), ErrorKind::TimedOut);
    assert!(server.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_idle_tunnel_between_living_peers_stays() {
    let ends = ends().await;
    let over = tokio::time::timeout(Duration::from_secs(3600), ends.tunnel.closed()).await;
    assert!(over.is_err());
}

#[tokio::test]
async fn fifty_share_a_ping() {
    let ends = ends().await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let tunnel = ends.tunnel.clone();
        asking.spawn(async move { tunnel.ping().await });
    }
    while let Some(took) = asking.join_next().await {
        assert!(took.unwrap().unwrap() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn close_cuts() {
    let mut ends = ends().await;
    let (mut near, mut far) = ends.stream().await;
    ends.tunnel.close();
    assert!(ends.tunnel.is_closed());
    ends.tunnel.closed().await;
    assert!(near.read_u8().await.is_err());
    assert!(far.read_u8().await.is_err());
    ends.server.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn without_tunnel_and_streams_the_connection_ends() {
    let mut ends = ends().await;
    let (near, far) = ends.stream().await;
    drop(ends.tunnel);
    let (answer, ()) = tokio::join!(exchange(near, b"to the end"), echo(far));
    assert_eq!(answer, b"to the end");
    ends.client.join_next().await.unwrap().unwrap();
    assert_eq!(ends.server.join_next().await.unwrap().unwrap(), None);
}

use std::io::ErrorKind;

use bytes::Bytes;
use h2::Reason;
use http::{Method, Request as Http};
use tokio::io::{AsyncWriteExt, duplex};
use tokio::task::JoinSet;

use super::ends::{ends, request, serve};
use crate::Settings;
use crate::client::{self, OpenError};
use crate::server::Server;

/// Asks and takes back until the connection is closed; how often that went.
async fn rapid_reset(settings: Settings, take_first: bool) -> (usize, Option<ErrorKind>) {
    let (near, far) = duplex(64 * 1024);
    let (client, server) = tokio::join!(h2::client::handshake(near), Server::accept(far, settings));
    let (mut sender, connection) = client.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let _: Result<(), h2::Error> = connection.await;
    });
    let (mut incoming, _, mut server) = serve(server.unwrap());
    for n in 0..100_000 {
        let Ok(ready) = sender.ready().await else {
            return (n, server.join_next().await.unwrap().unwrap());
        };
        sender = ready;
        let connect = Http::builder().method(Method::CONNECT).uri("api.shop:80");
        let asked = sender.send_request(connect.body(()).unwrap(), false);
        let Ok((_answer, mut send)) = asked else {
            return (n, server.join_next().await.unwrap().unwrap());
        };
        if take_first {
            let Some(mut taken) = incoming.recv().await else {
                return (n, server.join_next().await.unwrap().unwrap());
            };
            send.send_reset(Reason::CANCEL);
            taken.gone().await;
        } else {
            send.send_reset(Reason::CANCEL);
            tokio::task::yield_now().await;
            while incoming.try_recv().is_ok() {}
        }
    }
    panic!("100,000 resets and still open");
}

#[tokio::test]
async fn requests_taken_back_before_their_answer_close_the_connection() {
    let (asked, ended) = rapid_reset(Settings::default(), true).await;
    assert!((400..=600).contains(&asked), "{asked}");
    assert_eq!(ended, Some(ErrorKind::ConnectionAborted));
}

#[tokio::test]
async fn requests_and_resets_in_one_breath_close_the_connection() {
    let (_, ended) = rapid_reset(Settings::default(), false).await;
    assert_eq!(ended, Some(ErrorKind::ConnectionAborted));
}

#[tokio::test]
async fn more_streams_than_admitted_wait_and_then_go_on() {
    let settings = Settings {
        server_streams: 2,
        ..Settings::default()
    };
    let (near, far) = duplex(64 * 1024);
    let mut ends = super::ends::over(near, far, settings).await;
    ends.tunnel.ping().await.unwrap();
    let first = ends.stream().await;
    assert!(ends.tunnel.has_room());
    let _second = ends.stream().await;
    assert!(!ends.tunnel.has_room());
    let tunnel = ends.tunnel.clone();
    let third = tunnel.connect(request());
    tokio::pin!(third);
    tokio::select! {
        _ = &mut third => panic!("beyond the limit"),
        _ = ends.incoming.recv() => panic!("beyond the limit"),
        _ = async { for _ in 0..3 { ends.tunnel.ping().await.unwrap(); } } => {}
    }
    drop(first);
    let (opened, _far) = tokio::join!(third, async {
        ends.incoming.recv().await.unwrap().accept(None).unwrap()
    });
    opened.unwrap();
}

#[tokio::test]
async fn a_server_that_admits_nothing_is_left_alone() {
    let settings = Settings {
        server_streams: 0,
        ..Settings::default()
    };
    let (near, far) = duplex(64 * 1024);
    let ends = super::ends::over(near, far, settings).await;
    ends.tunnel.ping().await.unwrap();
    assert!(!ends.tunnel.has_room());
    assert!(!ends.tunnel.is_closed());
}

#[tokio::test]
async fn what_is_not_http2_fails_the_handshake() {
    let (mut near, far) = duplex(64 * 1024);
    near.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    Server::accept(far, Settings::default()).await.unwrap_err();
    let (near, mut far) = duplex(64 * 1024);
    let (tunnel, driver) = client::open(near, Settings::default()).await.unwrap();
    far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .unwrap();
    let (connect, ()) = tokio::join!(tunnel.connect(request()), driver);
    assert!(matches!(connect, Err(OpenError::Broken { .. })));
}

#[tokio::test]
async fn a_200_with_a_wrong_endpoint_is_no_stream() {
    let (near, far) = duplex(64 * 1024);
    let (opened, server) = tokio::join!(
        client::open(near, Settings::default()),
        h2::server::handshake(far)
    );
    let (tunnel, driver) = opened.unwrap();
    let mut server: h2::server::Connection<_, Bytes> = server.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(driver);
    tasks.spawn(async move {
        while let Some(Ok((_, mut respond))) = server.accept().await {
            let answer = http::Response::builder().header("x-pelago-endpoint", "a b");
            let _ = respond.send_response(answer.body(()).unwrap(), false);
        }
    });
    let connect = tunnel.connect(request()).await;
    assert!(matches!(connect, Err(OpenError::Malformed { .. })));
    assert!(!tunnel.is_closed());
}

#[tokio::test]
async fn the_counts_of_many_tunnels_are_apart() {
    let (mut one, two) = (ends().await, ends().await);
    let _stream = one.stream().await;
    assert_eq!((one.tunnel.streams(), two.tunnel.streams()), (1, 0));
}

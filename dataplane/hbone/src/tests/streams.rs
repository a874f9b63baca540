use std::io::{ErrorKind, IoSlice};

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::ends::{bytes, echo, ends, exchange, over};
use crate::Settings;

#[tokio::test]
async fn bytes_go_there_and_back() {
    let mut ends = ends().await;
    let (near, far) = ends.stream().await;
    assert_eq!(ends.tunnel.streams(), 1);
    let data = bytes(3_000_000);
    let (answer, ()) = tokio::join!(exchange(near, &data), echo(far));
    assert!(answer == data);
    assert_eq!(ends.tunnel.streams(), 0);
}

#[tokio::test]
async fn over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let mut ends = over(near.unwrap(), far.unwrap().0, Settings::default()).await;
    let (near, far) = ends.stream().await;
    let data = bytes(10_000_000);
    let (answer, ()) = tokio::join!(exchange(near, &data), echo(far));
    assert!(answer == data);
}

#[tokio::test]
async fn the_asking_side_ends_first() {
    let mut ends = ends().await;
    let (mut near, mut far) = ends.stream().await;
    near.write_all(b"question").await.unwrap();
    near.shutdown().await.unwrap();
    let mut question = String::new();
    far.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    far.write_all(b"answer").await.unwrap();
    far.shutdown().await.unwrap();
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
    let late = near.write_all(b"more").await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn the_asked_side_ends_first() {
    let mut ends = ends().await;
    let (mut near, mut far) = ends.stream().await;
    far.write_all(b"banner").await.unwrap();
    far.shutdown().await.unwrap();
    let mut banner = String::new();
    near.read_to_string(&mut banner).await.unwrap();
    assert_eq!(banner, "banner");
    near.write_all(b"thanks").await.unwrap();
    near.shutdown().await.unwrap();
    let mut thanks = String::new();
    far.read_to_string(&mut thanks).await.unwrap();
    assert_eq!(thanks, "thanks");
}

#[tokio::test]
async fn a_stream_dropped_before_its_end_is_reset() {
    let mut ends = ends().await;
    for near_drops in [true, false] {
        let (mut near, mut far) = ends.stream().await;
        near.write_all(b"x").await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'x');
        let mut left = if near_drops {
            drop(near);
            far
        } else {
            drop(far);
            near
        };
        let error = left.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let error = left.write_all(b"y").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn an_answer_is_delivered_though_the_question_is_not_wanted() {
    let mut ends = ends().await;
    let (mut near, mut far) = ends.stream().await;
    let data = bytes(200_000);
    far.write_all(&data).await.unwrap();
    far.shutdown().await.unwrap();
    drop(far);
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).await.unwrap();
    assert!(answer == data);
    ends.tunnel.ping().await.unwrap();
    let error = near.write_all(b"more").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn slices_and_bytes_keep_their_order() {
    let mut ends = ends().await;
    let (mut near, mut far) = ends.stream().await;
    let slices = [
        IoSlice::new(b"one "),
        IoSlice::new(b""),
        IoSlice::new(b"two "),
    ];
    assert_eq!(near.write_vectored(&slices).await.unwrap(), 8);
    near.write_bytes(Bytes::from_static(b"three\n"))
        .await
        .unwrap();
    assert_eq!(near.write(b"").await.unwrap(), 0);
    let mut line = String::new();
    far.read_line(&mut line).await.unwrap();
    assert_eq!(line, "one two three\n");
}

#[tokio::test]
async fn two_hundred_at_once() {
    let mut ends = ends().await;
    let mut tasks = JoinSet::new();
    for n in 0..200_usize {
        let tunnel = ends.tunnel.clone();
        tasks.spawn(async move {
            let stream = tunnel.connect(super::ends::request()).await.unwrap().stream;
            let data = bytes(1000 + n);
            assert!(exchange(stream, &data).await == data);
        });
    }
    let mut echoes = JoinSet::new();
    for _ in 0..200 {
        let incoming = ends.incoming.recv().await.unwrap();
        echoes.spawn(echo(incoming.accept(None).unwrap()));
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_tunnel_in_a_tunnel() {
    let mut outer = ends().await;
    let (near, far) = outer.stream().await;
    let mut inner = over(near, far, Settings::default()).await;
    let data = bytes(9_000_000);
    let (near, far) = inner.stream().await;
    let (answer, ()) = tokio::join!(exchange(near, &data), echo(far));
    assert!(answer == data);
    assert_eq!(outer.tunnel.streams(), 1);
    drop((inner.tunnel, inner.incoming));
    inner.client.join_next().await;
    inner.server.join_next().await.unwrap().unwrap();
    assert_eq!(outer.tunnel.streams(), 0);
    assert!(!outer.tunnel.is_closed());
}

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};
use tokio::task::{JoinSet, yield_now};

use super::ends::{Ends, bytes, echo, ends, exchange, over, request};
use crate::Settings;
use crate::client;
use crate::server::Server;
use crate::stream::HboneStream;

const MIB: usize = 1024 * 1024;

/// Writes until nothing more is taken and the peer has seen all that was sent.
async fn fill(ends: &Ends, stream: &mut HboneStream) -> usize {
    let data = bytes(64 * 1024);
    let mut taken = 0;
    loop {
        let more = write_now(stream, &data).await;
        if more == 0 {
            // What the driver could still send is sent before its PING.
            ends.tunnel.ping().await.unwrap();
            let after = write_now(stream, &data).await;
            if after == 0 {
                return taken;
            }
            taken += after;
        }
        taken += more;
    }
}

async fn write_now(stream: &mut HboneStream, data: &[u8]) -> usize {
    poll_fn(|cx| match Pin::new(&mut *stream).poll_write(cx, data) {
        Poll::Ready(taken) => Poll::Ready(taken.unwrap()),
        Poll::Pending => Poll::Ready(0),
    })
    .await
}

#[tokio::test]
async fn an_unread_stream_holds_its_window_and_stalls_no_other() {
    let mut ends = ends().await;
    let (mut near, mut far) = ends.stream().await;
    let taken = fill(&ends, &mut near).await;
    let limit = 4 * MIB + Settings::default().send_buffer;
    assert!((4 * MIB..=limit).contains(&taken), "{taken}");

    let (other, other_far) = ends.stream().await;
    let data = bytes(6 * MIB);
    let (answer, ()) = tokio::join!(exchange(other, &data), echo(other_far));
    assert!(answer == data);

    let mut read = vec![0; taken];
    far.read_exact(&mut read).await.unwrap();
    assert!(fill(&ends, &mut near).await >= 4 * MIB - 64 * 1024);
}

#[tokio::test]
async fn unread_streams_that_go_give_the_window_back() {
    let mut ends = ends().await;
    for _ in 0..6 {
        let (mut near, far) = ends.stream().await;
        assert!(fill(&ends, &mut near).await >= 4 * MIB);
        drop(far);
    }
}

#[tokio::test]
async fn a_transport_nobody_reads_holds_two_send_buffers_at_most() {
    let (near, far) = duplex(16 * 1024);
    let settings = Settings::default();
    let (opened, server) = tokio::join!(
        client::open(near, settings.clone()),
        Server::accept(far, settings.clone())
    );
    let ((tunnel, driver), mut server) = (opened.unwrap(), server.unwrap());
    let mut driving = JoinSet::new();
    driving.spawn(driver);
    let connect = tunnel.connect(request());
    tokio::pin!(connect);
    let mut accepted = None;
    let mut near = loop {
        tokio::select! {
            opened = &mut connect => break opened.unwrap().stream,
            incoming = server.next() => accepted = Some(incoming.unwrap().accept(None).unwrap()),
        }
    };
    // From here on nobody polls the server; its transport stays open.
    let data = bytes(64 * 1024);
    let (mut taken, mut idle) = (0, 0);
    while idle < 1000 {
        let more = write_now(&mut near, &data).await;
        taken += more;
        idle = if more == 0 { idle + 1 } else { 0 };
        yield_now().await;
    }
    // One in the queue of the stream, one being written, one pipe.
    assert!(taken <= 2 * settings.send_buffer + 16 * 1024, "{taken}");
    assert!(taken >= settings.send_buffer, "{taken}");
    drop((server, accepted));
}

#[tokio::test]
async fn unread_frames_of_one_byte_close_the_connection() {
    let settings = Settings {
        frame_overhead: 64 * 1024,
        ..Settings::default()
    };
    let (near, far) = duplex(64 * 1024);
    let mut ends = over(near, far, settings).await;
    let (mut near, _far) = ends.stream().await;
    for n in 0..10_000 {
        if near.write_all(b"x").await.is_err() {
            assert!(n > 200, "{n}");
            let ended = ends.server.join_next().await.unwrap().unwrap();
            assert_eq!(ended, Some(ErrorKind::ConnectionAborted));
            return;
        }
        yield_now().await;
    }
    panic!("10,000 frames of one byte and still open");
}

#[tokio::test]
async fn a_cut_stream_frees_its_place_though_its_peer_never_reads() {
    let settings = Settings {
        server_streams: 1,
        ..Settings::default()
    };
    let (near, far) = duplex(64 * 1024);
    let mut ends = over(near, far, settings).await;
    let (mut near, _unread) = ends.stream().await;
    fill(&ends, &mut near).await;
    drop(near);
    let again = tokio::time::timeout(Duration::from_secs(10), ends.stream()).await;
    again.expect("the place is free");
}

//! Floods as bytes on the wire, which no client library would send.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

use crate::Settings;
use crate::server::Server;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Frames one after the other.
#[derive(Default)]
struct Frames(Vec<u8>);

impl Frames {
    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.0.extend_from_slice(&length[1..]);
        self.0.extend_from_slice(&[kind, flags]);
        self.0.extend_from_slice(&stream.to_be_bytes());
        self.0.extend_from_slice(payload);
    }

    /// A CONNECT in HPACK literals (RFC 7541 section 6.2.2).
    fn connect(&mut self, stream: u32) {
        let block = b"\x02\x07CONNECT\x01\x0bapi.shop:80";
        self.frame(HEADERS, END_HEADERS, stream, block);
    }
}

/// A server, and a client that has said its preface.
async fn greeted() -> (Server<DuplexStream>, DuplexStream) {
    let (mut near, far) = duplex(64 * 1024);
    near.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    let mut first = Frames::default();
    first.frame(SETTINGS, 0, 0, &[]);
    near.write_all(&first.0).await.unwrap();
    let server = Server::accept(far, Settings::default()).await.unwrap();
    (server, near)
}

/// Sends `flood` and reads nothing; how many CONNECTs came, and the end.
async fn flooded(flood: Frames) -> (usize, ErrorKind) {
    let (mut server, mut near) = greeted().await;
    let (mut kept, mut came) = (Vec::new(), 0);
    let serving = async {
        while let Some(incoming) = server.next().await {
            came += 1;
            // A proxy at work: it answers some and is still dialling for others.
            if came % 2 == 0 {
                kept.extend(incoming.accept(None));
            }
        }
    };
    // One that stayed open would end by its silence, with another kind.
    let _ = tokio::join!(near.write_all(&flood.0), serving);
    (came, server.failure().unwrap().kind())
}

#[tokio::test(start_paused = true)]
async fn requests_with_their_resets_close_the_connection() {
    let mut flood = Frames::default();
    for n in 0..100_000 {
        flood.connect(2 * n + 1);
        flood.frame(RST_STREAM, 0, 2 * n + 1, &8_u32.to_be_bytes());
    }
    let (came, ended) = flooded(flood).await;
    assert!(came <= 400, "{came}");
    assert_eq!(ended, ErrorKind::ConnectionAborted);
}

#[tokio::test(start_paused = true)]
async fn an_endless_header_closes_the_connection() {
    let mut flood = Frames::default();
    flood.frame(HEADERS, 0, 1, b"\x02\x07CONNECT");
    for _ in 0..100_000 {
        flood.frame(CONTINUATION, 0, 1, b"\x00\x01a\x08aaaaaaaa");
    }
    assert_eq!(flooded(flood).await, (0, ErrorKind::ConnectionAborted));
}

#[tokio::test(start_paused = true)]
async fn empty_data_closes_the_connection() {
    let mut flood = Frames::default();
    flood.connect(1);
    flood.connect(3);
    for _ in 0..100_000 {
        flood.frame(DATA, 0, 3, b"");
    }
    assert_eq!(flooded(flood).await.1, ErrorKind::ConnectionAborted);
}

#[tokio::test(start_paused = true)]
async fn pings_nobody_reads_the_answers_of_stop_being_read() {
    let (mut server, mut near) = greeted().await;
    let mut flood = Frames::default();
    for _ in 0..100_000 {
        flood.frame(PING, 0, 0, &[7; 8]);
    }
    let length = flood.0.len();
    let mut sent = 0;
    let flooding = async {
        while sent < length {
            sent += near.write(&flood.0[sent..]).await.unwrap();
        }
    };
    // Paused, the clock moves on when nothing else can.
    let limit = Duration::from_secs(1);
    tokio::select! {
        _ = timeout(limit, flooding) => {}
        _ = server.next() => {}
    }
    assert!(sent < length / 2, "{sent} of {length}");
}

use std::net::SocketAddr;
use std::time::Duration;

use pelago_net::{BoxListener, Connection as _, DialOptions, ListenOptions, Net as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::kit::{Domain, hosts};
use crate::peer::Expect;

#[tokio::test(start_paused = true)]
async fn clients_that_stall_or_lie_delay_nobody() {
    let east = Domain::new("east");
    let (_fabric, there, here) = hosts();
    let at: SocketAddr = "10.0.0.1:15012".parse().unwrap();
    let listener = there.listen(at, ListenOptions::default()).await.unwrap();
    let (_w, server) = east.identity("pelago/controller/east", &[&east]);
    let id = east.id("pelago/controller/east");
    let mut served = Box::pin(incoming(
        BoxListener::new(listener),
        server,
        id.clone(),
        ClientAuth::Required,
    ));
    let (_w, client) = east.identity("pelago/node/east/n1", &[&east]);
    let as_id = east.id("pelago/node/east/n1");
    let expect = Expect::exactly(id);
    let clients = async {
        // One speaks something else; more than may shake hands at once say nothing.
        let mut liar = here.dial(at, DialOptions::default()).await.unwrap();
        liar.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut read = Vec::new();
        liar.read_to_end(&mut read).await.unwrap();
        let mut silent = Vec::new();
        for _ in 0..2 * HANDSHAKES {
            silent.push(here.dial(at, DialOptions::default()).await.unwrap());
        }
        let io = here.dial(at, DialOptions::within(Duration::from_secs(60)));
        let began = Instant::now();
        let io = io.await.unwrap();
        let local = io.local_addr();
        let connected = client
            .connect(io, &as_id, crate::SNI_CONTROL, &expect)
            .await;
        (local, connected, began.elapsed())
    };
    let (next, (local, connected, took)) = tokio::join!(served.next(), clients);
    let (_stream, peer) = connected.unwrap();
    assert_eq!(*peer.id(), east.id("pelago/controller/east"));
    let info = next.unwrap().unwrap().connect_info();
    assert_eq!(info.remote, local);
    assert_eq!(*info.certificate.verified().unwrap().id(), as_id);
    assert!(took <= Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_proves_no_identity_is_a_guest_for_a_while() {
    let east = Domain::new("east");
    let (_fabric, there, here) = hosts();
    let at: SocketAddr = "10.0.0.1:15012".parse().unwrap();
    let listener = there.listen(at, ListenOptions::default()).await.unwrap();
    let (_w, server) = east.identity("pelago/controller/east", &[&east]);
    let id = east.id("pelago/controller/east");
    let optional = ClientAuth::Optional;
    let listener = BoxListener::new(listener);
    let mut served = Box::pin(incoming(listener, server, id.clone(), optional));
    let (_w, known) = east.identity("pelago/node/east/n1", &[&east]);
    // Of another trust domain, whose root the server does not hold.
    let west = Domain::new("west");
    let (_w, stranger) = west.identity("pelago/node/west/n1", &[&west, &east]);
    let mut open = Vec::new();
    for (identity, as_id) in [
        (known, east.id("pelago/node/east/n1")),
        (stranger, west.id("pelago/node/west/n1")),
    ] {
        let io = here.dial(at, DialOptions::default()).await.unwrap();
        let expect = Expect::exactly(id.clone());
        let connecting = identity.connect(io, &as_id, crate::SNI_CONTROL, &expect);
        let (connected, next) = tokio::join!(connecting, served.next());
        open.push((connected.unwrap().0, next.unwrap().unwrap()));
    }
    let (mut stranger, mut of_stranger) = open.pop().unwrap();
    let (mut known, mut of_known) = open.pop().unwrap();
    stranger.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    of_stranger.read_exact(&mut heard).await.unwrap();
    let began = Instant::now();
    let ended = of_stranger.read_exact(&mut heard).await.unwrap_err();
    assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
    assert_eq!(began.elapsed(), GUEST_LIMIT);
    known.write_all(b"hello").await.unwrap();
    of_known.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
}

#[test]
fn a_flood_of_failures_is_told_of_in_part() {
    let mut failures = Failures::default();
    let now = Instant::now();
    let told = (0..1000).filter(|_| failures.admit(now).is_some()).count();
    assert_eq!(told, 10);
    assert_eq!(failures.admit(now + TELL_WINDOW), Some(990));
    assert_eq!(failures.admit(now + TELL_WINDOW), Some(0));
}

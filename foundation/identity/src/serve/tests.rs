use std::net::SocketAddr;
use std::time::Duration;

use pelago_net::{BoxListener, Connection as _, DialOptions, ListenOptions, Net as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::kit::{Domain, hosts};
use crate::peer::Expect;
use crate::tls::HANDSHAKE_LIMIT;

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
        for _ in 0..HANDSHAKES {
            silent.push(here.dial(at, DialOptions::default()).await.unwrap());
        }
        let io = here.dial(at, DialOptions::within(Duration::from_secs(60)));
        let began = tokio::time::Instant::now();
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
    assert!(took <= HANDSHAKE_LIMIT, "{took:?}");
}

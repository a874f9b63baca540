//! What only a network in memory can show: cuts, kills, latency, other processes, on a paused clock.

#![expect(clippy::unwrap_used, reason = "fixtures of tests are test code")]

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pelago_net::{
    Connection, DialError, DialOptions, Fabric, Holders, ListenError, ListenOptions, Listener,
    MemoryListener, MemoryNet, MemoryStream, Net, OwnerError, ProcessFacts, ResolveError,
    UnixError, UnixListenOptions,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

const SECOND: Duration = Duration::from_secs(1);

struct Two {
    fabric: Fabric,
    a: MemoryNet,
    b: MemoryNet,
    listener: MemoryListener,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn user(uid: u32) -> ProcessFacts {
    ProcessFacts::of_user(uid, uid)
}

async fn two() -> Two {
    let fabric = Fabric::new();
    let a = fabric.host([ip("10.0.0.1"), ip("fd00::1")], user(1));
    let b = fabric.host([ip("10.0.0.2"), ip("fd00::2")], user(2));
    let listener = listen(&b, "0.0.0.0:443").await;
    Two {
        fabric,
        a,
        b,
        listener,
    }
}

async fn listen(net: &MemoryNet, at: &str) -> MemoryListener {
    let options = ListenOptions::default();
    net.listen(at.parse().unwrap(), options).await.unwrap()
}

async fn dial(net: &MemoryNet, to: &str) -> Result<MemoryStream, DialError> {
    net.dial(to.parse().unwrap(), DialOptions::within(5 * SECOND))
        .await
}

impl Two {
    async fn pair(&mut self) -> (MemoryStream, MemoryStream) {
        let near = dial(&self.a, "10.0.0.2:443").await.unwrap();
        (near, self.listener.accept().await.unwrap().0)
    }
}

#[tokio::test(start_paused = true)]
async fn a_dial_over_a_cut_way_hangs_until_its_timeout() {
    let two = two().await;
    two.fabric.cut_one_way(&two.b, &two.a);
    let start = Instant::now();
    let lost = dial(&two.a, "10.0.0.2:443").await;
    assert!(matches!(lost, Err(DialError::TimedOut { after, .. }) if after == 5 * SECOND));
    assert_eq!(start.elapsed(), 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_dial_succeeds_when_the_way_heals() {
    let two = two().await;
    two.fabric.cut(&two.a, &two.b);
    let heal = async {
        tokio::time::sleep(2 * SECOND).await;
        two.fabric.heal(&two.a, &two.b);
    };
    let (dialled, ()) = tokio::join!(dial(&two.a, "10.0.0.2:443"), heal);
    dialled.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cut_stalls_open_streams_and_healing_delivers_all_of_it() {
    let mut two = two().await;
    let (mut near, mut far) = two.pair().await;
    two.fabric.cut(&two.a, &two.b);
    near.write_all(b"held").await.unwrap();
    drop(near);
    let mut heard = Vec::new();
    let stalled = timeout(60 * SECOND, far.read_to_end(&mut heard)).await;
    assert!(stalled.is_err() && heard.is_empty());
    two.fabric.heal(&two.b, &two.a);
    far.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"held");
}

#[tokio::test(start_paused = true)]
async fn a_one_way_cut_leaves_the_other_way_open() {
    let mut two = two().await;
    let (mut near, mut far) = two.pair().await;
    two.fabric.cut_one_way(&two.a, &two.b);
    far.write_all(b"x").await.unwrap();
    near.read_exact(&mut [0; 1]).await.unwrap();
    near.write_all(b"y").await.unwrap();
    assert!(timeout(SECOND, far.read_u8()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_writer_over_a_cut_way_is_held_after_64_kib() {
    let mut two = two().await;
    let (mut near, _far) = two.pair().await;
    two.fabric.cut(&two.a, &two.b);
    near.write_all(&[0; 64 * 1024]).await.unwrap();
    assert!(timeout(SECOND, near.write_u8(0)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_killed_host_resets_its_streams_and_refuses() {
    let mut two = two().await;
    let (mut near, mut far) = two.pair().await;
    far.write_all(b"never read").await.unwrap();
    two.fabric.kill(&two.b);
    for end in [&mut near, &mut far] {
        let error = end.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let error = end.write_u8(0).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    two.listener.accept().await.unwrap_err();
    let refused = dial(&two.a, "10.0.0.2:443").await;
    assert!(matches!(refused, Err(DialError::Refused { .. })));
    let own = dial(&two.b, "10.0.0.1:1").await;
    assert!(matches!(own, Err(DialError::Unreachable { .. })));
    let options = ListenOptions::default();
    let listened = two.b.listen("0.0.0.0:443".parse().unwrap(), options).await;
    assert!(matches!(listened, Err(ListenError::Io { .. })));

    two.fabric.revive(&two.b);
    let mut again = listen(&two.b, "0.0.0.0:443").await;
    drop(two.listener);
    dial(&two.a, "10.0.0.2:443").await.unwrap();
    again.accept().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reset_does_not_pass_a_cut() {
    let mut two = two().await;
    let (mut near, mut far) = two.pair().await;
    two.fabric.cut(&two.a, &two.b);
    two.fabric.kill(&two.b);
    far.read_u8().await.unwrap_err();
    assert!(timeout(60 * SECOND, near.read_u8()).await.is_err());
    two.fabric.heal(&two.a, &two.b);
    let error = near.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn latency_is_one_way_for_bytes_and_both_for_dials() {
    let mut two = two().await;
    two.fabric.set_latency(Duration::from_millis(30));
    let start = Instant::now();
    let (mut near, mut far) = two.pair().await;
    assert_eq!(start.elapsed(), Duration::from_millis(60));
    near.write_all(b"ab").await.unwrap();
    near.shutdown().await.unwrap();
    let mut heard = Vec::new();
    far.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"ab");
    assert_eq!(start.elapsed(), Duration::from_millis(90));
}

#[tokio::test(start_paused = true)]
async fn unknown_addresses_are_unreachable_and_families_do_not_mix() {
    let two = two().await;
    for to in ["10.9.9.9:443", "[fd00::9]:443"] {
        let nowhere = dial(&two.a, to).await;
        assert!(
            matches!(nowhere, Err(DialError::Unreachable { .. })),
            "{to}"
        );
    }
    // The listener is 0.0.0.0, not [::].
    let other = dial(&two.a, "[fd00::2]:443").await;
    assert!(matches!(other, Err(DialError::Refused { .. })));
    let options = DialOptions::default().from(ip("fd00::1"));
    let mixed = two.a.dial("10.0.0.2:443".parse().unwrap(), options).await;
    assert!(matches!(mixed, Err(DialError::Source { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_wildcard_of_both_families_serves_both() {
    let mut two = two().await;
    let mut both = listen(&two.b, "[::]:80").await;
    for to in ["[fd00::2]:80", "10.0.0.2:80"] {
        let stream = dial(&two.a, to).await.unwrap();
        assert_eq!(both.accept().await.unwrap().1, stream.local_addr());
    }
    let options = ListenOptions::default();
    let taken = two.b.listen("10.0.0.2:80".parse().unwrap(), options).await;
    assert!(matches!(taken, Err(ListenError::InUse { .. })));
    two.pair().await;
}

#[tokio::test(start_paused = true)]
async fn loopback_is_ones_own() {
    let two = two().await;
    let _listener = listen(&two.b, "127.0.0.1:80").await;
    dial(&two.b, "127.0.0.1:80").await.unwrap();
    let foreign = dial(&two.a, "127.0.0.1:80").await;
    assert!(matches!(foreign, Err(DialError::Refused { .. })));
    let outside = dial(&two.a, "10.0.0.2:80").await;
    assert!(matches!(outside, Err(DialError::Refused { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_dials_wait_not_fail() {
    let mut two = two().await;
    let mut waiting = Vec::new();
    let last = loop {
        match dial(&two.a, "10.0.0.2:443").await {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
        assert!(waiting.len() < 10_000, "the queue has no bound");
    };
    assert!(matches!(last, DialError::TimedOut { .. }));
    two.listener.accept().await.unwrap();
    dial(&two.a, "10.0.0.2:443").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn owners_are_the_processes_that_dialled() {
    let two = two().await;
    let mut listener = listen(&two.b, "127.0.0.1:80").await;
    let process = ProcessFacts {
        pid: Some(42),
        path: Some(PathBuf::from("/bin/web")),
        ..user(7)
    };
    let web = two.b.as_process(process.clone());
    let _first = dial(&web, "127.0.0.1:80").await.unwrap();
    let owner = two
        .b
        .owner(listener.accept().await.unwrap().0.pair())
        .await
        .unwrap();
    assert_eq!(owner.uid, 7);
    assert_eq!(owner.holders, Holders::Known(vec![process]));

    let hidden = web.with_holders(Holders::Unreadable);
    let _second = dial(&hidden, "127.0.0.1:80").await.unwrap();
    let owner = two
        .b
        .owner(listener.accept().await.unwrap().0.pair())
        .await
        .unwrap();
    assert_eq!((owner.uid, owner.holders), (7, Holders::Unreadable));
}

#[tokio::test(start_paused = true)]
async fn a_remote_connection_has_no_local_owner() {
    let mut two = two().await;
    let (_near, far) = two.pair().await;
    let nobody = two.b.owner(far.pair()).await;
    assert!(matches!(nobody, Err(OwnerError::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_unix_sockets_mode_is_kept() {
    let two = two().await;
    let path = Path::new("/run/admin.sock");
    let mut listener = two
        .b
        .listen_unix(path, UnixListenOptions::OWNER)
        .await
        .unwrap();
    let other = two.b.as_process(user(3)).dial_unix(path).await;
    assert!(matches!(other, Err(UnixError::Denied { .. })));
    let elsewhere = two.a.dial_unix(path).await;
    assert!(matches!(elsewhere, Err(UnixError::Refused { .. })));
    let _root = two.b.as_process(user(0)).dial_unix(path).await.unwrap();
    assert_eq!(listener.accept().await.unwrap().peer().credentials().uid, 0);
    let _own = two.b.dial_unix(path).await.unwrap();
    assert_eq!(listener.accept().await.unwrap().peer().credentials().uid, 2);
}

#[tokio::test(start_paused = true)]
async fn names_are_known_everywhere_until_taken_away() {
    let two = two().await;
    two.fabric
        .name("GW.west.example.", [ip("10.0.0.2"), ip("fd00::2")]);
    let found = two.a.resolve("gw.west.example").await.unwrap();
    assert_eq!(found, [ip("10.0.0.2"), ip("fd00::2")]);
    two.fabric.name("gw.west.example", []);
    let gone = two.a.resolve("gw.west.example").await;
    assert!(matches!(gone, Err(ResolveError::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_address_moves_to_the_host_made_last() {
    let two = two().await;
    let taker = two.fabric.host([ip("10.0.0.2")], user(9));
    let mut listener = listen(&taker, "10.0.0.2:443").await;
    let _stream = dial(&two.a, "10.0.0.2:443").await.unwrap();
    listener.accept().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_same_calls_give_the_same_ports() {
    async fn run() -> Vec<SocketAddr> {
        let mut two = two().await;
        let mut seen = Vec::new();
        for _connection in 0..3 {
            let (near, _far) = two.pair().await;
            seen.push(near.local_addr());
            seen.push(listen(&two.a, "10.0.0.1:0").await.local_addr());
        }
        seen
    }
    let first = run().await;
    assert_eq!(first, run().await);
    let distinct: std::collections::HashSet<_> = first.iter().collect();
    assert_eq!(distinct.len(), first.len());
}

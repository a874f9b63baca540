//! What every network must do, run by each implementor of [`pelago_net::Net`].
//!
//! Each function is one behaviour, given a [`Room`] of the implementor's. They need no clock:
//! they wait for the thing itself, and a test that hangs has failed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "suites are test code"
)]

use std::collections::HashSet;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pelago_net::{
    Connection, DialError, DialOptions, Holders, ListenError, ListenOptions, Listener, Net,
    OwnerError, PeerCredentials, ResolveError, SocketPair, UnixError, UnixListenOptions,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A network and what of it the suite may use.
pub struct Room<N> {
    /// The network of the process that runs the suite.
    pub net: N,
    /// An address to listen on.
    pub ip: IpAddr,
    /// A directory for sockets.
    pub directory: PathBuf,
    /// Who the process is.
    pub us: PeerCredentials,
}

impl<N: Net> Room<N> {
    fn any_port(&self) -> SocketAddr {
        SocketAddr::new(self.ip, 0)
    }

    async fn listen(&self) -> N::Listener {
        let options = ListenOptions::default();
        self.net.listen(self.any_port(), options).await.unwrap()
    }

    async fn dial(&self, to: SocketAddr) -> Result<N::Stream, DialError> {
        self.net.dial(to, DialOptions::default()).await
    }

    /// Dialled and accepted end of a connection.
    async fn pair(&self) -> (N::Stream, N::Stream) {
        let mut listener = self.listen().await;
        let dialled = self.dial(listener.local_addr()).await.unwrap();
        let (accepted, _peer) = listener.accept().await.unwrap();
        (dialled, accepted)
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Bytes come back, and both ends agree on who is where.
pub async fn echoes_and_knows_both_ends<N: Net>(room: Room<N>) {
    let mut listener = room.listen().await;
    let at = listener.local_addr();
    assert_eq!(at.ip(), room.ip);
    assert_ne!(at.port(), 0);
    let mut ours = room.dial(at).await.unwrap();
    let (mut theirs, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, ours.local_addr());
    assert_eq!(theirs.pair(), ours.pair().reversed());
    assert_eq!(ours.peer_addr(), at);

    ours.write_all(b"ping").await.unwrap();
    let mut heard = [0; 4];
    theirs.read_exact(&mut heard).await.unwrap();
    theirs.write_all(&heard).await.unwrap();
    heard = [0; 4];
    ours.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ping");
    assert_eq!(theirs.original_destination().unwrap(), None);
}

/// Each side may end its own direction and still hear the other.
pub async fn half_closes_each_way<N: Net>(room: Room<N>) {
    let (dialled, accepted) = room.pair().await;
    half_close(dialled, accepted).await;
    let (dialled, accepted) = room.pair().await;
    half_close(accepted, dialled).await;
}

async fn half_close<S: Connection>(mut closes: S, mut stays: S) {
    closes.write_all(b"last").await.unwrap();
    closes.shutdown().await.unwrap();
    let mut heard = Vec::new();
    stays.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"last");
    stays.write_all(b"still here").await.unwrap();
    drop(stays);
    heard.clear();
    closes.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"still here");
}

/// After its end a direction takes no more bytes.
pub async fn a_closed_direction_takes_nothing<N: Net>(room: Room<N>) {
    let (mut a, _b) = room.pair().await;
    a.shutdown().await.unwrap();
    assert!(a.write_all(b"more").await.is_err());
}

/// The peer's end is end of file, then an error to write to.
pub async fn a_dropped_peer_is_noticed<N: Net>(room: Room<N>) {
    let (mut a, b) = room.pair().await;
    drop(b);
    assert_eq!(a.read(&mut [0; 1]).await.unwrap(), 0);
    // The kernel takes some before it hears of the reset.
    while a.write_all(&[0; 1024]).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

/// What is broken off reads as an error, never as the peer's end.
pub async fn a_broken_off_connection_is_no_end<N: Net>(room: Room<N>) {
    let (mut a, mut b) = room.pair().await;
    a.write_all(b"x").await.unwrap();
    b.read_exact(&mut [0; 1]).await.unwrap();
    b.reset_on_drop();
    a.write_all(b"y").await.unwrap();
    b.read_exact(&mut [0; 1]).await.unwrap();
    drop(b);
    let read = a.read(&mut [0; 1]).await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

/// A port where nobody listens refuses at once; a freed one too.
pub async fn nobody_there_is_refused<N: Net>(room: Room<N>) {
    let listener = room.listen().await;
    let at = listener.local_addr();
    drop(listener);
    let refused = room.dial(at).await;
    assert!(matches!(refused, Err(DialError::Refused { to }) if to == at));
}

/// A taken port is told as such, with its address, also to somebody who would share it.
pub async fn a_port_in_use_is_named<N: Net>(room: Room<N>) {
    let listener = room.listen().await;
    let taken = listener.local_addr();
    let again = room.net.listen(taken, ListenOptions::default()).await;
    assert!(matches!(again, Err(ListenError::InUse { at }) if at == taken));
    let two = NonZeroUsize::new(2).unwrap();
    let sharing = room.net.listen_workers(taken, two).await;
    assert!(matches!(sharing, Err(ListenError::InUse { at }) if at == taken));
    drop(listener);
    let options = ListenOptions::default();
    room.net.listen(taken, options).await.unwrap();
}

/// Workers share one port; a second set of workers does not slip in among them.
pub async fn workers_share_a_port_nobody_else_gets<N: Net>(room: Room<N>) {
    let two = NonZeroUsize::new(2).unwrap();
    let mut workers = room.net.listen_workers(room.any_port(), two).await.unwrap();
    let at = workers[0].local_addr();
    assert_eq!(workers[1].local_addr(), at);
    let others = room.net.listen_workers(at, two).await;
    assert!(matches!(others, Err(ListenError::InUse { .. })));

    // Among 64 connections both workers get some: 2^-63 that one gets none by the kernel's hash.
    let mut served = [0_usize; 2];
    for _connection in 0..64 {
        let dialled = room.dial(at).await.unwrap();
        let [first, second] = &mut workers[..] else {
            panic!("two workers");
        };
        let (index, accepted) = tokio::select! {
            accepted = first.accept() => (0, accepted),
            accepted = second.accept() => (1, accepted),
        };
        assert_eq!(accepted.unwrap().1, dialled.local_addr());
        served[index] += 1;
    }
    assert!(served[0] > 0 && served[1] > 0, "{served:?}");
}

/// An address of nobody here cannot be listened on, nor dialled from.
pub async fn a_foreign_address_is_not_ours<N: Net>(room: Room<N>) {
    // TEST-NET-1 (RFC 5737): documentation only.
    let foreign = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let at = SocketAddr::new(foreign, 0);
    let listened = room.net.listen(at, ListenOptions::default()).await;
    assert!(matches!(listened, Err(ListenError::NotOurs { .. })));
    let listener = room.listen().await;
    let options = DialOptions::default().from(foreign);
    let dialled = room.net.dial(listener.local_addr(), options).await;
    assert!(matches!(dialled, Err(DialError::Source { from, .. }) if from == foreign));
    let options = DialOptions::default().from(room.ip);
    let dialled = room.net.dial(listener.local_addr(), options).await.unwrap();
    assert_eq!(dialled.local_addr().ip(), room.ip);
}

/// A hundred connections at once, each with its own bytes.
pub async fn many_in_parallel<N: Net>(room: Room<N>) {
    let mut listener = room.listen().await;
    let at = listener.local_addr();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100_u32 {
        let net = room.net.clone();
        tasks.spawn(async move {
            let mut stream = net.dial(at, DialOptions::default()).await.unwrap();
            stream.write_all(&number.to_be_bytes()).await.unwrap();
            assert_eq!(stream.read_u32().await.unwrap(), number);
            stream.local_addr()
        });
    }
    let mut echoes = tokio::task::JoinSet::new();
    for _connection in 0..100 {
        let (mut stream, _peer) = listener.accept().await.unwrap();
        echoes.spawn(async move {
            let number = stream.read_u32().await.unwrap();
            stream.write_u32(number).await.unwrap();
        });
    }
    let clients: HashSet<SocketAddr> = tasks.join_all().await.into_iter().collect();
    assert_eq!(clients.len(), 100);
    echoes.join_all().await;
}

/// Sixteen megabytes arrive whole and in order; a writer without a reader is held back.
pub async fn a_big_transfer_meets_backpressure<N: Net>(room: Room<N>) {
    const TOTAL: usize = 16 * 1024 * 1024;
    let (mut a, mut b) = room.pair().await;
    let sent: Vec<u8> = (0..TOTAL).map(|at| (at % 251) as u8).collect();
    let mut written = 0;
    // Until nothing more fits: no reader, so there must be a limit below what we have.
    while written < TOTAL {
        let more = a.write(&sent[written..]);
        match tokio::time::timeout(Duration::from_millis(200), more).await {
            Ok(count) => written += count.unwrap(),
            Err(_held_back) => break,
        }
    }
    assert!(written < TOTAL, "{written} bytes fitted without a reader");
    let rest = sent[written..].to_vec();
    let writer = async {
        a.write_all(&rest).await.unwrap();
        a.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (_sent, read) = tokio::join!(writer, b.read_to_end(&mut received));
    assert_eq!(read.unwrap(), TOTAL);
    assert!(received == sent, "bytes differ");
}

/// Both ends of a Unix socket know the process at the other.
pub async fn unix_peers_are_known<N: Net>(room: Room<N>) {
    let path = room.socket("agent.sock");
    let options = UnixListenOptions::EVERYONE;
    let mut listener = room.net.listen_unix(&path, options).await.unwrap();
    assert_eq!(listener.path(), path);
    let mut ours = room.net.dial_unix(&path).await.unwrap();
    let mut theirs = listener.accept().await.unwrap();
    for end in [&ours, &theirs] {
        assert_eq!(end.peer().credentials(), room.us);
        let facts = end.peer().facts().unwrap();
        assert_eq!(facts.pid, room.us.pid);
        assert_eq!((facts.uid, facts.gid), (room.us.uid, room.us.gid));
        assert!(facts.path.is_some());
    }
    ours.write_all(b"hello").await.unwrap();
    ours.shutdown().await.unwrap();
    let mut heard = Vec::new();
    theirs.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"hello");
}

/// A path is one listener's, then free again, and refused while nobody listens.
pub async fn a_unix_path_has_one_listener<N: Net>(room: Room<N>) {
    let path = room.socket("one.sock");
    let refused = room.net.dial_unix(&path).await;
    assert!(matches!(refused, Err(UnixError::Refused { .. })));
    let options = UnixListenOptions::OWNER;
    let listener = room.net.listen_unix(&path, options).await.unwrap();
    let again = room.net.listen_unix(&path, options).await;
    assert!(matches!(again, Err(UnixError::InUse { path: named }) if named == path));
    drop(listener);
    let refused = room.net.dial_unix(&path).await;
    assert!(matches!(refused, Err(UnixError::Refused { .. })));
    room.net.listen_unix(&path, options).await.unwrap();
}

/// A path that no kernel takes is refused before anything else.
pub async fn a_long_unix_path_is_refused<N: Net>(room: Room<N>) {
    let path = Path::new("/").join("s".repeat(107));
    let options = UnixListenOptions::EVERYONE;
    let refused = room.net.listen_unix(&path, options).await;
    assert!(matches!(
        refused,
        Err(UnixError::PathTooLong {
            bytes: 108,
            limit: 107,
            ..
        })
    ));
    let refused = room.net.dial_unix(&path).await;
    assert!(matches!(refused, Err(UnixError::PathTooLong { .. })));
}

/// The caller of a local connection is this process, asked for either way of naming it.
pub async fn the_owner_of_our_connection_is_us<N: Net>(room: Room<N>) {
    let (dialled, accepted) = room.pair().await;
    let owner = room.net.owner(accepted.pair()).await.unwrap();
    assert_eq!(owner.uid, room.us.uid);
    match owner.holders {
        Holders::Known(holders) => {
            let pids: Vec<_> = holders.iter().map(|holder| holder.pid).collect();
            assert_eq!(pids, [room.us.pid]);
            assert_eq!(holders[0].uid, room.us.uid);
        }
        // Not every user may read all processes.
        Holders::Unreadable => assert_ne!(room.us.uid, 0),
    }
    drop(dialled);
    drop(accepted);
}

/// A connection that is gone, or never was, has no owner: a listener on its port is not it.
pub async fn no_connection_has_no_owner<N: Net>(room: Room<N>) {
    let listener = room.listen().await;
    let pair = SocketPair {
        local: SocketAddr::new(room.ip, 9),
        peer: listener.local_addr(),
    };
    let nobody = room.net.owner(pair).await;
    assert!(
        matches!(nobody, Err(OwnerError::NotFound { .. })),
        "{nobody:?}"
    );

    let (dialled, accepted) = room.pair().await;
    let pair = accepted.pair();
    drop(dialled);
    let nobody = room.net.owner(pair).await;
    assert!(
        matches!(nobody, Err(OwnerError::NotFound { .. })),
        "{nobody:?}"
    );
}

/// `localhost` is loopback, an address is itself, and what is no name is refused.
pub async fn resolves<N: Net>(room: Room<N>) {
    let local = room.net.resolve("localhost").await.unwrap();
    assert!(
        !local.is_empty() && local.iter().all(IpAddr::is_loopback),
        "{local:?}"
    );
    let itself: IpAddr = "2001:db8::7".parse().unwrap();
    assert_eq!(room.net.resolve("2001:db8::7").await.unwrap(), [itself]);
    let refused = room.net.resolve("no name").await;
    assert!(matches!(refused, Err(ResolveError::BadName { .. })));
}

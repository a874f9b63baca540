//! The seam itself: the traits a network implements and the options it takes.
//!
//! Nothing here does IO. Every wait has an end: a dial by its timeout, a resolution after
//! 10 s; only `accept` waits for ever, and it may be dropped at any await without
//! losing a connection.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{DialError, ListenError, OwnerError, ResolveError, UnixError};
use crate::facts::{Owner, SocketPair};
use crate::unix::{UnixListener, UnixStream};

/// A network as one host sees it. Clones are handles to the same network.
pub trait Net: Clone + Send + Sync + 'static {
    /// A TCP connection.
    type Stream: Connection;
    /// A TCP listener.
    type Listener: Listener<Stream = Self::Stream>;

    /// Listens for TCP connections. Port 0 takes a free port, see [`Listener::local_addr`].
    fn listen(
        &self,
        at: SocketAddr,
        options: ListenOptions,
    ) -> impl Future<Output = Result<Self::Listener, ListenError>> + Send;

    /// `count` listeners that share one address, one per worker: the kernel spreads connections
    /// among them. The address is first bound without sharing, so that a port which somebody
    /// else shares is noticed as in use. Port 0 takes one free port for all.
    fn listen_workers(
        &self,
        at: SocketAddr,
        count: NonZeroUsize,
    ) -> impl Future<Output = Result<Vec<Self::Listener>, ListenError>> + Send;

    /// Opens a TCP connection with `TCP_NODELAY`.
    fn dial(
        &self,
        to: SocketAddr,
        options: DialOptions,
    ) -> impl Future<Output = Result<Self::Stream, DialError>> + Send;

    /// Listens on a Unix socket. Replaces a socket nobody listens on, refuses a live one, and
    /// refuses a directory in which others could replace it. The file goes when the listener does.
    fn listen_unix(
        &self,
        path: &Path,
        options: UnixListenOptions,
    ) -> impl Future<Output = Result<UnixListener, UnixError>> + Send;

    /// Connects to a Unix socket.
    fn dial_unix(&self, path: &Path) -> impl Future<Output = Result<UnixStream, UnixError>> + Send;

    /// Addresses of a host name, in the resolver's order, without duplicates, at most
    /// 64. An IP address is its own answer. Never an empty list.
    fn resolve(&self, host: &str)
    -> impl Future<Output = Result<Vec<IpAddr>, ResolveError>> + Send;

    /// Who holds the *other* end of a connection accepted from this same machine: `local` and
    /// `peer` are as the accepted stream tells them ([`Connection::pair`]).
    fn owner(
        &self,
        connection: SocketPair,
    ) -> impl Future<Output = Result<Owner, OwnerError>> + Send;
}

/// Accepts TCP connections. Dropping it stops listening.
pub trait Listener: Send + Sync + 'static {
    /// What it accepts.
    type Stream: Connection;

    /// The next connection and its peer's address. Passing trouble (a peer that left, too many
    /// open files) is waited out inside; an error means that this listener is finished.
    /// Cancellation safe.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// Where it listens, with the real port.
    fn local_addr(&self) -> SocketAddr;
}

/// A TCP connection. `poll_shutdown` closes the sending half only; reading goes on until the
/// peer closes its own. Dropping it closes both.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static {
    /// Our end. IPv4-mapped IPv6 addresses are given as IPv4.
    fn local_addr(&self) -> SocketAddr;

    /// The other end. IPv4-mapped IPv6 addresses are given as IPv4.
    fn peer_addr(&self) -> SocketAddr;

    /// Where the peer meant to connect before a redirect rule of this host brought it here
    /// (`SO_ORIGINAL_DST`); `None` when nothing was redirected.
    ///
    /// # Errors
    ///
    /// The kernel's, when it cannot say.
    fn original_destination(&self) -> io::Result<Option<SocketAddr>>;

    /// From now on dropping it resets the connection: the peer reads and writes an error instead
    /// of an end of file, and what it was not sent yet is discarded. For a connection that is
    /// broken off: a cut must not look like an end.
    fn reset_on_drop(&mut self);

    /// Both ends, as [`Net::owner`] takes them.
    fn pair(&self) -> SocketPair {
        SocketPair {
            local: self.local_addr(),
            peer: self.peer_addr(),
        }
    }
}

/// How to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListenOptions {
    /// Share the address with other listeners that also share it (`SO_REUSEPORT`). Alone this
    /// does not notice a port somebody else shares: prefer [`Net::listen_workers`].
    pub shared: bool,
}

/// How to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialOptions {
    /// How long the connection may take to open. Default 5 s.
    pub timeout: Duration,
    /// The local address to dial from; the kernel's choice if absent.
    pub source: Option<IpAddr>,
}

impl DialOptions {
    /// Any local address, and this long at most.
    #[must_use]
    pub const fn within(timeout: Duration) -> Self {
        Self {
            timeout,
            source: None,
        }
    }

    /// The same from this local address.
    #[must_use]
    pub const fn from(mut self, source: IpAddr) -> Self {
        self.source = Some(source);
        self
    }
}

impl Default for DialOptions {
    fn default() -> Self {
        Self::within(DIAL_TIMEOUT)
    }
}

/// How to listen on a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixListenOptions {
    /// Permission bits of the socket, set before anybody can connect, whatever the umask. A
    /// missing directory is created 0755 if others may connect, else 0700.
    pub mode: u32,
}

impl UnixListenOptions {
    /// 0666: every user may connect and is told apart by its credentials (Workload API).
    pub const EVERYONE: Self = Self { mode: 0o666 };
    /// 0600: our own user and root only (admin API).
    pub const OWNER: Self = Self { mode: 0o600 };
}

impl Default for UnixListenOptions {
    fn default() -> Self {
        Self::EVERYONE
    }
}

/// Default time for a TCP connection to open.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest a resolution may take.
pub(crate) const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most addresses taken from one resolution.
pub(crate) const RESOLVE_LIMIT: usize = 64;

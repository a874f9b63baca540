//! Unix streams and listeners as every network gives them, and who is at the other end.
//!
//! They are boxed inside: Unix sockets carry APIs, not the data plane. What the peer is comes
//! from the implementor; this room holds no kernel call.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::FactsError;
use crate::facts::{PeerCredentials, ProcessFacts};

/// A connection on a Unix socket that knows its peer.
pub struct UnixStream {
    io: Box<dyn Io>,
    peer: Peer,
}

impl UnixStream {
    pub(crate) fn new(io: impl Io, peer: Peer) -> Self {
        Self {
            io: Box::new(io),
            peer,
        }
    }

    /// Who opened the other end (for one we dialled: who listens).
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }
}

/// The process at the other end of a Unix socket. Cheap to clone; outlives the stream.
#[derive(Clone)]
pub struct Peer {
    credentials: PeerCredentials,
    process: Arc<dyn PeerProcess>,
}

impl Peer {
    pub(crate) fn new(credentials: PeerCredentials, process: Arc<dyn PeerProcess>) -> Self {
        Self {
            credentials,
            process,
        }
    }

    /// What the kernel noted when the peer opened its end.
    #[must_use]
    pub const fn credentials(&self) -> PeerCredentials {
        self.credentials
    }

    /// What the peer is now: read from the system anew, and checked after reading to be still the
    /// process, user and group that opened the socket. A few small reads; does not wait.
    ///
    /// # Errors
    ///
    /// When the process has ended, changed or cannot be read: then it is nobody.
    pub fn facts(&self) -> Result<ProcessFacts, FactsError> {
        self.process.facts(self.credentials)
    }
}

/// Accepts connections on a Unix socket; dropping it removes the file.
pub struct UnixListener {
    accept: Box<dyn AcceptUnix>,
    path: PathBuf,
}

impl UnixListener {
    pub(crate) fn new(accept: impl AcceptUnix, path: &Path) -> Self {
        Self {
            accept: Box::new(accept),
            path: path.to_path_buf(),
        }
    }

    /// The next connection. As [`crate::Listener::accept`]: passing trouble is waited out, an
    /// error is final, and it is cancellation safe.
    ///
    /// # Errors
    ///
    /// When the listener is finished.
    pub async fn accept(&mut self) -> io::Result<UnixStream> {
        self.accept.accept().await
    }

    /// The path it listens on.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Bytes both ways.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static> Io for T {}

/// Reads what a peer is now, given what it was.
pub(crate) trait PeerProcess: Send + Sync + 'static {
    /// Facts that are proven to be those of the process that opened the socket.
    fn facts(&self, opened_by: PeerCredentials) -> Result<ProcessFacts, FactsError>;
}

/// An implementor's acceptor.
pub(crate) trait AcceptUnix: Send + Sync + 'static {
    /// The next connection.
    fn accept(&mut self) -> Accepting<'_>;
}

/// A pending accept.
pub(crate) type Accepting<'a> = Pin<Box<dyn Future<Output = io::Result<UnixStream>> + Send + 'a>>;

impl AsyncRead for UnixStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for UnixStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixStream")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixListener")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

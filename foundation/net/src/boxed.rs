//! [`BoxNet`]: any network behind one pointer, for crates that should not be generic.
//!
//! It is a [`Net`] itself; streams and listeners are boxed. Not for the relay path.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::{DialError, ListenError, OwnerError, ResolveError, UnixError};
use crate::facts::{Owner, SocketPair};
use crate::seam::{Connection, DialOptions, ListenOptions, Listener, Net, UnixListenOptions};
use crate::unix::{UnixListener, UnixStream};

/// Any [`Net`], boxed. Clones share it.
#[derive(Clone)]
pub struct BoxNet(Arc<dyn DynNet>);

impl BoxNet {
    /// Boxes a network.
    pub fn new(net: impl Net) -> Self {
        Self(Arc::new(net))
    }
}

/// A boxed TCP connection.
pub struct BoxStream(Box<dyn Connection>);

impl BoxStream {
    /// Boxes a connection.
    pub fn new(stream: impl Connection) -> Self {
        Self(Box::new(stream))
    }
}

/// A boxed TCP listener.
pub struct BoxListener(Box<dyn DynListener>);

impl BoxListener {
    /// Boxes a listener.
    pub fn new(listener: impl Listener) -> Self {
        Self(Box::new(listener))
    }
}

impl Net for BoxNet {
    type Stream = BoxStream;
    type Listener = BoxListener;

    async fn listen(
        &self,
        at: SocketAddr,
        options: ListenOptions,
    ) -> Result<BoxListener, ListenError> {
        self.0.listen(at, options).await
    }

    async fn listen_workers(
        &self,
        at: SocketAddr,
        count: NonZeroUsize,
    ) -> Result<Vec<BoxListener>, ListenError> {
        self.0.listen_workers(at, count).await
    }

    async fn dial(&self, to: SocketAddr, options: DialOptions) -> Result<BoxStream, DialError> {
        self.0.dial(to, options).await
    }

    async fn listen_unix(
        &self,
        path: &Path,
        options: UnixListenOptions,
    ) -> Result<UnixListener, UnixError> {
        self.0.listen_unix(path, options).await
    }

    async fn dial_unix(&self, path: &Path) -> Result<UnixStream, UnixError> {
        self.0.dial_unix(path).await
    }

    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        self.0.resolve(host).await
    }

    async fn owner(&self, connection: SocketPair) -> Result<Owner, OwnerError> {
        self.0.owner(connection).await
    }
}

impl Listener for BoxListener {
    type Stream = BoxStream;

    async fn accept(&mut self) -> io::Result<(BoxStream, SocketAddr)> {
        self.0.accept().await
    }

    fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }
}

impl Connection for BoxStream {
    fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }

    fn peer_addr(&self) -> SocketAddr {
        self.0.peer_addr()
    }

    fn original_destination(&self) -> io::Result<Option<SocketAddr>> {
        self.0.original_destination()
    }

    fn reset_on_drop(&mut self) {
        self.0.reset_on_drop();
    }
}

impl AsyncRead for BoxStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for BoxStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Net`] with boxed futures, so that it can be `dyn`.
trait DynNet: Send + Sync {
    fn listen(
        &self,
        at: SocketAddr,
        options: ListenOptions,
    ) -> Boxed<'_, Result<BoxListener, ListenError>>;
    fn listen_workers(
        &self,
        at: SocketAddr,
        count: NonZeroUsize,
    ) -> Boxed<'_, Result<Vec<BoxListener>, ListenError>>;
    fn dial(&self, to: SocketAddr, options: DialOptions)
    -> Boxed<'_, Result<BoxStream, DialError>>;
    fn listen_unix<'a>(
        &'a self,
        path: &'a Path,
        options: UnixListenOptions,
    ) -> Boxed<'a, Result<UnixListener, UnixError>>;
    fn dial_unix<'a>(&'a self, path: &'a Path) -> Boxed<'a, Result<UnixStream, UnixError>>;
    fn resolve<'a>(&'a self, host: &'a str) -> Boxed<'a, Result<Vec<IpAddr>, ResolveError>>;
    fn owner(&self, connection: SocketPair) -> Boxed<'_, Result<Owner, OwnerError>>;
}

impl<N: Net> DynNet for N {
    fn listen(
        &self,
        at: SocketAddr,
        options: ListenOptions,
    ) -> Boxed<'_, Result<BoxListener, ListenError>> {
        Box::pin(async move { Net::listen(self, at, options).await.map(BoxListener::new) })
    }

    fn listen_workers(
        &self,
        at: SocketAddr,
        count: NonZeroUsize,
    ) -> Boxed<'_, Result<Vec<BoxListener>, ListenError>> {
        Box::pin(async move {
            let listeners = Net::listen_workers(self, at, count).await?;
            Ok(listeners.into_iter().map(BoxListener::new).collect())
        })
    }

    fn dial(
        &self,
        to: SocketAddr,
        options: DialOptions,
    ) -> Boxed<'_, Result<BoxStream, DialError>> {
        Box::pin(async move { Net::dial(self, to, options).await.map(BoxStream::new) })
    }

    fn listen_unix<'a>(
        &'a self,
        path: &'a Path,
        options: UnixListenOptions,
    ) -> Boxed<'a, Result<UnixListener, UnixError>> {
        Box::pin(Net::listen_unix(self, path, options))
    }

    fn dial_unix<'a>(&'a self, path: &'a Path) -> Boxed<'a, Result<UnixStream, UnixError>> {
        Box::pin(Net::dial_unix(self, path))
    }

    fn resolve<'a>(&'a self, host: &'a str) -> Boxed<'a, Result<Vec<IpAddr>, ResolveError>> {
        Box::pin(Net::resolve(self, host))
    }

    fn owner(&self, connection: SocketPair) -> Boxed<'_, Result<Owner, OwnerError>> {
        Box::pin(Net::owner(self, connection))
    }
}

/// [`Listener`] with boxed futures, so that it can be `dyn`.
trait DynListener: Send + Sync {
    fn accept(&mut self) -> Boxed<'_, io::Result<(BoxStream, SocketAddr)>>;
    fn local_addr(&self) -> SocketAddr;
}

impl<L: Listener> DynListener for L {
    fn accept(&mut self) -> Boxed<'_, io::Result<(BoxStream, SocketAddr)>> {
        Box::pin(async move {
            let (stream, peer) = Listener::accept(self).await?;
            Ok((BoxStream::new(stream), peer))
        })
    }

    fn local_addr(&self) -> SocketAddr {
        Listener::local_addr(self)
    }
}

impl fmt::Debug for BoxNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxNet")
    }
}

impl fmt::Debug for BoxListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BoxListener")
            .field(&self.0.local_addr())
            .finish()
    }
}

impl fmt::Debug for BoxStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BoxStream").field(&self.pair()).finish()
    }
}

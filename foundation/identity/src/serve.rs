//! Accepted connections for a tonic server: TLS done, the peer attached to each request.
//!
//! Handshakes run side by side, at most [`HANDSHAKES`] at once, each with a deadline; a client
//! that stalls delays nobody. A failed handshake is logged and dropped, never yielded. When the
//! bound is reached, new connections wait in the kernel's queue.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt as _};
use pelago_model::SpiffeId;
use pelago_net::{BoxListener, BoxStream, Listener as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use crate::peer::{ClientAuth, PeerCertificate};
use crate::state::Identity;
use crate::stream::TlsStream;

/// The most handshakes that run at once on one listener.
pub const HANDSHAKES: usize = 256;

/// One accepted connection, its handshake done.
pub struct ServedIo {
    stream: TlsStream<BoxStream>,
    peer: PeerInfo,
}

/// Who is at the other end: in the extensions of every request of the connection.
#[derive(Debug, Clone)]
pub struct PeerInfo {
    /// What it proved.
    pub certificate: PeerCertificate,
    /// Where it connected from.
    pub remote: SocketAddr,
}

/// The connections of `listener`, each accepted as `as_id` with the state of its moment. Ends
/// with the listener's error.
pub fn incoming(
    listener: BoxListener,
    identity: Identity,
    as_id: SpiffeId,
    auth: ClientAuth,
) -> impl Stream<Item = io::Result<ServedIo>> + Send + 'static {
    let accepting = Accepting {
        listener,
        identity,
        as_id,
        auth,
        handshakes: FuturesUnordered::new(),
    };
    stream::unfold(Some(accepting), |accepting| async {
        let mut accepting = accepting?;
        match accepting.next().await {
            Ok(served) => Some((Ok(served), Some(accepting))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

struct Accepting {
    listener: BoxListener,
    identity: Identity,
    as_id: SpiffeId,
    auth: ClientAuth,
    handshakes: FuturesUnordered<Handshake>,
}

type Handshake = Pin<Box<dyn Future<Output = Option<ServedIo>> + Send>>;

impl Accepting {
    async fn next(&mut self) -> io::Result<ServedIo> {
        loop {
            let room = self.handshakes.len() < HANDSHAKES;
            let busy = !self.handshakes.is_empty();
            tokio::select! {
                accepted = self.listener.accept(), if room => {
                    let (io, remote) = accepted?;
                    self.handshakes.push(self.handshake(io, remote));
                }
                Some(done) = self.handshakes.next(), if busy => {
                    if let Some(served) = done {
                        return Ok(served);
                    }
                }
            }
        }
    }

    fn handshake(&self, io: BoxStream, remote: SocketAddr) -> Handshake {
        let (identity, as_id, auth) = (self.identity.clone(), self.as_id.clone(), self.auth);
        Box::pin(async move {
            match identity.accept(io, &as_id, auth).await {
                Ok((stream, certificate)) => Some(ServedIo {
                    stream,
                    peer: PeerInfo {
                        certificate,
                        remote,
                    },
                }),
                Err(error) => {
                    tracing::info!(
                        %remote,
                        reason = error.reason().as_str(),
                        error = &error as &dyn std::error::Error,
                        "a TLS handshake failed"
                    );
                    None
                }
            }
        })
    }
}

impl Connected for ServedIo {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.peer.clone()
    }
}

impl AsyncRead for ServedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ServedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl fmt::Debug for ServedIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServedIo").field(&self.peer).finish()
    }
}

#[cfg(test)]
mod tests;

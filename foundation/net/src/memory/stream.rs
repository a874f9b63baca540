//! A connection of the fabric: two pipes and two addresses.
//!
//! Unix streams are the same without addresses that mean anything.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::pipe::Pipe;
use crate::facts::{Owner, SocketPair};
use crate::seam::Connection;

/// A TCP connection in memory.
pub struct MemoryStream {
    duplex: Duplex,
    pair: SocketPair,
    /// On the dialling side: who opened it, known while it is open.
    _owner: Option<Arc<Owner>>,
}

impl MemoryStream {
    pub(super) const fn new(duplex: Duplex, pair: SocketPair, owner: Option<Arc<Owner>>) -> Self {
        Self {
            duplex,
            pair,
            _owner: owner,
        }
    }
}

/// Bytes both ways.
pub(super) struct Duplex {
    incoming: Arc<Pipe>,
    outgoing: Arc<Pipe>,
    timer: Option<Pin<Box<Sleep>>>,
    broken_off: bool,
}

impl Duplex {
    pub(super) const fn new(incoming: Arc<Pipe>, outgoing: Arc<Pipe>) -> Self {
        Self {
            incoming,
            outgoing,
            timer: None,
            broken_off: false,
        }
    }
}

impl Drop for Duplex {
    fn drop(&mut self) {
        if self.broken_off {
            self.outgoing.reset(self.outgoing.from);
            self.incoming.reset(self.incoming.to);
        }
        self.outgoing.finish();
        self.incoming.leave();
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.incoming.poll_read(cx, &mut this.timer, buf)
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.outgoing.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.finish();
        Poll::Ready(Ok(()))
    }
}

impl Connection for MemoryStream {
    fn local_addr(&self) -> SocketAddr {
        self.pair.local
    }

    fn peer_addr(&self) -> SocketAddr {
        self.pair.peer
    }

    fn original_destination(&self) -> io::Result<Option<SocketAddr>> {
        Ok(None)
    }

    fn reset_on_drop(&mut self) {
        self.duplex.broken_off = true;
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.duplex).poll_read(cx, buf)
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.duplex).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.duplex).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.duplex).poll_shutdown(cx)
    }
}

impl fmt::Debug for MemoryStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryStream").field(&self.pair).finish()
    }
}

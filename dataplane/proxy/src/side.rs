//! One side of a relay: a TCP connection, or a stream of a tunnel.
//!
//! It adds to them only how to break off: a tunnel's stream that is dropped
//! before its end is reset by itself, a connection must be told.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use pelago_dataplane_hbone::stream::HboneStream;
use pelago_net::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A side of a relay.
#[derive(Debug)]
pub(crate) enum Side<S> {
    /// A program, or the controller.
    Tcp(S),
    /// A peer.
    Tunnel(HboneStream),
}

impl<S: Connection> Side<S> {
    /// Its end, when it is dropped, is a reset.
    pub(crate) fn break_off(&mut self) {
        if let Self::Tcp(stream) = self {
            stream.reset_on_drop();
        }
    }
}

impl<S: Connection> AsyncRead for Side<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tunnel(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl<S: Connection> AsyncWrite for Side<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tunnel(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tunnel(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Tunnel(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tunnel(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tunnel(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

//! Accepted connections for a tonic server, the caller attached to each request.
//!
//! A user with too many connections has further ones closed at once; nobody else waits for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, Stream};
use pelago_net::{UnixListener, UnixStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use crate::attestation::Caller;
use crate::budget::{Budget, Permit};

/// One connection; counted until it is dropped.
pub(crate) struct CallerIo {
    stream: UnixStream,
    caller: Caller,
    _permit: Permit,
}

/// Connections until the listener is finished.
pub(crate) fn incoming(
    listener: UnixListener,
    budget: Budget,
) -> impl Stream<Item = io::Result<CallerIo>> + Send + 'static {
    stream::unfold(Some((listener, budget)), |accepting| async {
        let (mut listener, budget) = accepting?;
        match accept(&mut listener, &budget).await {
            Ok(accepted) => Some((Ok(accepted), Some((listener, budget)))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

async fn accept(listener: &mut UnixListener, budget: &Budget) -> io::Result<CallerIo> {
    loop {
        let stream = listener.accept().await?;
        let caller = Caller::new(stream.peer().clone());
        let uid = caller.credentials().uid;
        if let Some(permit) = budget.take(uid) {
            return Ok(CallerIo {
                stream,
                caller,
                _permit: permit,
            });
        }
        tracing::debug!(uid, "too many connections to the Workload API: closed");
    }
}

impl Connected for CallerIo {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for CallerIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CallerIo {
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

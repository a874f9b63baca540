//! One tunnelled byte stream.
//!
//! Half-close is END_STREAM, in each direction by itself. The peer's window
//! opens only as the reader consumes, and a writer waits for the window it
//! writes into, so a stream keeps at most its window received and its send
//! buffer unsent. A stream dropped before its end is reset, never quietly
//! ended: a cut is not an end of file.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use crate::broken::{self, io_error};
use crate::count::Counted;

/// A byte stream inside a tunnel; a transport like any other, TLS and further
/// tunnels included.
///
/// Errors: `ConnectionReset` when the peer reset the stream,
/// `ConnectionAborted` when it ended the tunnel by an error, else the kind the
/// tunnel's own transport failed with.
///
/// Dropping it before both directions ended resets it and discards what is not
/// sent yet; only the asked side, once it wrote its end, still delivers that
/// (RFC 9113 section 8.1). To be sure of delivery, read to the end first.
pub struct HboneStream {
    send: SendStream<Bytes>,
    receive: RecvStream,
    /// Received and not yet read.
    chunk: Bytes,
    read_ended: bool,
    write_ended: bool,
    _counted: Option<Counted>,
}

impl HboneStream {
    pub(crate) fn new(
        send: SendStream<Bytes>,
        receive: RecvStream,
        counted: Option<Counted>,
    ) -> Self {
        Self {
            send,
            receive,
            chunk: Bytes::new(),
            read_ended: false,
            write_ended: false,
            _counted: counted,
        }
    }

    /// Writes from the front of `data` without copying; returns how many bytes
    /// were taken off it (0 only when it is empty).
    ///
    /// # Errors
    /// As of any write.
    pub fn poll_write_bytes(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
    ) -> Poll<io::Result<usize>> {
        let room = ready!(self.poll_room(cx, data.len()))?;
        let part = data.split_to(room);
        Poll::Ready(self.send(cx, part))
    }

    /// Writes all of `data` without copying.
    ///
    /// # Errors
    /// As of any write.
    pub async fn write_bytes(&mut self, mut data: Bytes) -> io::Result<()> {
        while !data.is_empty() {
            poll_fn(|cx| self.poll_write_bytes(cx, &mut data)).await?;
        }
        Ok(())
    }

    /// Waits until at least one byte of `wanted` may be sent.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        if self.write_ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let wanted = wanted.min(MAX_WRITE);
        if wanted == 0 {
            return Poll::Ready(Ok(0));
        }
        self.send.reserve_capacity(wanted);
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                None => return Poll::Ready(Err(self.why(cx))),
            }
        }
        Poll::Ready(Ok(wanted.min(self.send.capacity())))
    }

    fn send(&mut self, cx: &mut Context<'_>, data: Bytes) -> io::Result<usize> {
        let length = data.len();
        if length == 0 {
            return Ok(0);
        }
        match self.send.send_data(data, false) {
            Ok(()) => Ok(length),
            Err(_) => Err(self.why(cx)),
        }
    }

    /// Why the sending side is closed although we did not end it.
    fn why(&mut self, cx: &mut Context<'_>) -> io::Error {
        match self.send.poll_reset(cx) {
            Poll::Ready(Ok(reason)) => broken::reset(reason),
            Poll::Ready(Err(error)) => io_error(error),
            Poll::Pending => io::ErrorKind::BrokenPipe.into(),
        }
    }
}

impl AsyncBufRead for HboneStream {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.chunk.is_empty() && !this.read_ended {
            match ready!(this.receive.poll_data(cx)) {
                Some(data) => this.chunk = data.map_err(io_error)?,
                None => this.read_ended = true,
            }
        }
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        let amount = amount.min(this.chunk.len());
        if amount == 0 {
            return;
        }
        this.chunk.advance(amount);
        // Fails only for more than was received, which `min` rules out.
        let _ = this.receive.flow_control().release_capacity(amount);
    }
}

impl AsyncRead for HboneStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let chunk = ready!(self.as_mut().poll_fill_buf(cx))?;
        let length = chunk.len().min(buffer.remaining());
        buffer.put_slice(chunk.get(..length).unwrap_or_default());
        self.consume(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HboneStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let room = ready!(this.poll_room(cx, buffer.len()))?;
        let part = Bytes::copy_from_slice(buffer.get(..room).unwrap_or_default());
        Poll::Ready(this.send(cx, part))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wanted = buffers
            .iter()
            .fold(0_usize, |sum, buffer| sum.saturating_add(buffer.len()));
        let room = ready!(this.poll_room(cx, wanted))?;
        let mut part = BytesMut::with_capacity(room);
        for buffer in buffers {
            let take = buffer.len().min(room - part.len());
            part.extend_from_slice(buffer.get(..take).unwrap_or_default());
        }
        Poll::Ready(this.send(cx, part.freeze()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing waits here: the tunnel's driver sends what was written.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.write_ended {
            if this.send.send_data(Bytes::new(), true).is_err() {
                return Poll::Ready(Err(this.why(cx)));
            }
            this.write_ended = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for HboneStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HboneStream")
            .field("stream", &self.send.stream_id())
            .field("read_ended", &self.read_ended)
            .field("write_ended", &self.write_ended)
            .finish_non_exhaustive()
    }
}

/// One write takes no more, so that one stream cannot reserve the whole
/// connection's window ahead of others.
const MAX_WRITE: usize = 256 * 1024;

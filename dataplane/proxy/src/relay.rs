//! Bytes both ways until both sides are done.
//!
//! One side's end is passed on as the other's end (half-close) and the way back
//! stays open. A buffer is held only while it holds bytes, so an idle
//! connection costs none. A failure on either side ends both.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Relays between `near` and `far` until both have ended or one fails; `meter`
/// counts as bytes are delivered.
///
/// # Errors
/// The first failure of either side.
pub(crate) async fn relay<A, B>(
    near: &mut A,
    far: &mut B,
    meter: &Meter,
    buffers: &Buffers,
) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let mut out = Pump::new(buffers, &meter.sent);
    let mut back = Pump::new(buffers, &meter.received);
    std::future::poll_fn(|cx| {
        let sent = out.poll(cx, near, far)?;
        let received = back.poll(cx, far, near)?;
        match (sent, received) {
            (Poll::Ready(()), Poll::Ready(())) => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    })
    .await
}

/// What was delivered so far, seen from the near side.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    sent: Way,
    received: Way,
}

/// What was delivered one way.
#[derive(Debug, Default)]
struct Way {
    bytes: AtomicU64,
    /// The end of it, too.
    whole: AtomicBool,
}

impl Meter {
    /// From near to far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.bytes.load(Ordering::Relaxed)
    }

    /// Whether the far side was told the near side's end.
    pub(crate) fn sent_whole(&self) -> bool {
        self.sent.whole.load(Ordering::Relaxed)
    }

    /// From far to near.
    pub(crate) fn received(&self) -> u64 {
        self.received.bytes.load(Ordering::Relaxed)
    }

    /// Whether the near side was told the far side's end.
    pub(crate) fn received_whole(&self) -> bool {
        self.received.whole.load(Ordering::Relaxed)
    }
}

/// Buffers to use again, at most [`KEPT`] of them. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers {
    free: Arc<Mutex<Vec<Box<[u8]>>>>,
}

impl Buffers {
    fn take(&self) -> Box<[u8]> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop()
            .unwrap_or_else(|| vec![0; BUFFER].into_boxed_slice())
    }

    fn give(&self, buffer: Box<[u8]>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(buffer);
        }
    }
}

/// One direction.
struct Pump<'a> {
    buffers: &'a Buffers,
    way: &'a Way,
    /// Held while it has bytes from `begin` to `end`.
    buffer: Option<Box<[u8]>>,
    begin: usize,
    end: usize,
    unflushed: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Flowing,
    Ending,
    Ended,
}

impl<'a> Pump<'a> {
    const fn new(buffers: &'a Buffers, way: &'a Way) -> Self {
        Self {
            buffers,
            way,
            buffer: None,
            begin: 0,
            end: 0,
            unflushed: false,
            state: State::Flowing,
        }
    }

    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            match self.state {
                State::Ended => return Poll::Ready(Ok(())),
                State::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.way.whole.store(true, Ordering::Relaxed);
                    self.state = State::Ended;
                }
                State::Flowing if self.begin < self.end => ready!(self.poll_write(cx, to))?,
                State::Flowing => {
                    if self.poll_read(cx, from)?.is_pending() {
                        self.release();
                        if self.unflushed {
                            ready!(Pin::new(&mut *to).poll_flush(cx))?;
                            self.unflushed = false;
                        }
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    fn poll_read<R>(&mut self, cx: &mut Context<'_>, from: &mut R) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
    {
        let buffers = self.buffers;
        let buffer = self.buffer.get_or_insert_with(|| buffers.take());
        let mut into = ReadBuf::new(buffer);
        ready!(Pin::new(from).poll_read(cx, &mut into))?;
        let count = into.filled().len();
        (self.begin, self.end) = (0, count);
        if count == 0 {
            self.release();
            self.state = State::Ending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write<W>(&mut self, cx: &mut Context<'_>, to: &mut W) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        let held = self.buffer.as_deref().unwrap_or_default();
        let bytes = held.get(self.begin..self.end).unwrap_or_default();
        let count = ready!(Pin::new(to).poll_write(cx, bytes))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.begin += count;
        self.unflushed = true;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.way.bytes.fetch_add(count, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn release(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.buffers.give(buffer);
        }
    }
}

impl Drop for Pump<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

/// Bytes of one buffer.
const BUFFER: usize = 32 * 1024;
/// Buffers kept for the next use, per worker.
const KEPT: usize = 256;

#[cfg(test)]
mod tests;

//! Bytes one way between two hosts: bounded, and the network between can be cut.
//!
//! As TCP: what is written while the way is cut waits and arrives when it heals; the end of the
//! stream comes after the bytes, a reset at once. A lock is held for copying only.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep, sleep_until};

/// A host's number in its fabric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct HostId(pub(super) usize);

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Pipe {
    /// The writing host.
    pub(super) from: HostId,
    /// The reading host.
    pub(super) to: HostId,
    latency: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: VecDeque<u8>,
    /// How many of `bytes` have arrived.
    arrived: usize,
    /// When the others arrive, and how many then.
    transit: VecDeque<(Instant, usize)>,
    /// Once the writer has closed: when its end arrives.
    finished: Option<Instant>,
    reader_left: bool,
    reset: bool,
    cut: bool,
    /// The hosts that were killed know it even when cut off.
    killed: Option<HostId>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    pub(super) fn new(from: HostId, to: HostId, latency: Duration) -> Self {
        let latency = if from == to { Duration::ZERO } else { latency };
        Self {
            from,
            to,
            latency,
            state: Mutex::default(),
        }
    }

    /// Reads what has arrived; `timer` is the reader's own, for bytes on their way.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        timer: &mut Option<Pin<Box<Sleep>>>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if state.reset_seen_by(self.to) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        state.reader = Some(cx.waker().clone());
        if state.cut {
            return Poll::Pending;
        }
        let now = Instant::now();
        state.arrive(now);
        if state.arrived > 0 {
            let length = state.arrived.min(buf.remaining());
            let target = buf.initialize_unfilled_to(length);
            let copied = state.bytes.read(target)?;
            buf.advance(copied);
            state.arrived -= copied;
            wake(&mut state.writer);
            return Poll::Ready(Ok(()));
        }
        let next = state.transit.front().map(|(at, _)| *at).or(state.finished);
        match next {
            None => Poll::Pending,
            Some(at) if at <= now => Poll::Ready(Ok(())),
            Some(at) => {
                drop(state);
                let mut sleep = Box::pin(sleep_until(at));
                if sleep.as_mut().poll(cx).is_ready() {
                    cx.waker().wake_by_ref();
                }
                *timer = Some(sleep);
                Poll::Pending
            }
        }
    }

    /// Takes as much as fits.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        if state.reset_seen_by(self.from) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if state.finished.is_some() || (state.reader_left && !state.cut) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let length = bytes.len().min(CAPACITY - state.bytes.len());
        if length == 0 && !bytes.is_empty() {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let (taken, _later) = bytes.split_at(length);
        state.bytes.extend(taken);
        if self.latency.is_zero() {
            state.arrived += length;
        } else {
            let at = Instant::now() + self.latency;
            state.transit.push_back((at, length));
        }
        wake(&mut state.reader);
        Poll::Ready(Ok(length))
    }

    /// The writer sends no more.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        if state.finished.is_none() {
            state.finished = Some(Instant::now() + self.latency);
            wake(&mut state.reader);
        }
    }

    /// The reader listens no more.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        state.reader_left = true;
        wake(&mut state.writer);
    }

    /// Both ends read and write an error, and nothing that was on its way arrives. A host that
    /// is cut off from the one that did it (or was killed) does not notice before the way heals.
    pub(super) fn reset(&self, killed: HostId) {
        let mut state = self.lock();
        state.reset = true;
        state.killed = Some(killed);
        state.bytes.clear();
        state.transit.clear();
        state.arrived = 0;
        state.wake_both();
    }

    /// Whether anything gets through.
    pub(super) fn set_cut(&self, cut: bool) {
        let mut state = self.lock();
        state.cut = cut;
        state.wake_both();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn reset_seen_by(&self, host: HostId) -> bool {
        self.reset && (!self.cut || self.killed == Some(host))
    }

    fn arrive(&mut self, now: Instant) {
        while let Some((at, length)) = self.transit.front().copied() {
            if at > now {
                break;
            }
            self.transit.pop_front();
            self.arrived += length;
        }
    }

    fn wake_both(&mut self) {
        wake(&mut self.reader);
        wake(&mut self.writer);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// Bytes under way before the writer waits.
const CAPACITY: usize = 64 * 1024;

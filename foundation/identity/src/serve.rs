//! Accepted connections for a tonic server: TLS done, the peer attached to each request.
//!
//! Handshakes run side by side, at most [`HANDSHAKES`] at once, each with a deadline; a client
//! that stalls delays nobody, since where there are too many the oldest of the greediest source
//! ends. So it is with open connections, by identity; those of clients that proved none are counted
//! by source and end after [`GUEST_LIMIT`] in any case: they may only join or enrol. A failed handshake is dropped, never
//! yielded; of a flood of them only some are logged.

use std::fmt;
use std::future::{Future, Pending, pending};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{Abortable, Aborted};
use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt as _};
use pelago_model::SpiffeId;
use pelago_net::{BoxListener, BoxStream, Listener as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tonic::transport::server::Connected;

use crate::error::TlsError;
use crate::peer::{ClientAuth, PeerCertificate};
use crate::seats::{Seat, Seats, source};
use crate::state::Identity;
use crate::stream::TlsStream;

/// The most handshakes that run at once on one listener.
pub const HANDSHAKES: usize = 256;

/// How long a connection lasts whose client proved no identity.
pub const GUEST_LIMIT: Duration = Duration::from_secs(120);

/// One accepted connection, its handshake done.
pub struct ServedIo {
    stream: TlsStream<BoxStream>,
    peer: PeerInfo,
    stay: Stay,
}

/// How long a connection lasts: until its seat is needed, and without a verified identity only
/// for a while.
enum Stay {
    Peer {
        end: Abortable<Pending<()>>,
        _seat: Seat<SpiffeId>,
    },
    Guest {
        end: Pin<Box<Abortable<Sleep>>>,
        _seat: Seat<IpAddr>,
    },
}

/// Who may stay, on one listener.
#[derive(Clone)]
struct Places {
    peers: Seats<SpiffeId>,
    guests: Seats<IpAddr>,
}

impl Places {
    fn take(&self, peer: &PeerInfo) -> Stay {
        match peer.certificate.verified() {
            Some(verified) => {
                let (seat, displaced) = self.peers.take(verified.id().clone());
                Stay::Peer {
                    end: Abortable::new(pending(), displaced),
                    _seat: seat,
                }
            }
            None => {
                let (seat, displaced) = self.guests.take(source(peer.remote.ip()));
                Stay::Guest {
                    end: Box::pin(Abortable::new(sleep(GUEST_LIMIT), displaced)),
                    _seat: seat,
                }
            }
        }
    }
}

impl Stay {
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Peer { end, .. } => Pin::new(end).poll(cx).is_ready(),
            Self::Guest { end, .. } => end.as_mut().poll(cx).is_ready(),
        }
    }
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
        seats: Seats::new(HANDSHAKES_OF_SOURCE, HANDSHAKES),
        places: Places {
            peers: Seats::new(CONNECTIONS_OF_PEER, CONNECTIONS),
            guests: Seats::new(GUESTS_OF_SOURCE, GUESTS),
        },
        failures: Failures::default(),
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
    seats: Seats<IpAddr>,
    places: Places,
    failures: Failures,
}

type Handshake = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type Outcome = Result<ServedIo, (SocketAddr, Failure)>;

/// Why a handshake yielded nothing.
enum Failure {
    Tls(TlsError),
    /// Its seat was needed.
    Displaced,
}

impl Accepting {
    async fn next(&mut self) -> io::Result<ServedIo> {
        loop {
            let busy = !self.handshakes.is_empty();
            tokio::select! {
                accepted = self.listener.accept() => {
                    let (io, remote) = accepted?;
                    self.handshakes.push(self.handshake(io, remote));
                }
                Some(done) = self.handshakes.next(), if busy => match done {
                    Ok(served) => return Ok(served),
                    Err((remote, failure)) => self.failures.tell(remote, &failure),
                }
            }
        }
    }

    fn handshake(&self, io: BoxStream, remote: SocketAddr) -> Handshake {
        let (identity, as_id, auth) = (self.identity.clone(), self.as_id.clone(), self.auth);
        let places = self.places.clone();
        let (seat, displaced) = self.seats.take(source(remote.ip()));
        let handshake = async move { identity.accept(io, &as_id, auth).await };
        let handshake = Abortable::new(handshake, displaced);
        Box::pin(async move {
            let _seat = seat;
            let (stream, certificate) = match handshake.await {
                Ok(Ok(accepted)) => accepted,
                Ok(Err(error)) => return Err((remote, Failure::Tls(error))),
                Err(Aborted) => return Err((remote, Failure::Displaced)),
            };
            let peer = PeerInfo {
                certificate,
                remote,
            };
            Ok(ServedIo {
                stay: places.take(&peer),
                stream,
                peer,
            })
        })
    }
}

/// Tells of failed handshakes, of so many in a while.
#[derive(Default)]
struct Failures {
    since: Option<Instant>,
    told: u32,
    untold: u64,
}

impl Failures {
    fn tell(&mut self, remote: SocketAddr, failure: &Failure) {
        let Some(untold) = self.admit(Instant::now()) else {
            return;
        };
        match failure {
            Failure::Tls(error) => tracing::info!(
                %remote,
                reason = error.reason().as_str(),
                error = error as &dyn std::error::Error,
                untold,
                "a TLS handshake failed"
            ),
            Failure::Displaced => tracing::info!(
                %remote,
                untold,
                "a TLS handshake was ended: too many of its source wait"
            ),
        }
    }

    /// How many were not told of before this one; `None` if this is not told of either.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        let over = self
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= TELL_WINDOW);
        if over {
            self.since = Some(now);
            self.told = 0;
        }
        if self.told >= TELL_MOST {
            self.untold = self.untold.saturating_add(1);
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.untold))
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
        if self.stay.is_over(cx) {
            let why = "too many connections, or one without a verified identity for too long";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
        }
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

/// A gateway brings those of many machines from one address.
const HANDSHAKES_OF_SOURCE: usize = 64;
const CONNECTIONS: usize = 16 * 1024;
/// A part of ours uses one or two.
const CONNECTIONS_OF_PEER: usize = 64;
const GUESTS: usize = 1024;
const GUESTS_OF_SOURCE: usize = 256;
/// Failed handshakes that are told of in each window.
const TELL_MOST: u32 = 10;
const TELL_WINDOW: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;

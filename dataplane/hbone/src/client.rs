//! The side that asks: one tunnel, many CONNECTs.
//!
//! [`open`] gives a [`Tunnel`] to share and a driver to run; nothing moves
//! unless the driver is polled. There are no deadlines here except the
//! keepalive's: whoever asks sets them, and dropping a future takes it back.

mod request;

use std::fmt;
use std::future::{Future, pending};
use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use http::StatusCode;
use http::response::Parts;
use pelago_model::WorkloadUid;
use pelago_wire::hbone::{ENDPOINT, REFUSAL, parse_endpoint, parse_refusal};
use pelago_wire::malformed::Malformed;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

pub use request::Request;

use crate::broken::io_error;
use crate::count::Count;
use crate::ping::{self, Pings};
use crate::pool::Pooled;
use crate::settings::Settings;
use crate::stream::HboneStream;

/// Opens a tunnel over `io`, which is connected and authenticated.
///
/// The second value is the driver: run it in a scope. It ends when the peer
/// ends the connection, when it gives no sign of life
/// ([`Settings::ping_limit`]), after [`Tunnel::close`], or when every
/// [`Tunnel`] clone and every stream is gone. Dropping it cuts all streams.
///
/// # Errors
/// [`OpenError::Handshake`] when `io` takes no bytes.
pub async fn open<S>(
    io: S,
    settings: Settings,
) -> Result<(Tunnel, impl Future<Output = ()> + Send + 'static), OpenError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, mut connection) =
        settings
            .client()
            .handshake::<S, Bytes>(io)
            .await
            .map_err(|error| OpenError::Handshake {
                source: io_error(error),
            })?;
    let (pings, answers) = ping::channel();
    let alive = connection
        .ping_pong()
        .map(|it| ping::keep(it, answers, settings.ping_every, settings.ping_limit));
    let (close, closing) = watch::channel(false);
    let tunnel = Tunnel {
        sender,
        pings,
        close,
        count: Count::default(),
        limit: settings.client_streams,
    };
    Ok((tunnel, drive(connection, alive, closing)))
}

/// A tunnel to one peer; clones share it.
#[derive(Clone)]
pub struct Tunnel {
    sender: SendRequest<Bytes>,
    pings: Pings,
    close: watch::Sender<bool>,
    count: Count,
    limit: usize,
}

/// A CONNECT that was answered by 200.
#[derive(Debug)]
pub struct Opened {
    /// The bytes to and from the target.
    pub stream: HboneStream,
    /// The endpoint a gateway says it chose. Only a word of the peer: the
    /// inner handshake proves who is there.
    pub endpoint: Option<WorkloadUid>,
}

/// Why there is no tunnel, or no stream in it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The transport did not take HTTP/2's first bytes.
    #[error("the HTTP/2 handshake failed; try another address")]
    Handshake {
        /// What the transport said.
        source: io::Error,
    },
    /// The peer answered, and it was no.
    #[error(
        "refused with status {status} (refusal {}); the refusing side's log has the reason under that id",
        refusal.as_deref().unwrap_or("without id")
    )]
    Refused {
        /// The HTTP status: 401 by policy, 400, 404 or 503.
        status: u16,
        /// The opaque id that leads to the reason in the refuser's log.
        refusal: Option<String>,
    },
    /// The tunnel ended, is ending, or the peer reset the request; nothing was
    /// forwarded, so asking again through another tunnel is safe.
    #[error("the tunnel broke before an answer; open another")]
    Broken {
        /// How it ended.
        source: io::Error,
    },
    /// The request could not be written, or a 200 told what is no endpoint.
    #[error("the CONNECT is malformed")]
    Malformed {
        /// The field, its value and what is allowed.
        source: Malformed,
    },
}

/// There will be no answer to a PING: the tunnel has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tunnel has ended; open another")]
pub struct Ended;

impl Tunnel {
    /// Asks for a stream to the request's target; resolves with the peer's
    /// answer. It waits while the peer's limit of streams is reached: set a
    /// deadline. Dropping the future resets the request.
    ///
    /// # Errors
    /// [`OpenError`]; a refusal leaves the tunnel usable.
    pub async fn connect(&self, request: Request) -> Result<Opened, OpenError> {
        let counted = self.count.enter();
        let request = request
            .into_http()
            .map_err(|source| OpenError::Malformed { source })?;
        let mut sender = self.sender.clone().ready().await.map_err(broken)?;
        let (answer, send) = sender.send_request(request, false).map_err(broken)?;
        let (head, receive) = answer.await.map_err(broken)?.into_parts();
        if head.status != StatusCode::OK {
            return Err(refused(&head));
        }
        let endpoint = head
            .headers
            .get(ENDPOINT)
            .map(|value| parse_endpoint(value.as_bytes()))
            .transpose()
            .map_err(|source| OpenError::Malformed { source })?;
        Ok(Opened {
            stream: HboneStream::new(send, receive, Some(counted)),
            endpoint,
        })
    }

    /// The round trip of one HTTP/2 PING. At most one is under way; callers
    /// that come meanwhile share its answer.
    ///
    /// # Errors
    /// [`Ended`] when the tunnel ended before the answer, at the latest after
    /// [`Settings::ping_limit`].
    pub async fn ping(&self) -> Result<Duration, Ended> {
        self.pings.ping().await.ok_or(Ended)
    }

    /// It takes no new streams: ended, closing, or the peer said GOAWAY.
    /// Streams under way may go on.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        *self.close.borrow()
            || self.pings.has_ended()
            || matches!(self.sender.clone().poll_ready(&mut cx), Poll::Ready(Err(_)))
    }

    /// Waits until the connection is over and every stream with it.
    pub async fn closed(&self) {
        self.pings.ended().await;
    }

    /// Streams under way, those still waiting for their answer included.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.count.now()
    }

    /// Another stream fits: fewer than [`Settings::client_streams`] and than
    /// the peer admits.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.streams() < self.limit.min(self.sender.current_max_send_streams())
    }

    /// Cuts the connection and all its streams. (To end it gracefully, drop
    /// every clone: it closes after its last stream.)
    pub fn close(&self) {
        self.close.send_replace(true);
    }
}

impl Pooled for Tunnel {
    fn is_closed(&self) -> bool {
        self.is_closed()
    }

    fn has_room(&self) -> bool {
        self.has_room()
    }

    fn streams(&self) -> usize {
        self.streams()
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel")
            .field("streams", &self.streams())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

async fn drive<S>(
    connection: Connection<S, Bytes>,
    alive: Option<impl Future<Output = ()>>,
    mut closing: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let alive = async {
        match alive {
            Some(alive) => alive.await,
            None => pending().await,
        }
    };
    let closed = async {
        if closing.wait_for(|closed| *closed).await.is_err() {
            // Every clone is gone; the streams may finish.
            pending::<()>().await;
        }
    };
    tokio::select! {
        ended = connection => match ended {
            Ok(()) => tracing::debug!("tunnel ended"),
            Err(error) => tracing::debug!(%error, "tunnel broke"),
        },
        () = alive => tracing::debug!("tunnel cut: the peer gives no sign of life"),
        () = closed => tracing::debug!("tunnel closed"),
    }
}

fn broken(error: h2::Error) -> OpenError {
    OpenError::Broken {
        source: io_error(error),
    }
}

fn refused(head: &Parts) -> OpenError {
    OpenError::Refused {
        status: head.status.as_u16(),
        refusal: head
            .headers
            .get(REFUSAL)
            .and_then(|value| parse_refusal(value.as_bytes())),
    }
}

//! The side that is asked: CONNECTs as they come, each to be answered.
//!
//! [`Server::next`] drives the whole connection, streams accepted earlier
//! included: poll it until it ends. Nothing here decides who may connect and
//! nothing is forwarded before [`Incoming::accept`].

mod allowance;
mod incoming;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Method, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

pub use incoming::{AnswerError, Incoming};

use crate::broken::io_error;
use crate::ping;
use crate::settings::Settings;
use allowance::{Abandoned, Allowance};

/// One tunnel as its server sees it. Dropping it cuts all its streams.
pub struct Server<S> {
    /// Gone once it has ended, so that its streams learn of it.
    connection: Option<Connection<S, Bytes>>,
    alive: Pin<Box<dyn Future<Output = ()> + Send>>,
    abandoned: Abandoned,
    allowance: Allowance,
    failure: Option<io::Error>,
}

/// The peer does not speak HTTP/2.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP/2 handshake failed: the peer does not speak HBONE")]
pub struct HandshakeError {
    /// What was wrong with it.
    #[source]
    pub source: io::Error,
}

impl<S> Server<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// Takes the HTTP/2 preface from `io`, which is accepted and
    /// authenticated. A silent peer keeps it waiting: set a deadline.
    ///
    /// # Errors
    /// [`HandshakeError`].
    pub async fn accept(io: S, settings: Settings) -> Result<Self, HandshakeError> {
        let mut connection =
            settings
                .server()
                .handshake::<S, Bytes>(io)
                .await
                .map_err(|error| HandshakeError {
                    source: io_error(error),
                })?;
        let alive: Pin<Box<dyn Future<Output = ()> + Send>> = match connection.ping_pong() {
            Some(pingpong) => {
                let (_, answers) = ping::channel();
                let (every, limit) = (settings.ping_every, settings.ping_limit);
                Box::pin(ping::keep(pingpong, answers, every, limit))
            }
            None => Box::pin(std::future::pending()),
        };
        Ok(Self {
            connection: Some(connection),
            alive,
            abandoned: Abandoned::default(),
            allowance: Allowance::new(settings.abandoned, Instant::now()),
            failure: None,
        })
    }

    /// The next CONNECT; `None` when the connection is over. Safe to cancel
    /// and call again. A request that is no CONNECT is answered by 400 here.
    pub async fn next(&mut self) -> Option<Incoming> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Says GOAWAY: no new streams, those under way may finish. Go on calling
    /// [`Server::next`] until it ends; a deadline is yours, by dropping.
    pub fn drain(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.graceful_shutdown();
        }
    }

    /// How the connection ended, when it was by a failure.
    #[must_use]
    pub const fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        if self.connection.is_some() && self.alive.as_mut().poll(cx).is_ready() {
            return self.end(Some(io::ErrorKind::TimedOut.into()));
        }
        loop {
            let Some(connection) = &mut self.connection else {
                return Poll::Ready(None);
            };
            if !self.allowance.spend(self.abandoned.take(), Instant::now()) {
                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                let flood = io::Error::new(io::ErrorKind::ConnectionAborted, FLOOD);
                self.failure = Some(flood);
            }
            match ready!(connection.poll_accept(cx)) {
                Some(Ok((request, respond))) => {
                    if let Some(incoming) = self.receive(request, respond) {
                        return Poll::Ready(Some(incoming));
                    }
                }
                Some(Err(error)) => return self.end(Some(io_error(error))),
                None => return self.end(None),
            }
        }
    }

    fn receive(
        &self,
        request: http::Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) -> Option<Incoming> {
        let extended = request.extensions().get::<h2::ext::Protocol>().is_some();
        if request.method() == Method::CONNECT && !extended {
            return Some(Incoming::new(request, respond, self.abandoned.clone()));
        }
        let mut answer = http::Response::new(());
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        // Fails only when the peer has gone meanwhile.
        let _ = respond.send_response(answer, true);
        None
    }

    fn end(&mut self, failure: Option<io::Error>) -> Poll<Option<Incoming>> {
        self.connection = None;
        self.failure = self.failure.take().or(failure);
        Poll::Ready(None)
    }
}

const FLOOD: &str = "the peer takes back too many requests before their answer";

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("ended", &self.connection.is_none())
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

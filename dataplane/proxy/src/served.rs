//! What the two sides that are called have in common: a verified peer, its
//! requests one by one, and refusals that tell little.

use std::sync::Arc;
use std::time::Duration;

use pelago_dataplane_hbone::Settings as Hbone;
use pelago_dataplane_hbone::server::{AnswerError, Incoming, Server};
use pelago_dataplane_policy::Destination;
use pelago_identity::{PeerCertificate, TlsError, TlsStream};
use pelago_model::Reason;
use pelago_net::Net;
use pelago_svid::VerifiedPeer;
use pelago_wire::hbone::Target;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::shares::{Share, Who};
use crate::telemetry::Line;
use crate::worker::Worker;

/// The TLS stream with the peer that its handshake verified.
pub(crate) fn verified<S>(
    accepted: Result<(TlsStream<S>, PeerCertificate), TlsError>,
) -> Result<(TlsStream<S>, VerifiedPeer), Reason> {
    match accepted {
        Ok((tls, PeerCertificate::Verified(peer))) => Ok((tls, peer)),
        Ok((_, PeerCertificate::Unverified { .. })) => Err(Reason::BadCertificate),
        Ok((_, PeerCertificate::Absent)) => Err(Reason::NoIdentity),
        Err(error) => {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a caller was not verified"
            );
            Err(error.reason())
        }
    }
}

/// Serves every request of the connection, each in a task of its own, until it
/// ends; once the drain begins no further ones are taken. `line` is for what is
/// refused here.
pub(crate) async fn requests<N, S, F>(
    worker: &Worker<N>,
    tls: TlsStream<S>,
    caller: &VerifiedPeer,
    line: Line,
    serve: impl Fn(Incoming) -> F,
) where
    N: Net,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let line = Line {
        source_id: Some(caller.id().clone()),
        source_cluster: caller.issuer_cluster().cloned(),
        ..line
    };
    let party = Who::of(caller, &worker.settings.home);
    let Some(_share) = worker.parties.take(party.clone()) else {
        return refused(worker, line, Reason::Overloaded);
    };
    let accepting = Server::accept(tls, Hbone::default());
    let Ok(Ok(mut server)) = timeout(PREFACE, accepting).await else {
        tracing::debug!(caller = %caller.id(), "a caller does not speak HTTP/2");
        return;
    };
    let mut draining = false;
    loop {
        let next = tokio::select! {
            next = server.next() => next,
            () = worker.drain.begun(), if !draining => {
                draining = true;
                server.drain();
                continue;
            }
        };
        match next {
            Some(incoming) if worker.identity.now() > caller.not_after() => {
                // Its SVID has run out while the connection was open.
                incoming.refuse(UNAUTHORIZED, &refusal());
                server.drain();
            }
            Some(incoming) => match room(worker, &party) {
                Some(room) => {
                    let serving = serve(incoming);
                    worker.scope.spawn("request", async move {
                        serving.await;
                        drop(room);
                    });
                }
                None => {
                    let full = Refused::unreached(Reason::Overloaded);
                    full.answer(worker, incoming, line.clone(), Instant::now());
                }
            },
            None => {
                if let Some(error) = server.failure() {
                    tracing::debug!(%error, "a caller's connection broke");
                }
                return;
            }
        }
    }
}

/// Room for one more request of that party.
fn room<N: Net>(worker: &Worker<N>, party: &Who) -> Option<(OwnedSemaphorePermit, Share)> {
    let room = Arc::clone(&worker.requests).try_acquire_owned().ok()?;
    Some((room, worker.askers.take(party.clone())?))
}

/// What a request asks for.
pub(crate) fn destination(incoming: &Incoming) -> Result<Destination, Refused> {
    match &incoming.target {
        Ok(Target::Service { host, port }) => Ok(Destination::Service {
            host: host.clone(),
            port: *port,
        }),
        Ok(Target::Address(address)) => Ok(Destination::Address(*address)),
        Err(error) => {
            tracing::debug!(%error, "a malformed tunnel request");
            Err(Refused {
                status: BAD_REQUEST,
                reason: Reason::BadRequest,
            })
        }
    }
}

/// A request that is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    status: u16,
    reason: Reason,
}

impl Refused {
    /// By a decision.
    pub(crate) const fn denied(reason: Reason) -> Self {
        let status = match reason {
            Reason::UnknownDestination | Reason::UnknownPort => NOT_FOUND,
            Reason::ForbiddenDestination => FORBIDDEN,
            Reason::NoEndpoints | Reason::AllEndpointsFailed => UNAVAILABLE,
            _ => UNAUTHORIZED,
        };
        Self { status, reason }
    }

    /// Because the next hop was not reached.
    pub(crate) const fn unreached(reason: Reason) -> Self {
        Self {
            status: UNAVAILABLE,
            reason,
        }
    }

    /// Answers with the status and an opaque id that our line has too.
    pub(crate) fn answer<N: Net>(
        self,
        worker: &Worker<N>,
        incoming: Incoming,
        mut line: Line,
        begun: Instant,
    ) {
        line.refusal = refusal();
        incoming.refuse(self.status, &line.refusal);
        line.duration = begun.elapsed();
        refused(worker, line, self.reason);
    }
}

/// Tells of a connection that was refused.
pub(crate) fn refused<N: Net>(worker: &Worker<N>, mut line: Line, reason: Reason) {
    line.reason = Some(reason);
    worker.telemetry.told(&line);
}

/// Tells of a request that was taken back before its answer.
pub(crate) fn withdrawn<N: Net>(worker: &Worker<N>, mut line: Line, begun: Instant) {
    line.duration = begun.elapsed();
    refused(worker, line, Reason::TunnelBroken);
}

/// Tells of a request that was let in and could not be answered so.
pub(crate) fn unanswered<N: Net>(
    worker: &Worker<N>,
    mut line: Line,
    error: &AnswerError,
    begun: Instant,
) {
    tracing::debug!(%error, "a caller was let in and did not stay");
    line.duration = begun.elapsed();
    let reason = match error {
        AnswerError::Gone { .. } => Reason::TunnelBroken,
        AnswerError::Early => Reason::BadRequest,
    };
    refused(worker, line, reason);
}

/// An id that says nothing but finds the line.
fn refusal() -> String {
    format!("{:016x}", fastrand::u64(..))
}

const BAD_REQUEST: u16 = 400;
const UNAUTHORIZED: u16 = 401;
const FORBIDDEN: u16 = 403;
const NOT_FOUND: u16 = 404;
const UNAVAILABLE: u16 = 503;
/// The longest an HTTP/2 preface may take.
const PREFACE: Duration = Duration::from_secs(5);

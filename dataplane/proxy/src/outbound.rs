//! Calls of our workloads: SOCKS5 in, whose socket it is, a route, a tunnel,
//! the relay.
//!
//! Success is answered only once the endpoint itself has answered 200; every
//! failure before that moves on to the next endpoint, each at most once. Who
//! cannot be told, or has no SVID, is refused.

use std::net::SocketAddr;
use std::sync::Arc;

use pelago_dataplane_policy::{Attempted, Destination, Outbound, Silent, route};
use pelago_model::{Reason, SpiffeId};
use pelago_net::{Connection, Net};
use tokio::time::Instant;

use crate::attempt::{Way, attempt};
use crate::caller::caller;
use crate::failure::{Blame, Failure};
use crate::probe;
use crate::registry::Leave;
use crate::session::Session;
use crate::settings::ATTEMPTS;
use crate::shares::Who;
use crate::side::Side;
use crate::socks5::{self, Reply};
use crate::telemetry::{Direction, Line};
use crate::worker::Worker;

/// Serves one connection to the SOCKS5 port.
pub(crate) async fn serve<N: Net>(worker: Arc<Worker<N>>, mut stream: N::Stream, peer: SocketAddr) {
    let begun = Instant::now();
    let mut line = Line::new(Direction::Outbound, peer);
    let destination = match socks5::accept(&mut stream).await {
        Ok(destination) => destination,
        Err(error) => {
            line.reason = Some(Reason::BadRequest);
            line.duration = begun.elapsed();
            worker.telemetry.told(&line);
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "no SOCKS5 request"
            );
            return;
        }
    };
    line.destination = destination.to_string();
    line.port = destination.port();
    line.source_cluster = Some(worker.settings.home.cluster.clone());
    let share;
    let opened = match source(&worker, &stream).await {
        Ok(source) => {
            line.source_id = Some(source.clone());
            share = worker.parties.take(Who::Own(source.clone()));
            if share.is_some() {
                open(&worker, &source, &destination, &mut line).await
            } else {
                Err((Reason::Overloaded, Reply::from(Reason::Overloaded)))
            }
        }
        Err(reason) => Err((reason, Reply::from(reason))),
    };
    let opened = match opened {
        Ok(way) => socks5::reply(&mut stream, Reply::Succeeded)
            .await
            .map(|()| way)
            .map_err(|_| Reason::BadRequest),
        Err((reason, reply)) => {
            // The client may be gone; it has nothing to learn then.
            let _ = socks5::reply(&mut stream, reply).await;
            Err(reason)
        }
    };
    match opened {
        Ok(way) => {
            let open = worker.registry.enter(Leave::Call);
            let session = Session { open, line, begun };
            let (caller, called) = (Side::Tcp(stream), Side::Tunnel(way.stream));
            session.relay(&worker, caller, called).await;
        }
        Err(reason) => {
            line.reason = Some(reason);
            line.duration = begun.elapsed();
            worker.telemetry.told(&line);
        }
    }
}

/// Which of our workloads holds the other end of the connection.
async fn source<N: Net>(worker: &Worker<N>, stream: &N::Stream) -> Result<SpiffeId, Reason> {
    let owner = worker.net.owner(stream.pair()).await.map_err(|error| {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "the caller is not known"
        );
        Reason::UnknownCaller
    })?;
    let state = worker.identity.current();
    let id = caller(&owner, &state.entries).ok_or(Reason::UnknownCaller)?;
    state.svid(id).map(|_| id.clone()).ok_or(Reason::NoSvid)
}

/// Tries endpoint after endpoint until one takes the call.
async fn open<N: Net>(
    worker: &Arc<Worker<N>>,
    source: &SpiffeId,
    destination: &Destination,
    line: &mut Line,
) -> Result<Way, (Reason, Reply)> {
    let mut attempted = Attempted::default();
    let mut last: Option<Failure> = None;
    while line.attempts < ATTEMPTS {
        let snapshot = worker.snapshot();
        let outbound = Outbound {
            home: &worker.settings.home,
            source,
            destination,
            attempted: &attempted,
            observed: &worker.observed(),
        };
        let way = match route(&snapshot, &outbound, fastrand::u64(..), &mut Silent) {
            Ok(route) => route,
            Err(unroutable) => {
                line.service = unroutable.service.or_else(|| line.service.take());
                return Err(given_up(last.as_ref(), unroutable.reason, line.attempts));
            }
        };
        line.attempts += 1;
        line.service = way.service().cloned();
        tell(line, &way);
        worker.begin(&way.endpoint().uid);
        let failure = match attempt(worker, source, &way).await {
            Ok(open) => {
                worker.succeeded(&open.route.endpoint().uid);
                tell(line, &open.route);
                return Ok(open);
            }
            Err(failure) => failure,
        };
        tracing::debug!(
            endpoint = %way.endpoint().uid, reason = %failure.reason, "an attempt failed"
        );
        line.refusal = failure.refusal.clone().unwrap_or_default();
        note(worker, source, &way, &failure, &mut attempted);
        let stop = !way.failover() || failure.blame == Blame::Us;
        last = Some(failure);
        if stop {
            break;
        }
    }
    Err(given_up(
        last.as_ref(),
        Reason::AllEndpointsFailed,
        line.attempts,
    ))
}

fn tell(line: &mut Line, route: &pelago_dataplane_policy::Route) {
    line.endpoint = Some(route.endpoint().uid.clone());
    line.destination_id = Some(route.endpoint().identity.clone());
    line.gateway = route.gateway().cloned();
}

/// Remembers a failure: for this request, and for others where it is theirs.
fn note<N: Net>(
    worker: &Arc<Worker<N>>,
    source: &SpiffeId,
    route: &pelago_dataplane_policy::Route,
    failure: &Failure,
    attempted: &mut Attempted,
) {
    let uid = &route.endpoint().uid;
    match (failure.blame, route.gateway()) {
        (Blame::Gateway { down }, Some(id)) => {
            if down {
                probe::down(worker, source, id);
            }
            attempted.gateways.insert(id.clone());
        }
        (Blame::Endpoint, _) => {
            worker.failed(uid);
            attempted.endpoints.insert(uid.clone());
        }
        _ => {
            attempted.endpoints.insert(uid.clone());
        }
    }
}

/// The reason and the answer when nothing is left to try.
fn given_up(last: Option<&Failure>, end: Reason, attempts: u32) -> (Reason, Reply) {
    let Some(last) = last else {
        return (end, Reply::from(end));
    };
    let reply = match (last.is_denial(), last.status) {
        (true, _) => Reply::NotAllowed,
        (false, Some(500..)) => Reply::ConnectionRefused,
        (false, Some(_)) => Reply::HostUnreachable,
        (false, None) if attempts == 1 => Reply::from(last.reason),
        (false, None) => Reply::HostUnreachable,
    };
    let reason = if attempts == 1 || last.is_denial() {
        last.reason
    } else {
        Reason::AllEndpointsFailed
    };
    (reason, reply)
}

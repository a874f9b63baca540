//! The one port between clusters: the ClientHello decides between a splice to
//! the controller, an outer tunnel that ends here, and nothing.
//!
//! Only what is exported to the caller is reached, only endpoints of our own
//! network are dialled, and the inner TLS is never opened. A splice carries no
//! identity: the controller judges it.

use std::net::SocketAddr;
use std::sync::Arc;

use pelago_dataplane_hbone::server::Incoming;
use pelago_dataplane_policy::{Attempted, Destination, GatewayInbound, Passage, Silent, admit};
use pelago_identity::{ClientAuth, TlsStream};
use pelago_model::net::Host;
use pelago_model::{HostPort, Reason, WorkloadUid};
use pelago_net::Net;
use pelago_svid::VerifiedPeer;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use crate::dial;
use crate::failure::dial_reason;
use crate::hello::{self, HelloError, Selected};
use crate::registry::Leave;
use crate::replay::Replay;
use crate::served::{self, Refused, destination};
use crate::session::Session;
use crate::settings::{ATTEMPTS, Role};
use crate::shares::Who;
use crate::side::Side;
use crate::telemetry::{Direction, Line};
use crate::worker::Worker;

/// Serves one connection to the gateway port.
pub(crate) async fn serve<N: Net>(worker: Arc<Worker<N>>, mut stream: N::Stream, peer: SocketAddr) {
    let begun = Instant::now();
    let mut line = Line::new(Direction::Gateway, peer);
    let Some(stranger) = worker.strangers.take(Who::Stranger(peer.ip())) else {
        return served::refused(&worker, line, Reason::Overloaded);
    };
    let (hello, read) = match hello::read(&mut stream).await {
        Ok(read) => read,
        // Whoever connects and leaves is a health check, not a caller.
        Err(HelloError::Closed) => return,
        Err(error) => {
            tracing::debug!(%error, "no ClientHello");
            return served::refused(&worker, line, Reason::BadClientHello);
        }
    };
    if let Some(Some(name)) = hello.server_name() {
        name.clone_into(&mut line.destination);
    }
    match hello::select(&hello, controller_name(&worker)) {
        Selected::Refused(reason) => served::refused(&worker, line, reason),
        Selected::Controller => splice(&worker, stream, &read, line, begun).await,
        Selected::Hbone => {
            let stream = Replay::new(read, stream);
            let verified = verify(&worker, stream).await;
            drop(stranger);
            match verified {
                Ok((tls, caller)) => tunnels(worker, tls, caller, peer, line).await,
                Err(reason) => served::refused(&worker, line, reason),
            }
        }
    }
}

/// Joins the connection to the controller, unopened.
async fn splice<N: Net>(
    worker: &Worker<N>,
    stream: N::Stream,
    read: &[u8],
    line: Line,
    begun: Instant,
) {
    let mut controller = match dial::reach(&worker.net, controller(worker)).await {
        Ok(controller) => controller,
        Err(reason) => return served::refused(worker, line, reason),
    };
    if controller.write_all(read).await.is_err() {
        return served::refused(worker, line, Reason::ConnectFailed);
    }
    let open = worker.registry.enter(Leave::Call);
    let session = Session { open, line, begun };
    session
        .relay(worker, Side::Tcp(stream), Side::Tcp(controller))
        .await;
}

/// Ends the outer TLS.
async fn verify<N: Net>(
    worker: &Worker<N>,
    stream: Replay<N::Stream>,
) -> Result<(TlsStream<Replay<N::Stream>>, VerifiedPeer), Reason> {
    let own = &worker.settings.own_id;
    let accepted = worker.identity.accept(stream, own, ClientAuth::Required);
    served::verified(accepted.await)
}

/// Serves the tunnels asked for inside.
async fn tunnels<N: Net>(
    worker: Arc<Worker<N>>,
    tls: TlsStream<Replay<N::Stream>>,
    caller: VerifiedPeer,
    peer: SocketAddr,
    line: Line,
) {
    let caller = Arc::new(caller);
    served::requests(&worker, tls, &caller, line, |incoming| {
        let (worker, caller) = (Arc::clone(&worker), Arc::clone(&caller));
        async move { pass(worker, caller, peer, incoming).await }
    })
    .await;
}

async fn pass<N: Net>(
    worker: Arc<Worker<N>>,
    caller: Arc<VerifiedPeer>,
    peer: SocketAddr,
    mut incoming: Incoming,
) {
    let begun = Instant::now();
    let mut line = Line {
        source_id: Some(caller.id().clone()),
        source_cluster: caller.issuer_cluster().cloned(),
        ..Line::new(Direction::Gateway, peer)
    };
    let asked = destination(&incoming).map(|destination| Asked {
        destination,
        endpoint: incoming.endpoint.clone(),
    });
    let entered = tokio::select! {
        entered = enter(&worker, &caller, asked, &mut line) => Some(entered),
        () = incoming.gone() => None,
    };
    let (passage, stream) = match entered {
        Some(Ok(entered)) => entered,
        Some(Err(refused)) => return refused.answer(&worker, incoming, line, begun),
        None => return served::withdrawn(&worker, line, begun),
    };
    match incoming.accept(Some(&passage.endpoint().uid)) {
        Ok(tunnel) => {
            let open = worker.registry.enter(Leave::Passage(Box::new(passage)));
            let session = Session { open, line, begun };
            let (caller, called) = (Side::Tunnel(tunnel), Side::Tcp(stream));
            session.relay(&worker, caller, called).await;
        }
        Err(error) => served::unanswered(&worker, line, &error, begun),
    }
}

/// What a request asks for.
struct Asked {
    destination: Destination,
    /// The endpoint it would like.
    endpoint: Option<WorkloadUid>,
}

/// Chooses an endpoint and connects to it. If the caller named the endpoint,
/// only that one: the caller knows best where to go next.
async fn enter<N: Net>(
    worker: &Worker<N>,
    caller: &VerifiedPeer,
    asked: Result<Asked, Refused>,
    line: &mut Line,
) -> Result<(Passage, N::Stream), Refused> {
    let Asked {
        destination,
        endpoint,
    } = asked?;
    line.destination = destination.to_string();
    line.port = destination.port();
    let mut attempted = Attempted::default();
    let mut last = Refused::denied(Reason::NoEndpoints);
    while line.attempts < ATTEMPTS {
        let inbound = GatewayInbound {
            home: &worker.settings.home,
            peer: caller,
            destination: &destination,
            endpoint: endpoint.as_ref(),
            attempted: &attempted,
            observed: &worker.observed(),
        };
        let admitted = admit(&worker.snapshot(), &inbound, fastrand::u64(..), &mut Silent);
        let passage = match admitted {
            Ok(passage) => passage,
            Err(denied) if denied.reason == Reason::AllEndpointsFailed => return Err(last),
            Err(denied) => return Err(Refused::denied(denied.reason)),
        };
        let uid = &passage.endpoint().uid;
        line.attempts += 1;
        line.service = Some(passage.service().clone());
        line.endpoint = Some(uid.clone());
        line.destination_id = Some(passage.endpoint().identity.clone());
        worker.begin(uid);
        match dial::first(&worker.net, passage.addresses()).await {
            Ok(stream) => {
                worker.succeeded(uid);
                return Ok((passage, stream));
            }
            Err(error) => {
                worker.failed(uid);
                let reason = error.as_ref().map_or(Reason::ConnectFailed, dial_reason);
                last = Refused::unreached(reason);
                if endpoint.as_ref() == Some(uid) {
                    return Err(last);
                }
                attempted.endpoints.insert(uid.clone());
            }
        }
    }
    Err(last)
}

fn controller<N: Net>(worker: &Worker<N>) -> &[HostPort] {
    match &worker.settings.role {
        Role::Gateway { controller, .. } => controller,
        Role::Node { .. } => &[],
    }
}

fn controller_name<N: Net>(worker: &Worker<N>) -> Option<&pelago_model::Hostname> {
    controller(worker)
        .iter()
        .find_map(|address| match &address.host {
            Host::Name(name) => Some(name),
            Host::Ip(_) => None,
        })
}

//! Calls to our workloads: TLS as the workload at that address, a verified
//! peer, `authorize`, delivery, the relay.
//!
//! Nothing is dialled without a permit, nothing is answered 200 before the
//! workload's port took the connection. The peer learns a status and an opaque
//! id; the reason is in our log.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pelago_dataplane_hbone::server::Incoming;
use pelago_dataplane_policy::{Destination, Inbound, Permit, Silent, authorize};
use pelago_identity::ClientAuth;
use pelago_model::{Reason, Workload};
use pelago_net::{Connection as _, DialOptions, Net};
use pelago_svid::VerifiedPeer;
use tokio::time::Instant;

use crate::failure::dial_reason;
use crate::registry::Leave;
use crate::served::{self, Refused, destination};
use crate::session::Session;
use crate::settings::DELIVER;
use crate::shares::Who;
use crate::side::Side;
use crate::telemetry::{Direction, Line};
use crate::worker::Worker;

/// Serves one connection to the HBONE port.
pub(crate) async fn serve<N: Net>(worker: Arc<Worker<N>>, stream: N::Stream, peer: SocketAddr) {
    let local = stream.local_addr().ip();
    let line = Line::new(Direction::Inbound, peer);
    let Some(stranger) = worker.strangers.take(Who::Stranger(peer.ip())) else {
        return served::refused(&worker, line, Reason::Overloaded);
    };
    let Some(workload) = worker.workload_at(&worker.snapshot(), local) else {
        return served::refused(&worker, line, Reason::UnknownDestination);
    };
    let accepted = worker
        .identity
        .accept(stream, &workload.identity, ClientAuth::Required)
        .await;
    let verified = match served::verified(accepted) {
        Ok(verified) => verified,
        Err(reason) => return served::refused(&worker, line, reason),
    };
    let (tls, caller) = verified;
    drop(stranger);
    let at = At {
        workload,
        local,
        caller: Arc::new(caller),
        peer,
    };
    served::requests(&worker, tls, &at.caller, line, |incoming| {
        let (worker, at) = (Arc::clone(&worker), at.clone());
        async move { deliver(worker, at, incoming).await }
    })
    .await;
}

/// Where a connection came in and who made it.
#[derive(Clone)]
struct At {
    workload: Arc<Workload>,
    local: IpAddr,
    caller: Arc<VerifiedPeer>,
    peer: SocketAddr,
}

async fn deliver<N: Net>(worker: Arc<Worker<N>>, at: At, mut incoming: Incoming) {
    let begun = Instant::now();
    let mut line = Line {
        source_id: Some(at.caller.id().clone()),
        source_cluster: at.caller.issuer_cluster().cloned(),
        destination_id: Some(at.workload.identity.clone()),
        endpoint: Some(at.workload.uid.clone()),
        ..Line::new(Direction::Inbound, at.peer)
    };
    let permitted = permit(&worker, &at, &incoming, &mut line);
    let dialled = match permitted {
        Ok(permit) => {
            let options = DialOptions::within(DELIVER);
            let dialling = worker.net.dial(permit.deliver(), options);
            let dialled = tokio::select! {
                dialled = dialling => dialled,
                () = incoming.gone() => return served::withdrawn(&worker, line, begun),
            };
            dialled
                .map(|stream| (permit, stream))
                .map_err(|error| Refused::unreached(dial_reason(&error)))
        }
        Err(refused) => Err(refused),
    };
    let (permit, stream) = match dialled {
        Ok(dialled) => dialled,
        Err(refused) => return refused.answer(&worker, incoming, line, begun),
    };
    match incoming.accept(None) {
        Ok(tunnel) => {
            let open = worker.registry.enter(Leave::Permit(Box::new(permit)));
            let session = Session { open, line, begun };
            let (caller, called) = (Side::Tunnel(tunnel), Side::Tcp(stream));
            session.relay(&worker, caller, called).await;
        }
        Err(error) => served::unanswered(&worker, line, &error, begun),
    }
}

fn permit<N: Net>(
    worker: &Worker<N>,
    at: &At,
    incoming: &Incoming,
    line: &mut Line,
) -> Result<Permit, Refused> {
    let destination: Destination = destination(incoming)?;
    line.destination = destination.to_string();
    line.port = destination.port();
    let inbound = Inbound {
        home: &worker.settings.home,
        peer: &at.caller,
        workload: &at.workload.uid,
        local: at.local,
        destination: &destination,
    };
    let permit = authorize(&worker.snapshot(), &inbound, &mut Silent).map_err(|denied| {
        line.policy = denied.policy.map(|key| key.to_string());
        Refused::denied(denied.reason)
    })?;
    line.service = permit.service().cloned();
    Ok(permit)
}

//! The gateway's decision: may this caller enter for that service, and at
//! which endpoint of our own network does it come out.
//!
//! Only exported names lead anywhere for strangers; policies are asked where
//! the inner TLS ends, at the endpoint. The answer is a [`Passage`].

use std::net::SocketAddr;
use std::sync::Arc;

use pelago_model::service::Spread;
use pelago_model::{PortKey, Reason, Service, ServiceKey, Snapshot, Workload, WorkloadUid};
use pelago_svid::VerifiedPeer;

use crate::audience;
use crate::authorize::Denied;
use crate::balance::{Rank, Tier, best};
use crate::facts::{Attempted, Caller, Destination, Home, Observed};
use crate::resolve;
use crate::trace::{Step, Trace};
use crate::ways::tunnel_addresses;

/// A tunnel request that arrived at our gateway.
#[derive(Debug, Clone, Copy)]
pub struct GatewayInbound<'a> {
    /// Who we are.
    pub home: &'a Home,
    /// The caller, verified by the outer TLS.
    pub peer: &'a VerifiedPeer,
    /// What it asks for.
    pub destination: &'a Destination,
    /// The endpoint it would like (`x-pelago-endpoint`).
    pub endpoint: Option<&'a WorkloadUid>,
    /// What this request tried already.
    pub attempted: &'a Attempted,
    /// What was seen to fail lately.
    pub observed: &'a Observed,
}

/// Leave to join a caller to one endpoint of our network. Only [`admit`] makes
/// one.
#[derive(Debug, Clone)]
pub struct Passage {
    service: ServiceKey,
    endpoint: Arc<Workload>,
    addresses: Vec<SocketAddr>,
    peer: VerifiedPeer,
}

impl Passage {
    /// The service called.
    #[must_use]
    pub const fn service(&self) -> &ServiceKey {
        &self.service
    }

    /// The endpoint chosen.
    #[must_use]
    pub const fn endpoint(&self) -> &Arc<Workload> {
        &self.endpoint
    }

    /// Where it takes tunnels; tried in order.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The caller, as the outer TLS verified it.
    #[must_use]
    pub const fn peer(&self) -> &VerifiedPeer {
        &self.peer
    }

    /// Asks again on a later snapshot, for a passage that is open.
    ///
    /// # Errors
    /// [`Denied`] when the service is no longer exported to the caller.
    pub fn renew(&self, snapshot: &Snapshot, home: &Home) -> Result<(), Denied> {
        let service = snapshot.service(&self.service).map(AsRef::as_ref);
        if audience::admits(home, Caller::from(&self.peer), service) {
            Ok(())
        } else {
            Err(Denied::because(Reason::NotExported))
        }
    }
}

/// Decides whether the caller may enter, and where it comes out.
///
/// # Errors
/// [`Denied`]; a caller of another cluster is told `not_exported` for whatever
/// does not exist, too.
pub fn admit(
    snapshot: &Snapshot,
    inbound: &GatewayInbound<'_>,
    draw: u64,
    trace: &mut impl Trace,
) -> Result<Passage, Denied> {
    let caller = Caller::from(inbound.peer);
    let service = exported(snapshot, inbound.home, caller, inbound.destination, trace);
    let chosen = service.and_then(|service| {
        let endpoint = choose(snapshot, inbound, service, draw, trace)?;
        Ok((service, endpoint))
    });
    let (service, endpoint) = chosen.map_err(|reason| {
        trace.step(Step::Refused(reason));
        Denied::because(reason)
    })?;
    trace.step(Step::Chosen(&endpoint.uid));
    Ok(Passage {
        service: service.key.clone(),
        addresses: tunnel_addresses(endpoint),
        endpoint: Arc::clone(endpoint),
        peer: inbound.peer.clone(),
    })
}

/// The service the destination names, if the caller may reach it.
fn exported<'a>(
    snapshot: &'a Snapshot,
    home: &Home,
    caller: Caller<'_>,
    destination: &Destination,
    trace: &mut impl Trace,
) -> Result<&'a Arc<Service>, Reason> {
    let ours = caller.is_of(home);
    let stranger = |reason| if ours { reason } else { Reason::NotExported };
    let Destination::Service { host, port } = destination else {
        return Err(stranger(Reason::ForbiddenDestination));
    };
    let mut services = resolve::services(snapshot, host, None);
    // What a peer exported to us is not ours to pass on: a gateway leads into
    // its own cluster only.
    services.retain(|service| service.cluster == home.cluster);
    let service = resolve::with_port(&services, *port).map_err(stranger)?;
    trace.step(Step::Service(&service.key));
    let admitted = audience::admits(home, caller, Some(service));
    if !ours {
        trace.step(Step::Exported(admitted));
    }
    admitted.then_some(service).ok_or(Reason::NotExported)
}

fn choose<'a>(
    snapshot: &'a Snapshot,
    inbound: &GatewayInbound<'_>,
    service: &Service,
    draw: u64,
    trace: &mut impl Trace,
) -> Result<&'a Arc<Workload>, Reason> {
    let port = PortKey::tcp(inbound.destination.port());
    let here = |workload: &&'a Arc<Workload>| {
        let serves = workload.endpoints.get(&service.key);
        workload.network == inbound.home.network
            && workload.cluster == inbound.home.cluster
            && !workload.addresses.is_empty()
            && serves.is_some_and(|endpoint| endpoint.ports.contains_key(&port))
    };
    let tried = &inbound.attempted.endpoints;
    let asked = inbound.endpoint.and_then(|uid| snapshot.workload(uid));
    if let Some(workload) = asked.filter(here).filter(|w| !tried.contains(&w.uid)) {
        return Ok(workload);
    }
    let mut any = false;
    let mut open = Vec::new();
    for workload in snapshot.endpoints_of(&service.key).filter(here) {
        any = true;
        let uid = &workload.uid;
        if tried.contains(uid) {
            trace.step(Step::LeftOut { uid, why: "tried" });
            continue;
        }
        let rank = Rank {
            standing: workload.standing,
            health: workload.health,
            failing: inbound.observed.ejected.contains(uid),
            idle: workload.weight == 0,
            tier: Tier::of(
                inbound.home,
                Spread::Everywhere,
                &workload.network,
                &workload.locality,
            ),
        };
        let text = rank.to_string();
        trace.step(Step::Candidate { uid, rank: text });
        open.push((rank, workload.weight, workload));
    }
    best(open, draw).ok_or(if any {
        Reason::AllEndpointsFailed
    } else {
        Reason::NoEndpoints
    })
}

#[cfg(test)]
mod tests;

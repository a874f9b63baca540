//! Where a call goes: destination -> service -> endpoint -> hops, with the
//! identity and issuing cluster each hop must prove.
//!
//! Endpoints are ranked and drawn ([`Route`] says which); those of another
//! network are reached through one of its gateways. At most three hops. A
//! request that failed asks again with what it tried.

use std::net::SocketAddr;
use std::sync::Arc;

use pelago_model::{
    ClusterId, GatewayId, HostPort, Reason, ServiceKey, Snapshot, SpiffeId, Workload, WorkloadUid,
};

use crate::balance::{another, best, weighted};
use crate::facts::{Attempted, Destination, Outbound};
use crate::meant::{Meant, meant};
use crate::trace::{Step, Trace};
use crate::ways::ways;

/// Leave to dial. Only [`route`] makes one.
#[derive(Debug, Clone)]
pub struct Route {
    service: Option<ServiceKey>,
    endpoint: Arc<Workload>,
    authority: Destination,
    hops: Vec<Hop>,
    failover: bool,
}

/// One hop of a route: where it is and what it must prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hop {
    /// A gateway of the endpoint's network.
    Gateway {
        /// Which.
        id: GatewayId,
        /// The identity its TLS must show.
        identity: SpiffeId,
        /// Where it listens; tried in order.
        addresses: Vec<HostPort>,
    },
    /// The endpoint itself.
    Endpoint {
        /// Which.
        uid: WorkloadUid,
        /// The identity its TLS must show.
        identity: SpiffeId,
        /// The cluster that must have issued it.
        cluster: ClusterId,
        /// Where it listens for tunnels; empty behind a gateway.
        addresses: Vec<SocketAddr>,
    },
}

impl Route {
    /// The most hops of any route.
    pub const MAX_HOPS: usize = 3;

    /// The service called, unless a workload itself is.
    #[must_use]
    pub const fn service(&self) -> Option<&ServiceKey> {
        self.service.as_ref()
    }

    /// The endpoint chosen.
    #[must_use]
    pub const fn endpoint(&self) -> &Arc<Workload> {
        &self.endpoint
    }

    /// What CONNECT carries, on every hop.
    #[must_use]
    pub const fn authority(&self) -> &Destination {
        &self.authority
    }

    /// The hops in order; the last is the endpoint.
    #[must_use]
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// The gateway it goes through, if any.
    #[must_use]
    pub fn gateway(&self) -> Option<&GatewayId> {
        self.hops.iter().find_map(|hop| match hop {
            Hop::Gateway { id, .. } => Some(id),
            Hop::Endpoint { .. } => None,
        })
    }

    /// Whether a failure may move to the next endpoint.
    #[must_use]
    pub const fn failover(&self) -> bool {
        self.failover
    }

    /// The same route ending at another endpoint of the same service, as a
    /// gateway answered (`x-pelago-endpoint`). `None` unless the snapshot knows
    /// that endpoint as one of the service, in the same network.
    #[must_use]
    pub fn ending_at(&self, snapshot: &Snapshot, uid: &WorkloadUid) -> Option<Self> {
        let key = self.service.as_ref()?;
        let endpoint = snapshot.workload(uid)?;
        let same = endpoint.network == self.endpoint.network
            && endpoint.cluster == self.endpoint.cluster
            && endpoint.endpoints.get(key)?.host == self.endpoint.endpoints.get(key)?.host;
        let gateway = self.hops.first().filter(|_| same)?;
        Some(Self {
            endpoint: Arc::clone(endpoint),
            hops: vec![gateway.clone(), last_hop(endpoint, Vec::new())],
            ..self.clone()
        })
    }
}

/// Why there is no way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no route: {reason}")]
pub struct Unroutable {
    /// The stable code.
    pub reason: Reason,
    /// The service, as far as it was found.
    pub service: Option<ServiceKey>,
}

/// Chooses an endpoint and the way to it.
///
/// # Errors
/// [`Unroutable`] when nothing answers to the destination, or everything that
/// does was tried.
pub fn route(
    snapshot: &Snapshot,
    outbound: &Outbound<'_>,
    draw: u64,
    trace: &mut impl Trace,
) -> Result<Route, Unroutable> {
    let mut service = None;
    let found = meant(snapshot, outbound).and_then(|meant| {
        service = meant.service().map(|service| service.key.clone());
        choose(snapshot, outbound, &meant, draw, trace)
    });
    found.map_err(|reason| {
        trace.step(Step::Refused(reason));
        Unroutable { reason, service }
    })
}

fn choose(
    snapshot: &Snapshot,
    outbound: &Outbound<'_>,
    meant: &Meant<'_>,
    draw: u64,
    trace: &mut impl Trace,
) -> Result<Route, Reason> {
    let service = meant.service();
    if let Some(service) = service {
        trace.step(Step::Service(&service.key));
    }
    let failover = service.is_none_or(|service| service.failover);
    let ways = ways(snapshot, outbound, meant, failover, trace);
    let (any, unentered) = (ways.any, ways.unentered);
    let chosen = if failover {
        best(ways.open, draw)
    } else {
        let plain = ways.open.into_iter().map(|(_, weight, way)| (weight, way));
        weighted(plain.collect(), draw)
    };
    let way = chosen.ok_or_else(|| match (any, unentered) {
        (false, _) => Reason::NoEndpoints,
        (true, true) if *outbound.attempted == Attempted::default() => Reason::NoGateway,
        (true, _) => Reason::AllEndpointsFailed,
    })?;
    trace.step(Step::Chosen(&way.endpoint.uid));
    let gateway = way
        .gateways
        .and_then(|gateways| best(gateways, another(draw)));
    let gateway_hop = gateway.map(|gateway| {
        trace.step(Step::Through(&gateway.id));
        Hop::Gateway {
            id: gateway.id.clone(),
            identity: gateway.identity.clone(),
            addresses: gateway.addresses.clone(),
        }
    });
    let last = last_hop(&way.endpoint, way.addresses);
    Ok(Route {
        service: service.map(|service| service.key.clone()),
        authority: way.authority,
        hops: gateway_hop.into_iter().chain([last]).collect(),
        endpoint: way.endpoint,
        failover,
    })
}

fn last_hop(endpoint: &Workload, addresses: Vec<SocketAddr>) -> Hop {
    Hop::Endpoint {
        uid: endpoint.uid.clone(),
        identity: endpoint.identity.clone(),
        cluster: endpoint.cluster.clone(),
        addresses,
    }
}

#[cfg(test)]
mod tests;

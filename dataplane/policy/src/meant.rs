//! What a call's destination means: a service and its port, or one workload.

use std::net::SocketAddr;
use std::sync::Arc;

use pelago_model::service::Spread;
use pelago_model::{Hostname, PortKey, Reason, Service, Snapshot, Workload};

use crate::facts::{Destination, Outbound};
use crate::resolve::{self, Addressed};

/// What the destination means.
pub(crate) enum Meant<'a> {
    Service(&'a Arc<Service>, PortKey),
    Workload(&'a Arc<Workload>, SocketAddr),
}

impl<'a> Meant<'a> {
    pub(crate) const fn service(&self) -> Option<&'a Arc<Service>> {
        match self {
            Self::Service(service, _) => Some(service),
            Self::Workload(..) => None,
        }
    }

    pub(crate) fn spread(&self) -> Spread {
        self.service()
            .map_or(Spread::Nearest, |service| service.spread)
    }

    /// What CONNECT must carry for that endpoint; `None` if it does not serve
    /// the port.
    pub(crate) fn authority(&self, workload: &Workload) -> Option<Destination> {
        match self {
            Self::Workload(_, address) => Some(Destination::Address(*address)),
            Self::Service(service, port) => {
                let endpoint = workload.endpoints.get(&service.key)?;
                endpoint
                    .ports
                    .contains_key(port)
                    .then(|| Destination::Service {
                        host: endpoint.host.clone(),
                        port: port.port,
                    })
            }
        }
    }
}

/// What the destination means to that caller.
pub(crate) fn meant<'a>(
    snapshot: &'a Snapshot,
    outbound: &Outbound<'_>,
) -> Result<Meant<'a>, Reason> {
    let services = |host: &Hostname| {
        let own = *outbound.source.trust_domain() == outbound.home.trust_domain;
        let namespace = outbound.source.service_account().filter(|_| own);
        resolve::services(snapshot, host, namespace.map(|(namespace, _)| namespace))
    };
    let (service, port) = match outbound.destination {
        Destination::Service { host, port } => (resolve::with_port(&services(host), *port)?, *port),
        Destination::Address(address) => {
            match resolve::address(snapshot, &outbound.home.network, *address)? {
                Addressed::Workload(workload) => return Ok(Meant::Workload(workload, *address)),
                Addressed::Service(service) => (
                    resolve::with_port(&[service], address.port())?,
                    address.port(),
                ),
            }
        }
    };
    Ok(Meant::Service(service, PortKey::tcp(port)))
}

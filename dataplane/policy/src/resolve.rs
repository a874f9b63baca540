//! What a destination names: a service and one of its ports, or a workload.
//!
//! A name is matched as written, own host names before aliases and the asker's
//! namespace before others; nothing is completed or searched here.

use std::net::SocketAddr;
use std::sync::Arc;

use pelago_model::{Hostname, NetworkId, PortKey, Reason, Service, Snapshot, Workload};

/// The services that answer to `host`, the one meant first.
pub(crate) fn services<'a>(
    snapshot: &'a Snapshot,
    host: &Hostname,
    namespace: Option<&str>,
) -> Vec<&'a Arc<Service>> {
    let mut found: Vec<_> = snapshot.services_of_host(host).collect();
    found.sort_by_key(|service| {
        let alias = service.key.host != *host;
        let elsewhere = namespace != Some(service.key.namespace.as_str());
        (alias, elsewhere, &service.key)
    });
    found
}

/// The first of the services that has the port.
///
/// # Errors
/// [`Reason::UnknownDestination`] without any service, [`Reason::UnknownPort`]
/// when none has the port.
pub(crate) fn with_port<'a>(
    services: &[&'a Arc<Service>],
    port: u16,
) -> Result<&'a Arc<Service>, Reason> {
    if services.is_empty() {
        return Err(Reason::UnknownDestination);
    }
    let port = PortKey::tcp(port);
    services
        .iter()
        .find(|service| service.ports.contains_key(&port))
        .copied()
        .ok_or(Reason::UnknownPort)
}

/// What an address of a network stands for.
pub(crate) enum Addressed<'a> {
    /// A service's virtual address.
    Service(&'a Arc<Service>),
    /// The one workload there.
    Workload(&'a Arc<Workload>),
}

/// A service by its virtual address, else the one workload at the address.
/// Several workloads on one address are told apart by nobody: unknown.
pub(crate) fn address<'a>(
    snapshot: &'a Snapshot,
    network: &NetworkId,
    address: SocketAddr,
) -> Result<Addressed<'a>, Reason> {
    if let Some(service) = snapshot.services_at(network, address.ip()).next() {
        return Ok(Addressed::Service(service));
    }
    let mut there = snapshot.workloads_at(network, address.ip());
    match (there.next(), there.next()) {
        (Some(workload), None) => Ok(Addressed::Workload(workload)),
        _ => Err(Reason::UnknownDestination),
    }
}

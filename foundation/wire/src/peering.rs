//! `pelago.peering.v1`: what one cluster shows another.
//!
//! Decoding applies grammar and limits only. Whether the speaker may say it
//! (its own cluster, network, trust domain, the grant) is federation's to
//! judge, by the connection and not by the message.

use pelago_model::{
    ExportedEndpoint as ModelEndpoint, ExportedGateway as ModelGateway,
    ExportedService as ModelService, Health, Hostname, Locality, Name, Namespace, NetworkId,
    PortKey, SpiffeId, Transport, Version, WorkloadUid, service::ServicePort,
};

pub use crate::protos::pelago::peering::v1::*;
pub use crate::protos::pelago::v1::Hello;

use crate::field::Reader;
use crate::limits::{MAX_ENDPOINTS, MAX_PORTS};
use crate::malformed::Malformed;

/// What a tombstone says is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A service.
    Service {
        /// Its namespace.
        namespace: Namespace,
        /// Its name.
        name: Name,
    },
    /// A gateway of that name.
    Gateway(Name),
}

/// Writes a service. An empty port name counts as none.
#[must_use]
pub fn encode_service(service: &ModelService) -> ExportedService {
    ExportedService {
        namespace: service.namespace.as_str().to_owned(),
        name: service.name.as_str().to_owned(),
        host: service.host.as_str().to_owned(),
        ports: service.ports.iter().map(encode_port).collect(),
        endpoints: service.endpoints.iter().map(encode_endpoint).collect(),
    }
}

/// Reads a service.
///
/// # Errors
/// [`Malformed`] for a field without its grammar, a repeated port or endpoint,
/// or too many of either.
pub fn decode_service(service: ExportedService) -> Result<ModelService, Malformed> {
    let read = Reader("ExportedService");
    let ports = read.list("ports", service.ports, MAX_PORTS, decode_port)?;
    let endpoints = read.list(
        "endpoints",
        service.endpoints,
        MAX_ENDPOINTS,
        decode_endpoint,
    )?;
    if let Some(port) = repeated(ports.iter().map(|(key, _)| key)) {
        return Err(read.bad("ports", &port.to_string(), "each port once"));
    }
    if let Some(uid) = repeated(endpoints.iter().map(|endpoint| &endpoint.uid)) {
        return Err(read.bad("endpoints", uid.as_str(), "each endpoint once"));
    }
    Ok(ModelService {
        namespace: read.id("namespace", &service.namespace, Namespace::parse)?,
        name: read.id("name", &service.name, Name::parse)?,
        host: read.id("host", &service.host, Hostname::parse)?,
        ports,
        endpoints,
    })
}

/// Writes a gateway.
#[must_use]
pub fn encode_gateway(gateway: &ModelGateway) -> ExportedGateway {
    ExportedGateway {
        name: gateway.name.as_str().to_owned(),
        network: gateway.network.to_string(),
        identity: gateway.identity.as_str().to_owned(),
        addresses: gateway.addresses.iter().map(ToString::to_string).collect(),
    }
}

/// Reads a gateway.
///
/// # Errors
/// [`Malformed`] for a field without its grammar or too many addresses.
pub fn decode_gateway(gateway: &ExportedGateway) -> Result<ModelGateway, Malformed> {
    let read = Reader("ExportedGateway");
    Ok(ModelGateway {
        name: read.id("name", &gateway.name, Name::parse)?,
        network: read.id("network", &gateway.network, NetworkId::parse)?,
        identity: read.id("identity", &gateway.identity, SpiffeId::parse)?,
        addresses: read.addresses("addresses", &gateway.addresses)?,
    })
}

/// Writes a tombstone.
#[must_use]
pub fn encode_removed(removed: &Removed) -> Tombstone {
    Tombstone {
        gone: Some(match removed {
            Removed::Service { namespace, name } => {
                tombstone::Gone::Service(format!("{namespace}/{name}"))
            }
            Removed::Gateway(name) => tombstone::Gone::Gateway(name.as_str().to_owned()),
        }),
    }
}

/// Reads a tombstone.
///
/// # Errors
/// [`Malformed`] when it names nothing.
pub fn decode_removed(tombstone: &Tombstone) -> Result<Removed, Malformed> {
    let read = Reader("Tombstone");
    match &tombstone.gone {
        Some(tombstone::Gone::Service(text)) => {
            let (namespace, name) = text
                .split_once('/')
                .ok_or_else(|| read.bad("service", text, "<namespace>/<name>"))?;
            Ok(Removed::Service {
                namespace: read.id("service", namespace, Namespace::parse)?,
                name: read.id("service", name, Name::parse)?,
            })
        }
        Some(tombstone::Gone::Gateway(name)) => {
            read.id("gateway", name, Name::parse).map(Removed::Gateway)
        }
        None => Err(Malformed::absent("Tombstone", "gone")),
    }
}

/// Reads the hash of a [`Synced`] or [`Heartbeat`].
///
/// # Errors
/// [`Malformed`] when it is no hash.
pub fn decode_hash(message: &'static str, text: &str) -> Result<Version, Malformed> {
    Version::parse(text)
        .ok_or_else(|| Malformed::new(message, "state_hash", text, "32 hexadecimal digits"))
}

fn encode_port((key, port): &(PortKey, ServicePort)) -> ExportedPort {
    ExportedPort {
        port: u32::from(key.port),
        transport: key.transport.as_str().to_owned(),
        name: port.name.clone().unwrap_or_default(),
        app_protocol: port.app_protocol.clone().unwrap_or_default(),
    }
}

fn decode_port(port: ExportedPort) -> Result<(PortKey, ServicePort), Malformed> {
    let read = Reader("ExportedPort");
    if port.transport != Transport::Tcp.as_str() {
        return Err(read.bad("transport", &port.transport, "TCP (UDP is not served yet)"));
    }
    let present = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok((
        PortKey::tcp(read.port("port", port.port)?),
        ServicePort {
            name: present(read.text("name", port.name)?),
            app_protocol: present(read.text("app_protocol", port.app_protocol)?),
        },
    ))
}

fn encode_endpoint(endpoint: &ModelEndpoint) -> ExportedEndpoint {
    ExportedEndpoint {
        uid: endpoint.uid.as_str().to_owned(),
        identity: endpoint.identity.as_str().to_owned(),
        network: endpoint.network.to_string(),
        region: endpoint.locality.region.clone(),
        zone: endpoint.locality.zone.clone(),
        subzone: endpoint.locality.subzone.clone(),
        weight: endpoint.weight,
        unhealthy: endpoint.health == Health::Unhealthy,
    }
}

fn decode_endpoint(endpoint: ExportedEndpoint) -> Result<ModelEndpoint, Malformed> {
    let read = Reader("ExportedEndpoint");
    Ok(ModelEndpoint {
        uid: read.id("uid", &endpoint.uid, WorkloadUid::parse)?,
        identity: read.id("identity", &endpoint.identity, SpiffeId::parse)?,
        network: read.id("network", &endpoint.network, NetworkId::parse)?,
        locality: Locality {
            region: read.text("region", endpoint.region)?,
            zone: read.text("zone", endpoint.zone)?,
            subzone: read.text("subzone", endpoint.subzone)?,
        },
        weight: endpoint.weight,
        health: if endpoint.unhealthy {
            Health::Unhealthy
        } else {
            Health::Healthy
        },
    })
}

fn repeated<'a, T: Ord + ?Sized>(all: impl Iterator<Item = &'a T>) -> Option<&'a T> {
    let mut seen = std::collections::BTreeSet::new();
    all.into_iter().find(|item| !seen.insert(*item))
}

#[cfg(test)]
mod tests;

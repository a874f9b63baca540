//! Workloads <-> their messages.

use std::collections::BTreeMap;
use std::net::IpAddr;

use pelago_model::id::Internable as _;
use pelago_model::{
    ClusterId, Endpoint, Health, Hostname, Interner, Locality, Name, Namespace, NetworkId, PortKey,
    ServiceKey, SpiffeId, Standing, Tunnel, Workload, WorkloadUid,
};

use crate::field::Reader;
use crate::limits::{MAX_ADDRESSES, MAX_LIST, MAX_PORTS};
use crate::malformed::Malformed;
use crate::protos::pelago::discovery::v1 as wire;

const READ: Reader = Reader("Workload");

pub(super) fn encode(workload: &Workload) -> wire::Workload {
    let Tunnel::Hbone(hbone_port) = workload.tunnel;
    wire::Workload {
        uid: workload.uid.as_str().to_owned(),
        name: workload.name.as_str().to_owned(),
        namespace: workload.namespace.as_str().to_owned(),
        identity: workload.identity.as_str().to_owned(),
        cluster: workload.cluster.as_str().to_owned(),
        network: workload.network.to_string(),
        addresses: workload.addresses.iter().copied().map(encode_ip).collect(),
        hbone_port: u32::from(hbone_port),
        locality: Some(wire::Locality {
            region: workload.locality.region.clone(),
            zone: workload.locality.zone.clone(),
            subzone: workload.locality.subzone.clone(),
        }),
        weight: workload.weight,
        health: match workload.health {
            Health::Healthy => wire::Health::Healthy,
            Health::Unhealthy => wire::Health::Unhealthy,
        }
        .into(),
        standing: encode_standing(workload.standing).into(),
        node: workload
            .node
            .as_ref()
            .map(|node| node.as_str().to_owned())
            .unwrap_or_default(),
        endpoints: workload.endpoints.iter().map(encode_endpoint).collect(),
        labels: workload.labels.clone(),
    }
}

pub(super) fn decode(
    workload: wire::Workload,
    interner: &mut Interner,
) -> Result<Workload, Malformed> {
    let mut decoded = Workload {
        uid: READ.id("uid", &workload.uid, WorkloadUid::parse)?,
        name: READ.id("name", &workload.name, Name::parse)?,
        namespace: READ.id("namespace", &workload.namespace, Namespace::parse)?,
        identity: READ.id("identity", &workload.identity, SpiffeId::parse)?,
        cluster: READ.id("cluster", &workload.cluster, ClusterId::parse)?,
        network: READ.id("network", &workload.network, NetworkId::parse)?,
        addresses: READ.list("addresses", workload.addresses, MAX_ADDRESSES, |bytes| {
            READ.ip("addresses", &bytes)
        })?,
        tunnel: Tunnel::Hbone(READ.port("hbone_port", workload.hbone_port)?),
        locality: decode_locality(workload.locality.unwrap_or_default())?,
        weight: workload.weight,
        health: match wire::Health::try_from(workload.health) {
            Ok(wire::Health::Healthy) => Health::Healthy,
            Ok(wire::Health::Unhealthy) => Health::Unhealthy,
            Ok(wire::Health::Unspecified) | Err(_) => {
                let allowed = "HEALTH_HEALTHY or HEALTH_UNHEALTHY";
                return Err(READ.bad("health", &workload.health.to_string(), allowed));
            }
        },
        standing: decode_standing(READ, workload.standing)?,
        node: READ.optional_id("node", &workload.node, SpiffeId::parse)?,
        endpoints: decode_endpoints(workload.endpoints)?,
        labels: READ.labels("labels", workload.labels)?,
    };
    decoded.share(interner);
    Ok(decoded)
}

pub(super) fn encode_ip(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

pub(super) const fn encode_standing(standing: Standing) -> wire::Standing {
    match standing {
        Standing::Fresh => wire::Standing::Fresh,
        Standing::Demoted => wire::Standing::Demoted,
        Standing::Withdrawn => wire::Standing::Withdrawn,
    }
}

pub(super) fn decode_standing(read: Reader, standing: i32) -> Result<Standing, Malformed> {
    match wire::Standing::try_from(standing) {
        Ok(wire::Standing::Fresh) => Ok(Standing::Fresh),
        Ok(wire::Standing::Demoted) => Ok(Standing::Demoted),
        Ok(wire::Standing::Withdrawn) => Ok(Standing::Withdrawn),
        Ok(wire::Standing::Unspecified) | Err(_) => {
            let allowed = "STANDING_FRESH, STANDING_DEMOTED or STANDING_WITHDRAWN";
            Err(read.bad("standing", &standing.to_string(), allowed))
        }
    }
}

fn decode_locality(locality: wire::Locality) -> Result<Locality, Malformed> {
    Ok(Locality {
        region: READ.text("locality.region", locality.region)?,
        zone: READ.text("locality.zone", locality.zone)?,
        subzone: READ.text("locality.subzone", locality.subzone)?,
    })
}

fn encode_endpoint((key, endpoint): (&ServiceKey, &Endpoint)) -> wire::Endpoint {
    wire::Endpoint {
        service: key.to_string(),
        host: endpoint.host.as_str().to_owned(),
        ports: endpoint
            .ports
            .iter()
            .map(|(port, target)| wire::PortMapping {
                port: port.to_string(),
                target: u32::from(*target),
            })
            .collect(),
    }
}

fn decode_endpoints(
    endpoints: Vec<wire::Endpoint>,
) -> Result<BTreeMap<ServiceKey, Endpoint>, Malformed> {
    READ.count("endpoints", endpoints.len(), MAX_LIST)?;
    let mut read = BTreeMap::new();
    for endpoint in endpoints {
        let key = READ.id("endpoints.service", &endpoint.service, ServiceKey::parse)?;
        let host = READ.id("endpoints.host", &endpoint.host, Hostname::parse)?;
        let ports = decode_mappings(&endpoint.ports)?;
        if read.insert(key, Endpoint { host, ports }).is_some() {
            let allowed = "each service once";
            return Err(READ.bad("endpoints.service", &endpoint.service, allowed));
        }
    }
    Ok(read)
}

fn decode_mappings(ports: &[wire::PortMapping]) -> Result<BTreeMap<PortKey, u16>, Malformed> {
    READ.count("endpoints.ports", ports.len(), MAX_PORTS)?;
    let mut read = BTreeMap::new();
    for mapping in ports {
        let key = READ.id("endpoints.ports.port", &mapping.port, PortKey::parse)?;
        let target = READ.port("endpoints.ports.target", mapping.target)?;
        if read.insert(key, target).is_some() {
            return Err(READ.bad("endpoints.ports.port", &mapping.port, "each port once"));
        }
    }
    Ok(read)
}

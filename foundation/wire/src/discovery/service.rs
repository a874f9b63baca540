//! Services <-> their messages.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use pelago_model::{
    Audience, ClusterId, Hostname, Interner, Namespace, NetworkId, PortKey, Service, ServiceKey,
    TrustDomain,
    service::{ServicePort, Spread},
};

use crate::field::Reader;
use crate::limits::{MAX_LIST, MAX_PORTS};
use crate::malformed::Malformed;
use crate::protos::pelago::discovery::v1 as wire;

const READ: Reader = Reader("Service");

pub(super) fn encode(service: &Service) -> wire::Service {
    wire::Service {
        namespace: service.key.namespace.as_str().to_owned(),
        host: service.key.host.as_str().to_owned(),
        ports: service.ports.iter().map(encode_port).collect(),
        aliases: service
            .aliases
            .iter()
            .map(|host| host.as_str().to_owned())
            .collect(),
        addresses: service.addresses.iter().map(encode_address).collect(),
        cluster: service.cluster.as_str().to_owned(),
        exported_to: service.exported_to.iter().map(encode_audience).collect(),
        spread: match service.spread {
            Spread::Nearest => wire::Spread::Nearest,
            Spread::Everywhere => wire::Spread::Everywhere,
        }
        .into(),
        failover: service.failover,
    }
}

pub(super) fn decode(
    service: wire::Service,
    interner: &mut Interner,
) -> Result<Service, Malformed> {
    let key = ServiceKey {
        namespace: READ.id("namespace", &service.namespace, Namespace::parse)?,
        host: READ.id("host", &service.host, Hostname::parse)?,
    };
    let cluster = READ.id("cluster", &service.cluster, ClusterId::parse)?;
    let aliases = READ.list("aliases", service.aliases, MAX_LIST, |text| {
        READ.id("aliases", &text, Hostname::parse)
    })?;
    let audiences = READ.list(
        "exported_to",
        service.exported_to,
        MAX_LIST,
        decode_audience,
    )?;
    Ok(Service {
        key: interner.intern(key),
        ports: decode_ports(service.ports)?,
        aliases: aliases.into_iter().map(|a| interner.intern(a)).collect(),
        addresses: READ.list("addresses", service.addresses, MAX_LIST, |address| {
            let (network, ip) = decode_address(&address)?;
            Ok((interner.intern(network), ip))
        })?,
        cluster: interner.intern(cluster),
        exported_to: audiences.into_iter().collect::<BTreeSet<_>>(),
        spread: match wire::Spread::try_from(service.spread) {
            Ok(wire::Spread::Nearest) => Spread::Nearest,
            Ok(wire::Spread::Everywhere) => Spread::Everywhere,
            Ok(wire::Spread::Unspecified) | Err(_) => {
                let allowed = "SPREAD_NEAREST or SPREAD_EVERYWHERE";
                return Err(READ.bad("spread", &service.spread.to_string(), allowed));
            }
        },
        failover: service.failover,
    })
}

fn encode_port((key, port): (&PortKey, &ServicePort)) -> wire::ServicePort {
    wire::ServicePort {
        port: key.to_string(),
        name: port.name.clone(),
        app_protocol: port.app_protocol.clone(),
    }
}

fn decode_ports(
    ports: Vec<wire::ServicePort>,
) -> Result<BTreeMap<PortKey, ServicePort>, Malformed> {
    READ.count("ports", ports.len(), MAX_PORTS)?;
    let mut read = BTreeMap::new();
    for port in ports {
        let key = READ.id("ports.port", &port.port, PortKey::parse)?;
        let text = |field, text: Option<String>| text.map(|text| READ.text(field, text));
        let service_port = ServicePort {
            name: text("ports.name", port.name).transpose()?,
            app_protocol: text("ports.app_protocol", port.app_protocol).transpose()?,
        };
        if read.insert(key, service_port).is_some() {
            return Err(READ.bad("ports.port", &port.port, "each port once"));
        }
    }
    Ok(read)
}

fn encode_address((network, ip): &(NetworkId, IpAddr)) -> wire::NetworkAddress {
    wire::NetworkAddress {
        network: network.to_string(),
        address: crate::discovery::workload::encode_ip(*ip),
    }
}

fn decode_address(address: &wire::NetworkAddress) -> Result<(NetworkId, IpAddr), Malformed> {
    Ok((
        READ.id("addresses.network", &address.network, NetworkId::parse)?,
        READ.ip("addresses.address", &address.address)?,
    ))
}

fn encode_audience(audience: &Audience) -> wire::Audience {
    wire::Audience {
        cluster: audience.cluster.as_str().to_owned(),
        trust_domain: audience.trust_domain.as_str().to_owned(),
    }
}

fn decode_audience(audience: wire::Audience) -> Result<Audience, Malformed> {
    Ok(Audience {
        cluster: READ.id("exported_to.cluster", &audience.cluster, ClusterId::parse)?,
        trust_domain: READ.id(
            "exported_to.trust_domain",
            &audience.trust_domain,
            TrustDomain::parse,
        )?,
    })
}

//! `listen:` of both kinds; a gateway's may also be its one address.

use std::fmt;
use std::net::SocketAddr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A node's listeners.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct NodeListen {
    pub(super) hbone: Option<SocketAddr>,
    pub(super) socks: Option<SocketAddr>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) health: Option<SocketAddr>,
    pub(super) admin: Option<SocketAddr>,
    pub(super) dns: Option<SocketAddr>,
    pub(super) outbound: Option<SocketAddr>,
    pub(super) inbound: Option<SocketAddr>,
}

/// A gateway's listeners.
#[derive(Debug, Default)]
pub(super) struct GatewayListen {
    pub(super) gateway: Option<SocketAddr>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) health: Option<SocketAddr>,
    pub(super) admin: Option<SocketAddr>,
    pub(super) hbone: Option<SocketAddr>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Fields {
    gateway: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    health: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    hbone: Option<SocketAddr>,
}

impl<'de> Deserialize<'de> for GatewayListen {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AddressOrFields)
    }
}

struct AddressOrFields;

impl<'de> Visitor<'de> for AddressOrFields {
    type Value = GatewayListen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IP:PORT, or a mapping with gateway, metrics and health")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<GatewayListen, E> {
        let gateway = text.parse().map_err(|_| {
            E::custom(format_args!(
                "{text:?} is no address: write IP:PORT, such as 0.0.0.0:15443"
            ))
        })?;
        Ok(GatewayListen {
            gateway: Some(gateway),
            ..GatewayListen::default()
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<GatewayListen, A::Error> {
        let fields = Fields::deserialize(MapAccessDeserializer::new(map))?;
        Ok(GatewayListen {
            gateway: fields.gateway,
            metrics: fields.metrics,
            health: fields.health,
            admin: fields.admin,
            hbone: fields.hbone,
        })
    }
}

//! Gateways <-> their messages.

use pelago_model::{ClusterId, Gateway, GatewayId, Interner, Name, NetworkId, SpiffeId};

use crate::discovery::workload::{decode_standing, encode_standing};
use crate::field::Reader;
use crate::malformed::Malformed;
use crate::protos::pelago::discovery::v1 as wire;

const READ: Reader = Reader("Gateway");

pub(super) fn encode(gateway: &Gateway) -> wire::Gateway {
    wire::Gateway {
        cluster: gateway.id.cluster.as_str().to_owned(),
        name: gateway.id.name.as_str().to_owned(),
        network: gateway.network.to_string(),
        identity: gateway.identity.as_str().to_owned(),
        addresses: gateway.addresses.iter().map(ToString::to_string).collect(),
        standing: encode_standing(gateway.standing).into(),
    }
}

pub(super) fn decode(
    gateway: &wire::Gateway,
    interner: &mut Interner,
) -> Result<Gateway, Malformed> {
    let id = GatewayId {
        cluster: READ.id("cluster", &gateway.cluster, ClusterId::parse)?,
        name: READ.id("name", &gateway.name, Name::parse)?,
    };
    let network = READ.id("network", &gateway.network, NetworkId::parse)?;
    let identity = READ.id("identity", &gateway.identity, SpiffeId::parse)?;
    let addresses = READ.addresses("addresses", &gateway.addresses)?;
    Ok(Gateway {
        id: interner.intern(id),
        network: interner.intern(network),
        identity: interner.intern(identity),
        addresses: addresses.into_iter().map(|a| interner.intern(a)).collect(),
        standing: decode_standing(READ, gateway.standing)?,
    })
}

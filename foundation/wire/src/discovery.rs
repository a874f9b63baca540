//! `pelago.discovery.v1`: the resources of our own discovery.
//!
//! [`encode`] and [`decode`] carry one resource in and out of an `Any`;
//! `decode(encode(x)) == x`. A resource whose name is not the one it was sent
//! under, that is too large, or that says something unknown is refused whole:
//! the receiver keeps what it had.

mod gateway;
mod policy;
mod service;
mod workload;

use std::sync::Arc;

use pelago_model::{Interner, Kind, Resource};
use prost::Message as _;
use prost_types::Any;

pub use crate::protos::pelago::discovery::v1::*;

use crate::field::Reader;
use crate::limits::MAX_RESOURCE;
use crate::malformed::Malformed;

/// The type URL of a kind.
#[must_use]
pub const fn type_url(kind: Kind) -> &'static str {
    match kind {
        Kind::Policy => "type.googleapis.com/pelago.discovery.v1.Policy",
        Kind::Gateway => "type.googleapis.com/pelago.discovery.v1.Gateway",
        Kind::Service => "type.googleapis.com/pelago.discovery.v1.Service",
        Kind::Workload => "type.googleapis.com/pelago.discovery.v1.Workload",
    }
}

/// The kind of a type URL, if it is one of ours.
#[must_use]
pub fn kind(url: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| type_url(*kind) == url)
}

/// Writes a resource.
#[must_use]
pub fn encode(resource: &Resource) -> Any {
    let (kind, value) = match resource {
        Resource::Policy(policy) => (Kind::Policy, policy::encode(policy).encode_to_vec()),
        Resource::Gateway(gateway) => (Kind::Gateway, gateway::encode(gateway).encode_to_vec()),
        Resource::Service(service) => (Kind::Service, service::encode(service).encode_to_vec()),
        Resource::Workload(workload) => {
            (Kind::Workload, workload::encode(workload).encode_to_vec())
        }
    };
    Any {
        type_url: type_url(kind).to_owned(),
        value,
    }
}

/// Reads the resource that was sent under `name`; equal ids share their text
/// through `interner`.
///
/// # Errors
/// [`Malformed`] when it is too large, of another type, not protobuf, has
/// another name inside, or a field breaks its grammar or limit.
pub fn decode(
    kind: Kind,
    name: &str,
    any: &Any,
    interner: &mut Interner,
) -> Result<Resource, Malformed> {
    let read = Reader("Resource");
    if any.type_url != type_url(kind) {
        return Err(read.bad("type_url", &any.type_url, type_url(kind)));
    }
    read.count("resource bytes", any.value.len(), MAX_RESOURCE)?;
    let bytes = any.value.as_slice();
    let resource = match kind {
        Kind::Policy => Resource::Policy(Arc::new(policy::decode(parse(bytes)?, interner)?)),
        Kind::Gateway => Resource::Gateway(Arc::new(gateway::decode(&parse(bytes)?, interner)?)),
        Kind::Service => Resource::Service(Arc::new(service::decode(parse(bytes)?, interner)?)),
        Kind::Workload => Resource::Workload(Arc::new(workload::decode(parse(bytes)?, interner)?)),
    };
    let own = resource.name().to_string();
    if own != name {
        return Err(Malformed::new(
            "Resource",
            "name",
            name,
            format!("the resource's own name {own:?}"),
        ));
    }
    Ok(resource)
}

fn parse<M: prost::Message + Default>(bytes: &[u8]) -> Result<M, Malformed> {
    M::decode(bytes)
        .map_err(|error| Malformed::new("Resource", "resource", &error.to_string(), "protobuf"))
}

#[cfg(test)]
mod tests;

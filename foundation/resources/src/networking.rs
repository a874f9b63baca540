//! Istio `networking.istio.io`: `WorkloadEntry`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use pelago_model::{Locality, Name, NetworkId, SpiffeId, WorkloadUid};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Context;
use crate::declaration::{Declaration, WorkloadDecl};
use crate::metadata::{self, Metadata};
use crate::node::Node;
use crate::schema::{self, Unhonoured};
use crate::status::Report;

pub(crate) fn read(
    document: &Node,
    meta: &Metadata,
    context: &Context,
    report: &mut Report<'_>,
) -> Option<Declaration> {
    let Some(spec) = document.field("spec") else {
        let message = "is missing; allowed: an object with an address".to_owned();
        report.broken(document.line, "spec", message);
        return None;
    };
    let raw: RawSpec = schema::typed(spec, "spec", UNHONOURED, report)?;
    let line = |name| spec.field(name).map_or(spec.line, |field| field.line);
    let address = raw.address.parse::<IpAddr>().map_err(|_| {
        let text: String = raw.address.chars().take(64).collect();
        let message = format!(
            "is {text:?}; allowed: an IPv4 or IPv6 address (names are not resolved by this version)"
        );
        report.broken(line("address"), "spec.address", message);
    });
    let account = raw.service_account.as_deref().unwrap_or("default");
    // A service account's name is a name; a `/` would make it another path.
    let identity = Name::parse(account)
        .and_then(|account| {
            let namespace = meta.key.namespace.as_str();
            context.trust_domain.workload(namespace, account.as_str())
        })
        .map_err(|error| {
            report.broken(
                line("serviceAccount"),
                "spec.serviceAccount",
                error.to_string(),
            )
        });
    let network = raw.network.as_deref().map(|name| {
        Name::parse(name)
            .map(|name| NetworkId::of(context.cluster.clone(), name))
            .map_err(|error| report.broken(line("network"), "spec.network", error.to_string()))
    });
    let node = node(meta, context, report);
    let ports = ports(spec, &raw.ports, report);
    let uid = WorkloadUid::parse(&format!(
        "{}/networking.istio.io/WorkloadEntry/{}",
        context.cluster, meta.key
    ));
    let mut labels = meta.labels.clone();
    labels.extend(raw.labels);
    Some(Declaration::Workload(WorkloadDecl {
        key: meta.key.clone(),
        uid: uid
            .map_err(|error| report.broken(meta.line, "metadata.name", error.to_string()))
            .ok()?,
        identity: identity.ok()?,
        addresses: vec![address.ok()?],
        network: network
            .transpose()
            .ok()?
            .unwrap_or_else(|| context.network.clone()),
        locality: Locality::parse(raw.locality.as_deref().unwrap_or_default()),
        weight: raw.weight.unwrap_or(1),
        node: node.ok()?,
        labels,
        ports,
    }))
}

/// The node that serves the workload, if the annotation names one.
fn node(
    meta: &Metadata,
    context: &Context,
    report: &mut Report<'_>,
) -> Result<Option<SpiffeId>, ()> {
    let Some(name) = meta.annotations.get(metadata::NODE) else {
        return Ok(None);
    };
    match Name::parse(name) {
        Ok(name) => Ok(Some(context.node(&name))),
        Err(error) => {
            let field = format!("metadata.annotations.{}", metadata::NODE);
            report.broken(meta.line, &field, error.to_string());
            Err(())
        }
    }
}

fn ports(
    spec: &Node,
    raw: &BTreeMap<String, i64>,
    report: &mut Report<'_>,
) -> BTreeMap<String, u16> {
    let line = spec.field("ports").map_or(spec.line, |field| field.line);
    let valid = raw.iter().filter_map(|(name, port)| {
        let number = u16::try_from(*port).ok().filter(|port| *port > 0);
        if number.is_none() {
            let message = format!("is {port}; allowed: a number of 1 to 65535");
            report.broken(line, &format!("spec.ports.{name}"), message);
        }
        Some((name.clone(), number?))
    });
    valid.collect()
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RawSpec {
    address: String,
    #[serde(default)]
    ports: BTreeMap<String, i64>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    network: Option<String>,
    #[serde(default)]
    locality: Option<String>,
    #[serde(default)]
    weight: Option<u32>,
    #[serde(default)]
    service_account: Option<String>,
}

const UNHONOURED: Unhonoured = &[];

#[cfg(test)]
mod tests;

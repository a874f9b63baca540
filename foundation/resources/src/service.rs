//! Kubernetes core/v1 `Service`.
//!
//! TCP only: a UDP or SCTP port is refused by name and the others hold.

use std::collections::BTreeMap;

use pelago_model::service::{ServicePort, Spread};
use pelago_model::{ClusterId, PortKey};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::declaration::{Declaration, ServiceDecl, Target};
use crate::metadata::{self, Metadata};
use crate::node::Node;
use crate::schema::{self, Unhonoured};
use crate::status::Report;

pub(crate) fn read(
    document: &Node,
    meta: &Metadata,
    report: &mut Report<'_>,
) -> Option<Declaration> {
    // A Kubernetes service name is one label; host names rely on it.
    if let Err(error) = ClusterId::parse(meta.key.name.as_str()) {
        let message = format!(
            "is {:?}; allowed: {}",
            meta.key.name.as_str(),
            error.allowed
        );
        report.broken(meta.line, "metadata.name", message);
        return None;
    }
    let spec = document.field("spec").unwrap_or(document);
    if document.field("spec").is_none() {
        let message = "is missing; allowed: an object".to_owned();
        report.broken(document.line, "spec", message);
        return None;
    }
    let raw: RawSpec = schema::typed(spec, "spec", UNHONOURED, report)?;
    kind(spec, &raw, report)?;
    let service = meta
        .key
        .local()
        .map_err(|error| report.broken(meta.line, "metadata.name", error.to_string()))
        .ok()?;
    let ports = ports(spec, &raw.ports, report);
    let spread = [("nearest", Spread::Nearest), ("spread", Spread::Everywhere)];
    let switch = [
        ("on", true),
        ("off", false),
        ("true", true),
        ("false", false),
    ];
    Some(Declaration::Service(ServiceDecl {
        key: meta.key.clone(),
        service,
        ports,
        selector: raw.selector,
        spread: meta.choice(metadata::LOCALITY, &spread, Spread::Nearest, report),
        failover: meta.choice(metadata::FAILOVER, &switch, true, report),
    }))
}

/// What the service is; an `ExternalName` cannot be one of the mesh.
fn kind(spec: &Node, raw: &RawSpec, report: &mut Report<'_>) -> Option<()> {
    let line = |name| spec.field(name).map_or(spec.line, |field| field.line);
    match raw.kind {
        Kind::ClusterIP => {}
        Kind::NodePort | Kind::LoadBalancer => {
            let message = "opens nothing to the outside here: the service is served as ClusterIP";
            report.ignored(line("type"), "spec.type", message.to_owned());
        }
        Kind::ExternalName => {
            let message = "ExternalName has no workloads and is not served";
            report.broken(line("type"), "spec.type", message.to_owned());
            return None;
        }
    }
    if raw.cluster_ip.as_deref() == Some("None") {
        let message =
            "headless is not honoured by this version: the service is balanced like any other";
        report.ignored(line("clusterIP"), "spec.clusterIP", message.to_owned());
    }
    if matches!(raw.session_affinity, Affinity::ClientIP) {
        let message = "ClientIP is not honoured by this version: requests go to any endpoint";
        report.ignored(
            line("sessionAffinity"),
            "spec.sessionAffinity",
            message.to_owned(),
        );
    }
    Some(())
}

fn ports(
    spec: &Node,
    raw: &[RawPort],
    report: &mut Report<'_>,
) -> BTreeMap<PortKey, (ServicePort, Target)> {
    let mut ports = BTreeMap::new();
    let nodes = spec
        .field("ports")
        .and_then(Node::items)
        .unwrap_or_default();
    for (index, (port, node)) in raw.iter().zip(nodes).enumerate() {
        let path = |field: &str| format!("spec.ports[{index}].{field}");
        if !matches!(port.protocol, Protocol::Tcp) {
            let message = "is not served by this version (allowed: TCP): the port is left out";
            report.refused(node.line, &path("protocol"), message.to_owned());
            continue;
        }
        let number = |number: i64| u16::try_from(number).ok().filter(|port| *port > 0);
        let Some(own) = number(port.port) else {
            let message = format!("is {}; allowed: a number of 1 to 65535", port.port);
            report.broken(node.line, &path("port"), message);
            continue;
        };
        let target = match &port.target_port {
            None => Some(Target::Number(own)),
            Some(RawTarget::Number(target)) => number(*target).map(Target::Number),
            Some(RawTarget::Name(name)) => Some(Target::Name(name.clone())),
        };
        let Some(target) = target else {
            let message = "allowed: a number of 1 to 65535, or the name of a workload's port";
            report.broken(node.line, &path("targetPort"), message.to_owned());
            continue;
        };
        let told = ServicePort {
            name: present(port.name.as_ref()),
            app_protocol: present(port.app_protocol.as_ref()),
        };
        if ports.insert(PortKey::tcp(own), (told, target)).is_some() {
            let message = format!("{own}/TCP stands here twice; each port once");
            report.broken(node.line, &path("port"), message);
        }
    }
    ports
}

/// An empty name is no name.
fn present(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
struct RawSpec {
    ports: Vec<RawPort>,
    selector: BTreeMap<String, String>,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<String>,
    session_affinity: Affinity,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
enum Kind {
    #[default]
    ClusterIP,
    NodePort,
    LoadBalancer,
    ExternalName,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
enum Affinity {
    #[default]
    None,
    ClientIP,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RawPort {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    protocol: Protocol,
    port: i64,
    #[serde(default)]
    target_port: Option<RawTarget>,
    #[serde(default)]
    app_protocol: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum RawTarget {
    Number(i64),
    Name(String),
}

const UNHONOURED: Unhonoured = &[
    (
        "spec",
        &[
            "allocateLoadBalancerNodePorts",
            "clusterIPs",
            "externalIPs",
            "externalName",
            "externalTrafficPolicy",
            "healthCheckNodePort",
            "internalTrafficPolicy",
            "ipFamilies",
            "ipFamilyPolicy",
            "loadBalancerClass",
            "loadBalancerIP",
            "loadBalancerSourceRanges",
            "publishNotReadyAddresses",
            "sessionAffinityConfig",
            "trafficDistribution",
        ],
    ),
    ("spec.ports[]", &["nodePort"]),
];

#[cfg(test)]
mod tests;

//! What the declarations say together and does not hold: an export of nothing,
//! a port that leads nowhere.
//!
//! Asked for when someone looks; nothing here is kept.

use pelago_resources::{Finding, Severity, Target};

use crate::export::{self, MAX_SHOWN, MAX_SHOWN_BYTES};
use crate::merge::Merge;
use crate::output::merges;
use crate::world::World;

/// At most so many findings.
pub const MAX_FINDINGS: usize = 1000;

/// Everything that does not hold, at most [`MAX_FINDINGS`].
#[must_use]
pub fn findings(merge: &Merge) -> Vec<Finding> {
    let world = merge.world();
    exports(world)
        .chain(grants(world))
        .chain(ports(world))
        .chain(merged(world))
        .chain(cut(merge))
        .take(MAX_FINDINGS)
        .collect()
}

fn exports(world: &World) -> impl Iterator<Item = Finding> {
    let exports = world.exports.iter();
    let ghosts = exports.filter(|key| !world.services.contains_key(key));
    ghosts.map(|key| {
        let message = "there is no such service: nothing is exported".to_owned();
        warning(format!("ServiceExport {key}"), "", message)
    })
}

/// Exports that are too large to be shown whole.
fn cut(merge: &Merge) -> impl Iterator<Item = Finding> {
    let services = merge.snapshot().services();
    let shown = services.filter(|service| !service.exported_to.is_empty());
    shown.filter_map(|service| {
        let (all, shown) = export::cut(merge.snapshot(), service, &service.cluster);
        (shown < all).then(|| {
            let message = format!(
                "has {all} endpoints: only {shown} are shown to peers (at most {MAX_SHOWN} and {MAX_SHOWN_BYTES} bytes); split the service"
            );
            warning(format!("Service {}", service.key), "spec.selector", message)
        })
    })
}

fn grants(world: &World) -> impl Iterator<Item = Finding> {
    world.peers.values().flat_map(move |(peer, _)| {
        let granted = world.services.keys().filter(|key| {
            let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
            peer.grant.exports(namespace, name) && !world.exports.contains(key)
        });
        granted.map(|key| {
            let message = format!(
                "is granted to peer {} and has no ServiceExport: it is not shown",
                peer.cluster
            );
            warning(format!("Service {key}"), "", message)
        })
    })
}

fn ports(world: &World) -> impl Iterator<Item = Finding> {
    world.services.values().flat_map(move |service| {
        world.selected(service).flat_map(move |workload| {
            let ports = service.ports.iter();
            ports.filter_map(move |(port, (_, target))| match target {
                Target::Name(name) if !workload.ports.contains_key(name) => {
                    let message = format!(
                        "WorkloadEntry {} has no port named {name:?}: {port} does not lead to it",
                        workload.key
                    );
                    let object = format!("Service {}", service.key);
                    Some(warning(object, "spec.ports", message))
                }
                _ => None,
            })
        })
    })
}

fn merged(world: &World) -> impl Iterator<Item = Finding> {
    world.imports.iter().flat_map(move |(cluster, imports)| {
        let services = imports.services.iter();
        let both = services.filter(|(key, _)| merges(world, cluster, key));
        both.filter_map(move |(key, shown)| {
            let ours = world.services.get(key)?;
            let told = |port| shown.ports.iter().any(|(told, _)| told == port);
            let missing = ours.ports.keys().find(|port| !told(*port))?;
            let message = format!("peer {cluster} does not serve port {missing} of it");
            Some(warning(format!("Service {key}"), "spec.ports", message))
        })
    })
}

fn warning(object: String, field: &str, message: String) -> Finding {
    Finding::new(Severity::Warning, "mesh", &object, field, &message)
}

#[cfg(test)]
mod tests;

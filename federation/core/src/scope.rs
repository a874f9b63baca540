//! One client's slice of the snapshot: what it needs.
//!
//! A node sees the whole snapshot for now, since its workloads may call every
//! service. A gateway sees what it may let in: exported services of ours, our
//! own workloads and gateways; policies too, so that nothing is ever wider at a
//! gateway than at a node. It never learns what peers show us.

use std::sync::Arc;

use pelago_model::{ClusterId, Delta, PartKind, Resource, Snapshot};

/// Whether a client of that kind is told of the resource.
#[must_use]
pub fn sees(kind: PartKind, ours: &ClusterId, resource: &Resource) -> bool {
    match (kind, resource) {
        (PartKind::Node, _) | (PartKind::Gateway, Resource::Policy(_)) => true,
        (PartKind::Gateway, Resource::Service(service)) => {
            service.cluster == *ours && !service.exported_to.is_empty()
        }
        (PartKind::Gateway, Resource::Workload(workload)) => workload.cluster == *ours,
        (PartKind::Gateway, Resource::Gateway(gateway)) => gateway.id.cluster == *ours,
    }
}

/// A slice that follows the snapshot.
#[derive(Debug)]
pub struct Slice {
    kind: PartKind,
    ours: ClusterId,
    seen: Snapshot,
    slice: Snapshot,
}

impl Slice {
    /// An empty slice for clients of that kind.
    #[must_use]
    pub fn new(kind: PartKind, ours: ClusterId) -> Self {
        Self {
            kind,
            ours,
            seen: Snapshot::default(),
            slice: Snapshot::default(),
        }
    }

    /// The slice of `now`.
    pub fn update(&mut self, now: &Snapshot) -> Arc<Snapshot> {
        let mut delta = self.seen.diff(now);
        let (told, hidden): (Vec<_>, Vec<_>) = std::mem::take(&mut delta.upserts)
            .into_iter()
            .partition(|resource| sees(self.kind, &self.ours, resource));
        delta.removals.extend(hidden.iter().map(Resource::name));
        self.slice.apply(&Delta {
            upserts: told,
            removals: delta.removals,
        });
        self.seen = now.clone();
        Arc::new(self.slice.clone())
    }
}

#[cfg(test)]
mod tests;

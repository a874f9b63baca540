//! Views to one snapshot, incrementally: only what a changed fact touches is
//! compiled again.
//!
//! Of several views the first that speaks of a key is believed. A policy that is
//! not complete keeps its last complete version, if one is remembered. The
//! incremental result equals [`Merge::full`]: a property with a test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pelago_model::authz::Policy;
use pelago_model::{ClusterId, Delta, Name, PolicyKey, RegistrationEntry, Snapshot};
use pelago_resources::PolicyDecl;

use crate::output;
use crate::view::{Fact, FactKey, View};
use crate::world::{Output, World};

/// The merged truth of one cluster.
#[derive(Debug)]
pub struct Merge {
    ours: ClusterId,
    world: World,
    cursors: Vec<u64>,
    last_good: BTreeMap<PolicyKey, Policy>,
    snapshot: Snapshot,
}

impl Merge {
    /// Nothing yet, of this cluster.
    #[must_use]
    pub fn new(ours: ClusterId) -> Self {
        Self {
            ours,
            world: World::default(),
            cursors: Vec::new(),
            last_good: BTreeMap::new(),
            snapshot: Snapshot::default(),
        }
    }

    /// Remembers a complete version of a policy from before a restart.
    pub fn remember(&mut self, policy: Policy) {
        self.last_good.entry(policy.key.clone()).or_insert(policy);
    }

    /// Takes in what changed in the views (always the same ones, in the order of
    /// who is believed first) and says what changed in the snapshot.
    pub fn update(&mut self, views: &mut [View]) -> Delta {
        self.cursors.resize(views.len(), 0);
        let mut keys = BTreeSet::new();
        for (view, cursor) in views.iter_mut().zip(&mut self.cursors) {
            keys.extend(view.changes_since(*cursor).cloned());
            *cursor = view.revision();
            view.forget(*cursor);
        }
        let mut outputs = BTreeSet::new();
        for key in keys {
            self.world.touched(&key, &mut outputs);
            let fact = views.iter().find_map(|view| view.get(&key));
            let fact = self.keep_last_good(&key, fact);
            self.world.set(&key, fact.as_ref());
            self.world.touched(&key, &mut outputs);
        }
        let delta = self.compile(&outputs);
        self.snapshot.apply(&delta);
        delta
    }

    /// The snapshot after the last update.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The snapshot compiled from nothing: what the incremental one must equal.
    #[must_use]
    pub fn full(&self) -> Snapshot {
        let world = &self.world;
        let keys = (world.services.keys().cloned().map(FactKey::Service))
            .chain(world.workloads.keys().cloned().map(FactKey::Workload))
            .chain(world.policies.keys().cloned().map(FactKey::Policy))
            .chain(world.gateways.keys().cloned().map(FactKey::Gateway))
            .chain(world.peers.keys().cloned().map(FactKey::Peer));
        let mut outputs = BTreeSet::new();
        for key in keys {
            world.touched(&key, &mut outputs);
        }
        let mut snapshot = Snapshot::default();
        let upserts = outputs
            .iter()
            .filter_map(|output| output::resource(&self.ours, world, output))
            .collect();
        snapshot.apply(&Delta {
            upserts,
            removals: Vec::new(),
        });
        snapshot
    }

    /// Registration entries, by id.
    #[must_use]
    pub const fn entries(&self) -> &BTreeMap<Name, Arc<RegistrationEntry>> {
        &self.world.entries
    }

    /// The complete policies that hold or held last, by key: what to persist.
    #[must_use]
    pub const fn last_good(&self) -> &BTreeMap<PolicyKey, Policy> {
        &self.last_good
    }

    pub(crate) const fn world(&self) -> &World {
        &self.world
    }

    /// A policy that is complete is remembered; one that is not gives way to the
    /// one remembered; one that is gone is forgotten.
    fn keep_last_good(&mut self, key: &FactKey, fact: Option<&Fact>) -> Option<Fact> {
        match (key, fact) {
            (FactKey::Policy(key), None) => {
                self.last_good.remove(key);
                None
            }
            (FactKey::Policy(key), Some(Fact::Policy(decl))) if decl.complete => {
                self.last_good.insert(key.clone(), decl.policy.clone());
                fact.cloned()
            }
            (FactKey::Policy(key), Some(Fact::Policy(_))) => match self.last_good.get(key) {
                Some(policy) => Some(Fact::Policy(Arc::new(PolicyDecl {
                    policy: policy.clone(),
                    complete: true,
                }))),
                None => fact.cloned(),
            },
            _ => fact.cloned(),
        }
    }

    fn compile(&self, outputs: &BTreeSet<Output>) -> Delta {
        let mut delta = Delta::default();
        for output in outputs {
            let Some(name) = output::name(&self.ours, &self.world, output) else {
                continue;
            };
            let old = self.snapshot.resource(&name);
            match output::resource(&self.ours, &self.world, output) {
                None => delta.removals.extend(old.map(|_| name)),
                new if new == old => {}
                Some(new) => delta.upserts.push(new),
            }
        }
        delta
    }
}

#[cfg(test)]
mod tests;

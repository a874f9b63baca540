//! One source's testimony, with what changed since a revision.
//!
//! A view says what its source says and nothing about who is right: that is
//! [`crate::merge`]'s. Its log is forgotten once it was read, so that it never
//! grows with history.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use pelago_model::{
    ClusterId, ExportedGateway, ExportedService, Gateway, Name, Peer, PolicyKey, RegistrationEntry,
    Standing,
};
use pelago_resources::{Declaration, ObjectKey, PolicyDecl, ServiceDecl, WorkloadDecl};

/// Names a fact. Two sources that say something under one key contradict each
/// other, or repeat each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactKey {
    /// A service of ours.
    Service(ObjectKey),
    /// A workload of ours.
    Workload(ObjectKey),
    /// That a service of ours may leave.
    Export(ObjectKey),
    /// A policy.
    Policy(PolicyKey),
    /// A registration entry.
    Entry(Name),
    /// A gateway of ours.
    Gateway(Name),
    /// A peer that an operator let in.
    Peer(ClusterId),
    /// A service that a peer shows.
    Imported(ClusterId, ObjectKey),
    /// A gateway that a peer shows.
    ImportedGateway(ClusterId, Name),
}

/// What a source says under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A service of ours.
    Service(Arc<ServiceDecl>),
    /// A workload of ours.
    Workload(Arc<WorkloadDecl>),
    /// That a service of ours may leave.
    Export,
    /// A policy.
    Policy(Arc<PolicyDecl>),
    /// A registration entry.
    Entry(Arc<RegistrationEntry>),
    /// A gateway of ours.
    Gateway(Arc<Gateway>),
    /// A peer, and what the lease on its word says.
    Peer(Arc<Peer>, Standing),
    /// A service that a peer shows; already judged by [`crate::import`].
    Imported(Arc<ExportedService>),
    /// A gateway that a peer shows; already judged by [`crate::import`].
    ImportedGateway(Arc<ExportedGateway>),
}

/// What one source says.
#[derive(Debug, Default)]
pub struct View {
    facts: BTreeMap<FactKey, Fact>,
    revision: u64,
    log: VecDeque<(u64, FactKey)>,
}

impl View {
    /// Says `fact` under `key`; saying the same again changes nothing.
    pub fn set(&mut self, key: FactKey, fact: Fact) {
        if self.facts.get(&key) != Some(&fact) {
            self.facts.insert(key.clone(), fact);
            self.changed(key);
        }
    }

    /// Says nothing under `key` any more.
    pub fn remove(&mut self, key: &FactKey) {
        if self.facts.remove(key).is_some() {
            self.changed(key.clone());
        }
    }

    /// Says exactly `facts` from now on.
    pub fn replace(&mut self, facts: BTreeMap<FactKey, Fact>) {
        let gone: Vec<FactKey> = self
            .facts
            .keys()
            .filter(|key| !facts.contains_key(key))
            .cloned()
            .collect();
        gone.iter().for_each(|key| self.remove(key));
        facts
            .into_iter()
            .for_each(|(key, fact)| self.set(key, fact));
    }

    /// What is said under `key`.
    #[must_use]
    pub fn get(&self, key: &FactKey) -> Option<&Fact> {
        self.facts.get(key)
    }

    /// All that is said, in the order of keys.
    pub fn facts(&self) -> impl Iterator<Item = (&FactKey, &Fact)> {
        self.facts.iter()
    }

    /// Grows with every change.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Keys that changed after `revision`, oldest first; a key may repeat.
    pub fn changes_since(&self, revision: u64) -> impl Iterator<Item = &FactKey> {
        let from = self.log.partition_point(|(at, _)| *at <= revision);
        self.log.range(from..).map(|(_, key)| key)
    }

    /// Forgets changes up to `revision`; whoever reads has read them.
    pub fn forget(&mut self, revision: u64) {
        let read = self.log.partition_point(|(at, _)| *at <= revision);
        self.log.drain(..read);
    }

    fn changed(&mut self, key: FactKey) {
        self.revision += 1;
        self.log.push_back((self.revision, key));
    }
}

/// What a declaration says, as a fact.
#[must_use]
pub fn declared(declaration: Declaration) -> (FactKey, Fact) {
    match declaration {
        Declaration::Service(service) => (
            FactKey::Service(service.key.clone()),
            Fact::Service(Arc::new(service)),
        ),
        Declaration::Workload(workload) => (
            FactKey::Workload(workload.key.clone()),
            Fact::Workload(Arc::new(workload)),
        ),
        Declaration::Export(key) => (FactKey::Export(key), Fact::Export),
        Declaration::Policy(decl) => (
            FactKey::Policy(decl.policy.key.clone()),
            Fact::Policy(Arc::new(decl)),
        ),
        Declaration::Entry(_, entry) => (
            FactKey::Entry(entry.id.clone()),
            Fact::Entry(Arc::new(entry)),
        ),
    }
}

#[cfg(test)]
mod tests;

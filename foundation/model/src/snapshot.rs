//! The topology truth: every resource, indexed for those who ask.
//!
//! Immutable for its readers: a writer clones (shards are shared), applies a
//! delta, and publishes. Nothing here can add a trust root or a key.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::authz::{Policy, PolicyKey, Scope};
use crate::delta::{Delta, Resource, ResourceName};
use crate::gateway::{Gateway, GatewayId};
use crate::hash::Version;
use crate::id::{Namespace, NetworkId};
use crate::net::Hostname;
use crate::service::{Service, ServiceKey};
use crate::shards::Shards;
use crate::workload::{Workload, WorkloadUid};

type Index<K, M> = Shards<K, Arc<BTreeMap<M, ()>>>;

/// The indexed truth. Cloning is cheap; applying a delta costs the delta.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    policies: Shards<PolicyKey, Arc<Policy>>,
    gateways: Shards<GatewayId, Arc<Gateway>>,
    services: Shards<ServiceKey, Arc<Service>>,
    workloads: Shards<WorkloadUid, Arc<Workload>>,
    hosts: Index<Hostname, ServiceKey>,
    endpoints: Index<ServiceKey, WorkloadUid>,
    addresses: Index<(NetworkId, std::net::IpAddr), WorkloadUid>,
    entrances: Index<NetworkId, GatewayId>,
    /// Policies by whom they speak of: a namespace, or `None` for everybody.
    spoken_of: Index<Option<Namespace>, PolicyKey>,
    /// Services by virtual address.
    virtual_addresses: Index<(NetworkId, std::net::IpAddr), ServiceKey>,
    versions: Shards<ResourceName, Version>,
    hash: Version,
}

impl Snapshot {
    /// One workload.
    #[must_use]
    pub fn workload(&self, uid: &WorkloadUid) -> Option<&Arc<Workload>> {
        self.workloads.get(uid)
    }

    /// One service.
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> Option<&Arc<Service>> {
        self.services.get(key)
    }

    /// One gateway.
    #[must_use]
    pub fn gateway(&self, id: &GatewayId) -> Option<&Arc<Gateway>> {
        self.gateways.get(id)
    }

    /// One policy.
    #[must_use]
    pub fn policy(&self, key: &PolicyKey) -> Option<&Arc<Policy>> {
        self.policies.get(key)
    }

    /// Services that answer to a host name, as their own or as an alias.
    pub fn services_of_host(&self, host: &Hostname) -> impl Iterator<Item = &Arc<Service>> {
        members(&self.hosts, host).filter_map(|key| self.services.get(key))
    }

    /// The workloads that serve a service.
    pub fn endpoints_of(&self, key: &ServiceKey) -> impl Iterator<Item = &Arc<Workload>> {
        members(&self.endpoints, key).filter_map(|uid| self.workloads.get(uid))
    }

    /// The workloads at an address of a network (several may share one).
    pub fn workloads_at(
        &self,
        network: &NetworkId,
        ip: std::net::IpAddr,
    ) -> impl Iterator<Item = &Arc<Workload>> {
        members(&self.addresses, &(network.clone(), ip)).filter_map(|uid| self.workloads.get(uid))
    }

    /// The services that have a virtual address of a network (one, unless two
    /// clusters claim it).
    pub fn services_at(
        &self,
        network: &NetworkId,
        ip: std::net::IpAddr,
    ) -> impl Iterator<Item = &Arc<Service>> {
        members(&self.virtual_addresses, &(network.clone(), ip))
            .filter_map(|key| self.services.get(key))
    }

    /// The policies that may speak of workloads of a namespace: those of the
    /// whole mesh first, then its own. Labels are for the caller to match.
    pub fn policies_for(&self, namespace: &Namespace) -> impl Iterator<Item = &Arc<Policy>> {
        let mesh = members(&self.spoken_of, &None);
        let own = members(&self.spoken_of, &Some(namespace.clone()));
        mesh.chain(own).filter_map(|key| self.policies.get(key))
    }

    /// The gateways that open a network.
    pub fn gateways_of(&self, network: &NetworkId) -> impl Iterator<Item = &Arc<Gateway>> {
        members(&self.entrances, network).filter_map(|id| self.gateways.get(id))
    }

    /// All workloads.
    pub fn workloads(&self) -> impl Iterator<Item = &Arc<Workload>> {
        self.workloads.values()
    }

    /// All services.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// All gateways.
    pub fn gateways(&self) -> impl Iterator<Item = &Arc<Gateway>> {
        self.gateways.values()
    }

    /// All policies.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.values()
    }

    /// Every resource.
    pub fn resources(&self) -> impl Iterator<Item = Resource> {
        let policies = self.policies().map(|p| Resource::Policy(Arc::clone(p)));
        let gateways = self.gateways().map(|g| Resource::Gateway(Arc::clone(g)));
        let services = self.services().map(|s| Resource::Service(Arc::clone(s)));
        let workloads = self.workloads().map(|w| Resource::Workload(Arc::clone(w)));
        policies.chain(gateways).chain(services).chain(workloads)
    }

    /// One resource by name.
    #[must_use]
    pub fn resource(&self, name: &ResourceName) -> Option<Resource> {
        match name {
            ResourceName::Policy(key) => self.policy(key).map(|p| Resource::Policy(Arc::clone(p))),
            ResourceName::Gateway(id) => self.gateway(id).map(|g| Resource::Gateway(Arc::clone(g))),
            ResourceName::Service(key) => {
                self.service(key).map(|s| Resource::Service(Arc::clone(s)))
            }
            ResourceName::Workload(uid) => self
                .workload(uid)
                .map(|w| Resource::Workload(Arc::clone(w))),
        }
    }

    /// The content hash of one resource, remembered from when it was applied.
    #[must_use]
    pub fn version(&self, name: &ResourceName) -> Option<Version> {
        self.versions.get(name).copied()
    }

    /// Names and content hashes of everything.
    pub fn versions(&self) -> impl Iterator<Item = (&ResourceName, &Version)> {
        self.versions.iter()
    }

    /// A hash over all content, equal for equal content whatever the path to
    /// it was.
    #[must_use]
    pub const fn state_hash(&self) -> Version {
        self.hash
    }

    /// Applies a delta in place; other clones do not see it.
    pub fn apply(&mut self, delta: &Delta) {
        for name in &delta.removals {
            self.remove(name);
        }
        for resource in &delta.upserts {
            self.upsert(resource);
        }
    }

    /// What must be applied to `self` to make it equal `new`. Shards both
    /// share are not looked at.
    #[must_use]
    pub fn diff(&self, new: &Self) -> Delta {
        let mut delta = Delta::default();
        for (ours, theirs) in self.versions.differing(&new.versions) {
            for name in ours.keys() {
                if !theirs.contains_key(name) {
                    delta.removals.push(name.clone());
                }
            }
            for (name, version) in theirs {
                if ours.get(name) != Some(version) {
                    delta.upserts.extend(new.resource(name));
                }
            }
        }
        delta
    }

    fn upsert(&mut self, resource: &Resource) {
        let name = resource.name();
        self.remove(&name);
        let version = resource.version();
        self.hash = self.hash.with(entry_hash(&name, version));
        self.versions.insert(name, version);
        match resource {
            Resource::Policy(policy) => {
                let namespace = spoken_of(policy);
                join(&mut self.spoken_of, namespace, policy.key.clone());
                self.policies.insert(policy.key.clone(), Arc::clone(policy));
            }
            Resource::Gateway(gateway) => {
                join(
                    &mut self.entrances,
                    gateway.network.clone(),
                    gateway.id.clone(),
                );
                self.gateways
                    .insert(gateway.id.clone(), Arc::clone(gateway));
            }
            Resource::Service(service) => {
                for host in std::iter::once(&service.key.host).chain(&service.aliases) {
                    join(&mut self.hosts, host.clone(), service.key.clone());
                }
                for at in &service.addresses {
                    join(&mut self.virtual_addresses, at.clone(), service.key.clone());
                }
                self.services
                    .insert(service.key.clone(), Arc::clone(service));
            }
            Resource::Workload(workload) => {
                for key in workload.endpoints.keys() {
                    join(&mut self.endpoints, key.clone(), workload.uid.clone());
                }
                for ip in &workload.addresses {
                    join(
                        &mut self.addresses,
                        (workload.network.clone(), *ip),
                        workload.uid.clone(),
                    );
                }
                self.workloads
                    .insert(workload.uid.clone(), Arc::clone(workload));
            }
        }
    }

    fn remove(&mut self, name: &ResourceName) {
        if let Some(version) = self.versions.remove(name) {
            self.hash = self.hash.without(entry_hash(name, version));
        }
        match name {
            ResourceName::Policy(key) => {
                if let Some(policy) = self.policies.remove(key) {
                    leave(&mut self.spoken_of, &spoken_of(&policy), key);
                }
            }
            ResourceName::Gateway(id) => {
                if let Some(gateway) = self.gateways.remove(id) {
                    leave(&mut self.entrances, &gateway.network, id);
                }
            }
            ResourceName::Service(key) => {
                if let Some(service) = self.services.remove(key) {
                    for host in std::iter::once(&service.key.host).chain(&service.aliases) {
                        leave(&mut self.hosts, host, key);
                    }
                    for at in &service.addresses {
                        leave(&mut self.virtual_addresses, at, key);
                    }
                }
            }
            ResourceName::Workload(uid) => {
                if let Some(workload) = self.workloads.remove(uid) {
                    for key in workload.endpoints.keys() {
                        leave(&mut self.endpoints, key, uid);
                    }
                    for ip in &workload.addresses {
                        leave(&mut self.addresses, &(workload.network.clone(), *ip), uid);
                    }
                }
            }
        }
    }
}

impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        self.diff(other).is_empty()
    }
}

impl Eq for Snapshot {}

/// The namespace a policy speaks of; `None` for the whole mesh.
fn spoken_of(policy: &Policy) -> Option<Namespace> {
    match policy.scope {
        Scope::Mesh => None,
        Scope::Namespace | Scope::Workloads(_) => Some(policy.key.namespace.clone()),
    }
}

fn entry_hash(name: &ResourceName, version: Version) -> Version {
    Version::of(&(name, version))
}

fn members<'a, K, M>(index: &'a Index<K, M>, key: &K) -> impl Iterator<Item = &'a M> + use<'a, K, M>
where
    K: Ord + Hash + Clone,
    M: Ord + Clone,
{
    index.get(key).into_iter().flat_map(|set| set.keys())
}

fn join<K: Ord + Hash + Clone, M: Ord + Clone>(index: &mut Index<K, M>, key: K, member: M) {
    let mut set = index.remove(&key).unwrap_or_default();
    Arc::make_mut(&mut set).insert(member, ());
    index.insert(key, set);
}

fn leave<K: Ord + Hash + Clone, M: Ord + Clone>(index: &mut Index<K, M>, key: &K, member: &M) {
    if let Some(mut set) = index.remove(key) {
        Arc::make_mut(&mut set).remove(member);
        if !set.is_empty() {
            index.insert(key.clone(), set);
        }
    }
}

#[cfg(test)]
mod tests;

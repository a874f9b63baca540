//! All facts that count, indexed for whoever compiles resources from them.
//!
//! It says which outputs a fact touches, so that work follows the change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pelago_model::authz::Policy;
use pelago_model::{
    ClusterId, ExportedGateway, ExportedService, Gateway, Name, Peer, PolicyKey, RegistrationEntry,
    Standing, WorkloadUid,
};
use pelago_resources::{ObjectKey, ServiceDecl, WorkloadDecl};

use crate::view::{Fact, FactKey};

/// One resource of the snapshot, by what it is compiled from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Output {
    /// A service under our own name.
    Service(ObjectKey),
    /// A peer's service under the peer's name.
    PeerService(ClusterId, ObjectKey),
    /// A workload of ours.
    Workload(ObjectKey),
    /// A peer's workload.
    PeerWorkload(ClusterId, WorkloadUid),
    /// A gateway of ours.
    Gateway(Name),
    /// A peer's gateway.
    PeerGateway(ClusterId, Name),
    /// A policy.
    Policy(PolicyKey),
}

/// The facts that count.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) services: BTreeMap<ObjectKey, Arc<ServiceDecl>>,
    pub(crate) workloads: BTreeMap<ObjectKey, Arc<WorkloadDecl>>,
    pub(crate) exports: BTreeSet<ObjectKey>,
    pub(crate) policies: BTreeMap<PolicyKey, Policy>,
    pub(crate) entries: BTreeMap<Name, Arc<RegistrationEntry>>,
    pub(crate) gateways: BTreeMap<Name, Arc<Gateway>>,
    pub(crate) peers: BTreeMap<ClusterId, (Arc<Peer>, Standing)>,
    pub(crate) imports: BTreeMap<ClusterId, Imports>,
}

/// What one peer shows.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    pub(crate) services: BTreeMap<ObjectKey, Arc<ExportedService>>,
    pub(crate) gateways: BTreeMap<Name, Arc<ExportedGateway>>,
    /// The services each of its workloads serves, and its place among each
    /// service's endpoints: a search for it would cost a peer's whole list.
    pub(crate) serving: BTreeMap<WorkloadUid, BTreeMap<ObjectKey, usize>>,
}

impl World {
    /// Takes a fact in, or away. A fact that does not belong to its key counts
    /// as none.
    pub(crate) fn set(&mut self, key: &FactKey, fact: Option<&Fact>) {
        match (key, fact) {
            (FactKey::Service(key), fact) => {
                put(&mut self.services, key, fact, |fact| match fact {
                    Fact::Service(service) => Some(Arc::clone(service)),
                    _ => None,
                })
            }
            (FactKey::Workload(key), fact) => {
                put(&mut self.workloads, key, fact, |fact| match fact {
                    Fact::Workload(workload) => Some(Arc::clone(workload)),
                    _ => None,
                })
            }
            (FactKey::Export(key), Some(_)) => drop(self.exports.insert(key.clone())),
            (FactKey::Export(key), None) => drop(self.exports.remove(key)),
            (FactKey::Policy(key), fact) => put(&mut self.policies, key, fact, |fact| match fact {
                Fact::Policy(decl) => Some(decl.policy.clone()),
                _ => None,
            }),
            (FactKey::Entry(id), fact) => put(&mut self.entries, id, fact, |fact| match fact {
                Fact::Entry(entry) => Some(Arc::clone(entry)),
                _ => None,
            }),
            (FactKey::Gateway(name), fact) => {
                put(&mut self.gateways, name, fact, |fact| match fact {
                    Fact::Gateway(gateway) => Some(Arc::clone(gateway)),
                    _ => None,
                })
            }
            (FactKey::Peer(cluster), fact) => {
                put(&mut self.peers, cluster, fact, |fact| match fact {
                    Fact::Peer(peer, standing) => Some((Arc::clone(peer), *standing)),
                    _ => None,
                })
            }
            (FactKey::Imported(cluster, key), fact) => self.import(cluster, key, fact),
            (FactKey::ImportedGateway(cluster, name), fact) => {
                let gateways = &mut self.imports.entry(cluster.clone()).or_default().gateways;
                put(gateways, name, fact, |fact| match fact {
                    Fact::ImportedGateway(gateway) => Some(Arc::clone(gateway)),
                    _ => None,
                });
                self.sweep(cluster);
            }
        }
    }

    /// What the fact under `key`, as it stands, has a part in.
    pub(crate) fn touched(&self, key: &FactKey, out: &mut BTreeSet<Output>) {
        match key {
            FactKey::Service(key) => {
                out.insert(Output::Service(key.clone()));
                if let Some(service) = self.services.get(key) {
                    out.extend(
                        self.selected(service)
                            .map(|w| Output::Workload(w.key.clone())),
                    );
                }
            }
            FactKey::Workload(key) => drop(out.insert(Output::Workload(key.clone()))),
            FactKey::Export(key) => drop(out.insert(Output::Service(key.clone()))),
            FactKey::Policy(key) => drop(out.insert(Output::Policy(key.clone()))),
            FactKey::Entry(_) => {}
            FactKey::Gateway(name) => drop(out.insert(Output::Gateway(name.clone()))),
            FactKey::Peer(cluster) => {
                out.extend(self.exports.iter().cloned().map(Output::Service));
                if let Some(imports) = self.imports.get(cluster) {
                    for key in imports.services.keys() {
                        self.touched(&FactKey::Imported(cluster.clone(), key.clone()), out);
                    }
                    let gateways = imports.gateways.keys();
                    out.extend(
                        gateways.map(|name| Output::PeerGateway(cluster.clone(), name.clone())),
                    );
                }
            }
            FactKey::Imported(cluster, key) => {
                out.insert(Output::Service(key.clone()));
                out.insert(Output::PeerService(cluster.clone(), key.clone()));
                let shown = self.imports.get(cluster).and_then(|i| i.services.get(key));
                let endpoints = shown.iter().flat_map(|service| &service.endpoints);
                out.extend(endpoints.map(|e| Output::PeerWorkload(cluster.clone(), e.uid.clone())));
            }
            FactKey::ImportedGateway(cluster, name) => {
                out.insert(Output::PeerGateway(cluster.clone(), name.clone()));
            }
        }
    }

    /// The workloads that a service's selector picks.
    pub(crate) fn selected<'a>(
        &'a self,
        service: &'a ServiceDecl,
    ) -> impl Iterator<Item = &'a Arc<WorkloadDecl>> {
        within(&self.workloads, &service.key).filter(|workload| selects(service, workload))
    }

    /// The services that pick a workload.
    pub(crate) fn selecting<'a>(
        &'a self,
        workload: &'a WorkloadDecl,
    ) -> impl Iterator<Item = &'a Arc<ServiceDecl>> {
        within(&self.services, &workload.key).filter(|service| selects(service, workload))
    }

    fn import(&mut self, cluster: &ClusterId, key: &ObjectKey, fact: Option<&Fact>) {
        let imports = self.imports.entry(cluster.clone()).or_default();
        if let Some(old) = imports.services.remove(key) {
            for endpoint in &old.endpoints {
                if let Some(services) = imports.serving.get_mut(&endpoint.uid) {
                    services.remove(key);
                    if services.is_empty() {
                        imports.serving.remove(&endpoint.uid);
                    }
                }
            }
        }
        if let Some(Fact::Imported(service)) = fact {
            for (place, endpoint) in service.endpoints.iter().enumerate() {
                let serving = imports.serving.entry(endpoint.uid.clone()).or_default();
                serving.entry(key.clone()).or_insert(place);
            }
            imports.services.insert(key.clone(), Arc::clone(service));
        }
        self.sweep(cluster);
    }

    fn sweep(&mut self, cluster: &ClusterId) {
        let empty = |imports: &Imports| imports.services.is_empty() && imports.gateways.is_empty();
        if self.imports.get(cluster).is_some_and(empty) {
            self.imports.remove(cluster);
        }
    }
}

fn put<K: Ord + Clone, V>(
    map: &mut BTreeMap<K, V>,
    key: &K,
    fact: Option<&Fact>,
    read: impl Fn(&Fact) -> Option<V>,
) {
    match fact.and_then(read) {
        Some(value) => drop(map.insert(key.clone(), value)),
        None => drop(map.remove(key)),
    }
}

/// The objects of one namespace: keys are ordered by it.
fn within<'a, V>(
    map: &'a BTreeMap<ObjectKey, V>,
    key: &'a ObjectKey,
) -> impl Iterator<Item = &'a V> {
    // A name begins with a letter or digit; "0" is the least one.
    let first = Name::parse("0").map_or_else(
        |_| key.clone(),
        |name| ObjectKey {
            namespace: key.namespace.clone(),
            name,
        },
    );
    map.range(first..)
        .take_while(move |(found, _)| found.namespace == key.namespace)
        .map(|(_, value)| value)
}

fn selects(service: &ServiceDecl, workload: &WorkloadDecl) -> bool {
    !service.selector.is_empty()
        && service
            .selector
            .iter()
            .all(|(key, value)| workload.labels.get(key) == Some(value))
}

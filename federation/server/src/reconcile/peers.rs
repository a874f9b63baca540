//! Peers: who they are, what they show, and how long it counts.
//!
//! One lease for each peer, outside of every snapshot: only its transitions
//! enter the view. A peer that was removed leaves nothing behind; one that came
//! back under another identity is another peer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pelago_federation_core::export::{Shown, ShownKey};
use pelago_federation_core::import::Import;
use pelago_federation_core::lease::Lease;
use pelago_federation_core::view::{Fact, FactKey, View};
use pelago_model::{ClusterId, Peer, Standing, Version};
use pelago_resources::{Finding, Severity};

use crate::mirror::Rows;
use crate::peering::{Heard, Report};
use crate::persist::Saved;

use super::report::PeerReport;
use super::terms::Terms;

/// All peers.
#[derive(Debug)]
pub(super) struct Peers {
    terms: Terms,
    /// What they showed before a restart; each is taken once.
    before: BTreeMap<ClusterId, Arc<Saved>>,
    peers: BTreeMap<ClusterId, Known>,
    /// Records that can be no peer.
    posing: Vec<String>,
}

#[derive(Debug)]
struct Known {
    peer: Arc<Peer>,
    import: Import,
    lease: Lease,
    /// Whether there ever was a word of it.
    heard: bool,
    connected: bool,
    /// Since when the state is as it is, in Unix seconds.
    since: u64,
    ours: Version,
    theirs: Version,
    last_error: String,
    /// What is stored of it is not what is believed.
    unsaved: bool,
}

impl Peers {
    pub(super) const fn new(terms: Terms, before: BTreeMap<ClusterId, Arc<Saved>>) -> Self {
        Self {
            terms,
            before,
            peers: BTreeMap::new(),
            posing: Vec::new(),
        }
    }

    /// These peers there are; whether one is gone.
    pub(super) fn known(
        &mut self,
        rows: &Rows<Peer>,
        now: Duration,
        time: u64,
        view: &mut View,
    ) -> bool {
        let (peers, posing): (Vec<_>, Vec<_>) = rows
            .iter()
            .partition(|(id, peer)| self.terms.admits(id, peer));
        self.posing = posing.into_iter().map(|(id, _)| id.clone()).collect();
        let rows: BTreeMap<&str, &Arc<Peer>> = peers
            .into_iter()
            .map(|(id, peer)| (id.as_str(), peer))
            .collect();
        let same = |known: &Known| {
            rows.get(known.peer.cluster.as_str()).is_some_and(|peer| {
                peer.controller == known.peer.controller
                    && peer.trust_domain == known.peer.trust_domain
            })
        };
        let gone: Vec<ClusterId> = self
            .peers
            .iter()
            .filter(|(_, known)| !same(known))
            .map(|(cluster, _)| cluster.clone())
            .collect();
        for cluster in &gone {
            self.peers.remove(cluster);
            view.replace(
                view.facts()
                    .filter(|(key, _)| of_peer(key) != Some(cluster))
                    .map(|(key, fact)| (key.clone(), fact.clone()))
                    .collect(),
            );
        }
        for peer in rows.into_values() {
            if let Some(known) = self.peers.get_mut(&peer.cluster) {
                known.peer = Arc::clone(peer);
                known.import.regrant(Arc::clone(peer));
                known.stand(view);
            } else {
                let known = self.meet(peer, now, time, view);
                self.peers.insert(peer.cluster.clone(), known);
            }
        }
        !gone.is_empty()
    }

    /// Takes in what was heard; whether what is believed changed.
    pub(super) fn hear(
        &mut self,
        report: Report,
        now: Duration,
        time: u64,
        view: &mut View,
    ) -> bool {
        let Some(known) = self.peers.get_mut(&report.cluster) else {
            return false;
        };
        if known.peer.controller != report.controller {
            return false;
        }
        match report.heard {
            Heard::Opened => {
                known.last_error.clear();
                known.connect(true, time);
            }
            Heard::Closed(why) => {
                known.last_error = why;
                known.connect(false, time);
            }
            Heard::Alive {
                lease,
                ours,
                theirs,
            } => {
                known.heard = true;
                (known.ours, known.theirs) = (ours, theirs);
                if known.lease.heard(now, lease).is_some() {
                    known.last_error.clear();
                    known.stand(view);
                }
            }
            Heard::Full(all) => {
                known.replace(all, view);
                return true;
            }
            Heard::Changes(changes) => {
                for shown in changes {
                    let key = shown.key();
                    known.import.take(shown);
                    known.import.testify(&key, view);
                }
                known.unsaved = true;
                return true;
            }
        }
        false
    }

    /// Time has passed: leases end.
    pub(super) fn pass(&mut self, now: Duration, time: u64, view: &mut View) {
        for known in self.peers.values_mut() {
            if let Some(standing) = known.lease.tick(now) {
                tracing::warn!(peer = %known.peer.cluster, ?standing, "the peer is silent: what it showed is ranked lower");
                known.since = time;
                known.stand(view);
            }
        }
    }

    /// When the next lease ends.
    pub(super) fn due(&self) -> Option<Duration> {
        self.peers
            .values()
            .filter_map(|known| known.lease.due())
            .min()
    }

    /// What should be saved: unchanged for peers of whom nothing changed.
    pub(super) fn saved(
        &mut self,
        old: &BTreeMap<ClusterId, Arc<Saved>>,
    ) -> BTreeMap<ClusterId, Arc<Saved>> {
        let mut saved = BTreeMap::new();
        for (cluster, known) in &mut self.peers {
            let now = match old.get(cluster) {
                Some(old) if !known.unsaved => Arc::clone(old),
                _ => {
                    let controller = known.peer.controller.clone();
                    Arc::new(Saved::new(controller, known.import.believed()))
                }
            };
            known.unsaved = false;
            saved.insert(cluster.clone(), now);
        }
        saved
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        let posing = self.posing.iter().map(|id| {
            let message = "is not treated as a peer: allowed is another cluster of another trust domain, by its own controller; remove it";
            let object = format!("peer {id}");
            Finding::new(Severity::Error, "store", &object, "", message)
        });
        let imports = self.peers.values();
        posing
            .chain(imports.flat_map(|known| known.import.findings()))
            .collect()
    }

    pub(super) fn reports(&self) -> Vec<PeerReport> {
        let report = |known: &Known| PeerReport {
            cluster: known.peer.cluster.clone(),
            trust_domain: known.peer.trust_domain.clone(),
            state: known.state(),
            exports: known.peer.grant.export.clone(),
            merges: known.peer.grant.merge.clone(),
            services: known.import.services(),
            endpoints: known.import.endpoints(),
            refused: known.import.refused(),
            since: known.since,
            ours: known.ours,
            theirs: known.theirs,
            last_error: known.last_error.clone(),
        };
        self.peers.values().map(report).collect()
    }

    /// A peer that was not there: what it showed before a restart counts as
    /// demoted until it speaks.
    fn meet(&mut self, peer: &Arc<Peer>, now: Duration, time: u64, view: &mut View) -> Known {
        let mut known = Known {
            peer: Arc::clone(peer),
            import: Import::new(Arc::clone(peer), self.terms.limits),
            lease: Lease::unheard(now, self.terms.withdrawal),
            heard: false,
            connected: false,
            since: time,
            ours: Version::default(),
            theirs: Version::default(),
            last_error: String::new(),
            unsaved: true,
        };
        let before = self.before.remove(&peer.cluster);
        if let Some(saved) = before.filter(|saved| saved.controller == peer.controller) {
            known.replace(saved.shown(), view);
            known.heard = true;
            known.unsaved = false;
        }
        known.stand(view);
        known
    }
}

impl Known {
    /// Tells the view who the peer is and what its lease says.
    fn stand(&self, view: &mut View) {
        let key = FactKey::Peer(self.peer.cluster.clone());
        view.set(
            key,
            Fact::Peer(Arc::clone(&self.peer), self.lease.standing()),
        );
    }

    fn replace(&mut self, all: Vec<Shown>, view: &mut View) {
        let cluster = &self.peer.cluster;
        let mut keys: Vec<ShownKey> = view
            .facts()
            .filter_map(|(key, _)| match key {
                FactKey::Imported(of, object) if of == cluster => {
                    Some(ShownKey::Service(object.clone()))
                }
                FactKey::ImportedGateway(of, name) if of == cluster => {
                    Some(ShownKey::Gateway(name.clone()))
                }
                _ => None,
            })
            .collect();
        keys.extend(all.iter().map(Shown::key));
        self.import.replace(all);
        keys.iter().for_each(|key| self.import.testify(key, view));
        self.unsaved = true;
    }

    fn connect(&mut self, connected: bool, time: u64) {
        if self.connected != connected {
            self.connected = connected;
            self.since = time;
        }
    }

    const fn state(&self) -> &'static str {
        match self.lease.standing() {
            Standing::Fresh if self.connected => "connected",
            Standing::Withdrawn => "withdrawn",
            Standing::Demoted if self.heard => "demoted",
            Standing::Fresh | Standing::Demoted => "connecting",
        }
    }
}

const fn of_peer(key: &FactKey) -> Option<&ClusterId> {
    match key {
        FactKey::Peer(cluster)
        | FactKey::Imported(cluster, _)
        | FactKey::ImportedGateway(cluster, _) => Some(cluster),
        _ => None,
    }
}

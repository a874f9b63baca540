//! How much of what a worker serves one party may take, so that nobody takes
//! it all.
//!
//! Counted are connections and requests, at one moment. A stranger is its
//! address, one of ours its identity, everybody of a foreign trust domain the
//! domain: it makes as many identities as it likes. Nothing is remembered of
//! who takes nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pelago_dataplane_policy::Home;
use pelago_model::{ClusterId, SpiffeId, TrustDomain};
use pelago_svid::VerifiedPeer;

/// Who takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// Nobody that is known yet.
    Stranger(IpAddr),
    /// A workload or part of our own cluster.
    Own(SpiffeId),
    /// Another cluster of our trust domain; `None` for one that is unnamed.
    Cluster(Option<ClusterId>),
    /// Another trust domain.
    Domain(TrustDomain),
}

impl Who {
    /// The party a verified caller belongs to.
    pub(crate) fn of(peer: &VerifiedPeer, home: &Home) -> Self {
        if *peer.id().trust_domain() != home.trust_domain {
            return Self::Domain(peer.id().trust_domain().clone());
        }
        match peer.issuer_cluster() {
            Some(cluster) if *cluster == home.cluster => Self::Own(peer.id().clone()),
            other => Self::Cluster(other.cloned()),
        }
    }
}

/// What is taken. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    limit: usize,
    taken: Arc<Mutex<BTreeMap<Who, usize>>>,
}

/// One that is taken; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Shares,
    who: Who,
}

impl Shares {
    /// Each party may take `limit`, but at least one.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            taken: Arc::default(),
        }
    }

    /// One more for `who`; `None` when it has its share already.
    pub(crate) fn take(&self, who: Who) -> Option<Share> {
        let mut taken = self.lock();
        let count = taken.get(&who).copied().unwrap_or_default();
        if count >= self.limit {
            return None;
        }
        taken.insert(who.clone(), count + 1);
        drop(taken);
        Some(Share {
            shares: self.clone(),
            who,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Who, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.lock();
        match taken.get_mut(&self.who) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests;

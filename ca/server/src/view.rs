//! What the CA knows now: peers, the bundles that count, entries.
//!
//! The store is the truth; this is its latest reading, published to sessions
//! and to the process's identity. A bundle counts only while it is ours or a
//! peer's: removing the peer ends the trust even if its bundle record stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use pelago_ca_core::Realm;
use pelago_identity::IdentityWriter;
use pelago_model::{BundleSet, ClusterId, Name, Peer, RegistrationEntry};
use pelago_store::TableError;
use pelago_wire::limits::MAX_ENTRIES;
use tokio::sync::{Mutex, watch};

use crate::tables::Tables;

/// Peers by their cluster.
pub(crate) type Peers = Arc<BTreeMap<ClusterId, Peer>>;
/// Entries, shared.
pub(crate) type Entries = Arc<EntrySet>;

/// Entries by their id in the store, and by their node.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct EntrySet {
    by_id: BTreeMap<String, Arc<RegistrationEntry>>,
    by_node: BTreeMap<Name, Vec<Arc<RegistrationEntry>>>,
}

impl EntrySet {
    pub(crate) fn new(by_id: BTreeMap<String, Arc<RegistrationEntry>>) -> Self {
        let mut by_node: BTreeMap<Name, Vec<_>> = BTreeMap::new();
        for entry in by_id.values() {
            let of_node = by_node.entry(entry.node.clone()).or_default();
            of_node.push(Arc::clone(entry));
        }
        Self { by_id, by_node }
    }

    /// The entry of this id.
    pub(crate) fn get(&self, id: &str) -> Option<&RegistrationEntry> {
        self.by_id.get(id).map(AsRef::as_ref)
    }

    /// The entries of this node, in the order of their ids; at most as many as
    /// one message may hold.
    pub(crate) fn of_node(&self, node: &Name) -> &[Arc<RegistrationEntry>] {
        let own = self.by_node.get(node).map_or(&[][..], Vec::as_slice);
        own.get(..MAX_ENTRIES).unwrap_or(own)
    }
}

/// The latest reading.
pub(crate) struct View {
    realm: Realm,
    tables: Arc<Tables>,
    identity: IdentityWriter,
    bundles: watch::Sender<Arc<BundleSet>>,
    peers: watch::Sender<Peers>,
    entries: watch::Sender<Entries>,
    /// Held while reading, so that an older reading never follows a newer one.
    reading: Mutex<()>,
}

/// Why the records of trust could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The store failed, or a record cannot be read.
    #[error("peers, bundles or entries could not be read")]
    Table(#[from] TableError),
    /// A bundle that breaks the limits.
    #[error("a stored bundle cannot be used")]
    Bundle(#[from] pelago_model::bundle::BundleError),
}

impl View {
    pub(crate) fn new(realm: Realm, tables: Arc<Tables>, identity: IdentityWriter) -> Self {
        Self {
            realm,
            tables,
            identity,
            bundles: watch::Sender::default(),
            peers: watch::Sender::default(),
            entries: watch::Sender::default(),
            reading: Mutex::new(()),
        }
    }

    /// Reads peers and bundles again and publishes what changed.
    pub(crate) async fn reload(&self) -> Result<(), ViewError> {
        let _alone = self.reading.lock().await;
        let peers = self.tables.peers.list().await?;
        let bundles = self.tables.bundles.list().await?;
        let peers: BTreeMap<ClusterId, Peer> = peers
            .rows
            .into_iter()
            .map(|row| (row.value.cluster.clone(), row.value))
            .collect();
        let mut set = BundleSet::default();
        for row in bundles.rows {
            let domain = &row.value.trust_domain;
            let ours = *domain == self.realm.trust_domain;
            if ours || peers.values().any(|peer| peer.trust_domain == *domain) {
                set.accept(Arc::new(row.value))?;
            }
        }
        // The verifier first: whoever hears of a peer can be verified already.
        if self.identity.identity().current().bundles != set {
            let bundles = set.clone();
            self.identity.update(|state| state.bundles = bundles);
        }
        self.bundles.send_if_modified(|held| replace(held, set));
        self.peers.send_if_modified(|held| replace(held, peers));
        Ok(())
    }

    /// Publishes these entries.
    pub(crate) fn set_entries(&self, entries: BTreeMap<String, Arc<RegistrationEntry>>) {
        let entries = EntrySet::new(entries);
        self.entries.send_if_modified(|held| replace(held, entries));
    }

    pub(crate) const fn identity(&self) -> &IdentityWriter {
        &self.identity
    }

    pub(crate) fn bundles(&self) -> Arc<BundleSet> {
        Arc::clone(&self.bundles.borrow())
    }

    pub(crate) fn watch_bundles(&self) -> watch::Receiver<Arc<BundleSet>> {
        self.bundles.subscribe()
    }

    pub(crate) fn peers(&self) -> Peers {
        Arc::clone(&self.peers.borrow())
    }

    pub(crate) fn watch_peers(&self) -> watch::Receiver<Peers> {
        self.peers.subscribe()
    }

    pub(crate) fn entries(&self) -> Entries {
        Arc::clone(&self.entries.borrow())
    }

    pub(crate) fn watch_entries(&self) -> watch::Receiver<Entries> {
        self.entries.subscribe()
    }
}

fn replace<T: PartialEq>(held: &mut Arc<T>, next: T) -> bool {
    if **held == next {
        return false;
    }
    *held = Arc::new(next);
    true
}

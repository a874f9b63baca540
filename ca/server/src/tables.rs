//! The records of the CA in the store.

use std::sync::Arc;

use pelago_ca_core::observer::Observer;
use pelago_ca_core::{Authority, TokenRecord};
use pelago_model::{
    Bundle, ClusterId, Name, PartKind, Peer, RegistrationEntry, SpiffeId, TrustDomain,
};
use pelago_runtime::clock::UnixTime;
use pelago_store::{Audit, Store, Table};
use serde::{Deserialize, Serialize};

/// Every table the CA reads or writes. All but `entries` it writes alone.
pub(crate) struct Tables {
    pub(crate) authorities: Table<Authority>,
    pub(crate) tokens: Table<TokenRecord>,
    pub(crate) nodes: Table<NodeRecord>,
    pub(crate) bundles: Table<Bundle>,
    pub(crate) observers: Table<Observer>,
    pub(crate) peers: Table<Peer>,
    pub(crate) intents: Table<Intent>,
    /// Written by federation; read and watched here.
    pub(crate) entries: Table<RegistrationEntry>,
    pub(crate) audit: Audit,
}

/// A node or gateway that enrolled, under `node/<kind>.<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeRecord {
    pub(crate) kind: PartKind,
    pub(crate) name: Name,
    pub(crate) id: SpiffeId,
    /// When its token was redeemed, Unix seconds.
    pub(crate) enrolled: u64,
    /// The end of its newest SVID, Unix seconds.
    pub(crate) svid_expires: u64,
}

/// A change of a peer that an operator asked for and that is decided, under
/// `intent/<cluster>` until everything that follows from it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// When it was decided.
    pub(crate) time: UnixTime,
    /// Who asked, as audited.
    pub(crate) actor: String,
    /// Why, as the operator said.
    pub(crate) reason: Option<String>,
    pub(crate) change: PeerChange,
}

/// What becomes of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PeerChange {
    /// It is let in.
    Admit { peer: Peer, bundle: Bundle },
    /// It is removed.
    Dismiss {
        cluster: ClusterId,
        trust_domain: TrustDomain,
    },
}

impl Tables {
    pub(crate) fn new(store: &Arc<dyn Store>) -> Self {
        Self {
            authorities: Table::new(Arc::clone(store), "authority"),
            tokens: Table::new(Arc::clone(store), "token"),
            nodes: Table::new(Arc::clone(store), "node"),
            bundles: Table::new(Arc::clone(store), "bundle"),
            observers: Table::new(Arc::clone(store), "observer"),
            peers: Table::new(Arc::clone(store), "peer"),
            intents: Table::new(Arc::clone(store), "intent"),
            entries: Table::new(Arc::clone(store), "entry"),
            audit: Audit::new(Arc::clone(store)),
        }
    }
}

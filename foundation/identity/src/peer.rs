//! Who a peer should be, and what it turned out to be.

use std::sync::Arc;

use pelago_model::{ClusterId, SpiffeId};
use pelago_svid::{VerifiedPeer, VerifyError};
use rustls::pki_types::CertificateDer;

/// Who may answer a connection that we open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Expect {
    /// Any of these IDs; none of them means nobody.
    pub ids: Vec<SpiffeId>,
    /// The cluster whose CA must have issued it; absent means any.
    pub issuer_cluster: Option<ClusterId>,
}

impl Expect {
    /// Exactly this ID, issued by any cluster of its trust domain.
    #[must_use]
    pub fn exactly(id: SpiffeId) -> Self {
        Self {
            ids: vec![id],
            issuer_cluster: None,
        }
    }

    /// The same, issued by this cluster.
    #[must_use]
    pub fn issued_by(mut self, cluster: ClusterId) -> Self {
        self.issuer_cluster = Some(cluster);
        self
    }
}

/// What a listener asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// A verified certificate or no connection (HBONE).
    Required,
    /// Any certificate or none: a chain that does not verify is recorded as such, its possession
    /// proven. The server's own chain is presented with its root, so that a joiner can compare
    /// it with a pin (the controller's port).
    Optional,
}

/// What a client showed.
#[derive(Debug, Clone)]
pub enum PeerCertificate {
    /// Verified inside the handshake.
    Verified(VerifiedPeer),
    /// Nobody here vouches for it; the client holds the leaf's key.
    Unverified {
        /// As presented, leaf first. Unverified bytes.
        chain: Arc<[CertificateDer<'static>]>,
        /// Why it did not verify.
        why: Arc<VerifyError>,
    },
    /// No certificate.
    Absent,
}

impl PeerCertificate {
    /// The peer, if it was verified.
    #[must_use]
    pub const fn verified(&self) -> Option<&VerifiedPeer> {
        match self {
            Self::Verified(peer) => Some(peer),
            Self::Unverified { .. } | Self::Absent => None,
        }
    }
}

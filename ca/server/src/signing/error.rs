//! Why there is no authority to sign with.

use pelago_ca_core::issue::IssueError;
use pelago_model::TrustDomain;
use pelago_store::TableError;

use crate::keys::KeyError;

/// Why there is no authority to sign with.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The store's root is of another trust domain.
    #[error(
        "this store's root is of trust domain {stored}, the configuration says {configured}: the trust domain is fixed at first start; give the new one a store of its own"
    )]
    OtherTrustDomain {
        /// The root's.
        stored: TrustDomain,
        /// As configured.
        configured: TrustDomain,
    },
    /// An authority without its key.
    #[error(
        "the key of authority {id} is not in the keyring: restore the key folder from a backup"
    )]
    KeyMissing {
        /// The authority.
        id: String,
    },
    /// A key that is not the certificate's.
    #[error(
        "the key of authority {id} is not the one its certificate names: restore the key folder from a backup"
    )]
    KeyDiffers {
        /// The authority.
        id: String,
    },
    /// The root is past its end.
    #[error("the root {id} ended at {not_after} (Unix seconds): nothing can be issued")]
    RootEnded {
        /// The root.
        id: String,
        /// Its end.
        not_after: u64,
    },
    /// The root has not begun.
    #[error(
        "the root {id} begins at {not_before} and the clock says {now} (Unix seconds): set the clock; if it was ahead at the first start, start anew with an empty store"
    )]
    RootNotBegun {
        /// The root.
        id: String,
        /// Its beginning.
        not_before: u64,
        /// The time now.
        now: u64,
    },
    /// The keyring failed.
    #[error("the keyring failed")]
    Key(#[from] KeyError),
    /// A certificate could not be built.
    #[error("an authority's certificate could not be built")]
    Issue(#[from] IssueError),
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    Entropy,
    /// The store failed.
    #[error("the records of authorities could not be read or written")]
    Table(#[from] TableError),
}

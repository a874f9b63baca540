//! X.509-SVIDs: what a certificate says, and whether a trust domain vouches for it.
//!
//! Pure: time and bundles are arguments. A leaf is judged by the bundle of its own trust domain
//! and no other; what the issuing cluster may say is read from the *verified* path, never from
//! the presented list. Start with [`verify()`], the only maker of a [`VerifiedPeer`].

mod der;

pub mod bundle;
pub mod extension;
mod path;
mod pin;
pub mod verify;
pub mod x509;

pub use extension::{IssuerExtension, OID as ISSUER_OID};
pub use pin::pin;
pub use verify::{Usage, VerifiedPeer, VerifyError, verify, verify_pinned};
pub use x509::{Leaf, LeafError, leaf};

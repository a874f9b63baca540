//! Who we are: SVIDs, renewal, bundles, and TLS both ways.
//!
//! [`channel`] makes the one [`IdentityWriter`] of a process and any number of [`Identity`]
//! readers. Every [`Identity::connect`] and [`Identity::accept`] builds its configuration from
//! the current [`State`], so that a rotation needs no restart, and yields the peer as verified
//! inside the handshake. Discovery never writes here.
//!
//! No session resumption, no CA hints, TLS 1.3 with ALPN `h2` only. Keys are never shown.

mod channels;
mod csr;
mod dial;
mod disk;
mod enrol;
mod error;
#[cfg(test)]
mod kit;
mod peer;
mod pinned;
mod provider;
mod seats;
mod serve;
pub mod session;
mod state;
mod status;
mod stream;
mod svid;
mod tls;
mod verifier;

pub use channels::{Channels, Target};
pub use csr::{CsrError, KeyRequest};
pub use dial::{AttemptError, ReachError};
pub use disk::{DiskError, Kept, StateDir, Stored, Workloads};
pub use enrol::{EnrolError, Enrolled, enrol};
pub use error::TlsError;
pub use peer::{ClientAuth, Expect, PeerCertificate};
pub use pinned::{PinnedError, pinned};
pub use serve::{GUEST_LIMIT, HANDSHAKES, PeerInfo, ServedIo, incoming};
pub use state::{Identity, IdentityWriter, State, channel};
pub use status::StatusError;
pub use stream::TlsStream;
pub use svid::{Svid, SvidError};

/// SNI of nodes and gateways that speak to their controller.
pub const SNI_CONTROL: &str = "control.pelago";
/// SNI of controllers that speak to each other.
pub const SNI_PEERING: &str = "peering.pelago";
/// SNI of HBONE, outer and inner.
pub const SNI_HBONE: &str = "hbone.pelago";

//! Federation at work: sources to one snapshot, the snapshot to our nodes,
//! exports to peers and theirs to us.
//!
//! Decisions are made in `pelago-federation-core`; this crate reads files,
//! watches the store, keeps sessions and serves gRPC. It issues nothing and
//! never adds a trust root. Start with [`Federation`].

mod admin;
mod app;
mod diary;
mod discovery;
mod keep;
mod mirror;
mod peering;
mod persist;
mod reconcile;
mod registry;
mod sources;

pub use app::{Federation, FederationConfig, OpenError};
pub use sources::Source;

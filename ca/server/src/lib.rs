//! The CA at work: keys, issuing, enrolment, joining, the trust stream.
//!
//! `pelago-ca-core` decides; this crate holds the keys, writes the store and
//! speaks `pelago.trust.v1` and the trust half of the admin API. It never
//! believes a message over its connection, and every change of who is trusted
//! is written before it acts. Start with [`CaServer`].

mod admin;
mod app;
mod ca;
mod config;
mod counters;
mod entropy;
mod follow;
mod intent;
mod issuance;
mod keys;
mod limit;
mod membership;
mod peers;
mod redeem;
mod renew;
mod report;
mod signing;
mod tables;
mod trust;
mod view;

pub use admin::AdminService;
pub use app::{CaServer, OpenError};
pub use config::{CaConfig, ConfigError};
pub use counters::Counters;
pub use keys::{DiskKeyring, KeyError, Keyring, MemoryKeyring, Signer};
pub use signing::SigningError;
pub use trust::TrustService;
pub use view::ViewError;

#[cfg(test)]
mod tests;

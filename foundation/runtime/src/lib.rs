//! What every process needs and no wing owns: a wall clock, owned tasks with
//! a drain, back-off, configuration, telemetry and the admin endpoint.
//!
//! The list is closed: a seventh room needs a reason in `docs/adr/`. Nothing
//! here knows a cluster, an identity or a packet. Start with [`scope`].

pub mod admin;
pub mod backoff;
pub mod clock;
pub mod config;
pub mod scope;
pub mod telemetry;

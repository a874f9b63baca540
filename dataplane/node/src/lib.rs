//! A node or gateway in one process: identity, discovery, Workload API and proxy.
//!
//! [`run_node`] and [`run_gateway`] read a configuration file and run until told to end. [`App`]
//! is the same without files, threads and signals, on any [`pelago_net::Net`], for whole-mesh
//! tests. This crate composes; what is decided, relayed or issued is decided elsewhere.

mod app;
mod config;
mod discovery;
mod endpoint;
mod enrolment;
#[cfg(test)]
mod mint;
mod placement;
mod process;
mod ready;
mod settings;
mod snapshots;

pub use app::{AccessLog, App, Ground, Running, StartError};
pub use config::{ConfigFault, GatewayConfig, NodeConfig};
pub use enrolment::{EnrolmentError, TokenSource};
pub use pelago_dataplane_proxy::Bound;
pub use placement::Placement;
pub use process::{RunError, run_gateway, run_node};
pub use settings::{Part, Settings};
pub use snapshots::{Snapshots, SnapshotsError};

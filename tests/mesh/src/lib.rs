//! Whole meshes in one process: real controllers, nodes and gateways on an
//! in-memory network and store, under a paused clock. No ports, no files, no
//! sleeps: time passes only while everyone waits.
//!
//! Start with [`Mesh::new`] and [`Cluster::start`]; tests are in `tests/`.

pub mod cluster;
pub mod log;
pub mod socks;
pub mod workload;
pub mod yaml;

pub use cluster::{Cluster, Mesh};

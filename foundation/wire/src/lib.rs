//! Protobuf and HTTP/2 header text <-> model: the one place that knows how
//! things are written on the wire.
//!
//! Each module re-exports the generated messages, client and server of one
//! protocol and adds the conversions: `encode…` never fails, `decode…` answers
//! with [`Malformed`], which names field, value and what is allowed. Nothing
//! here opens a connection, keeps state or reads a clock. Start with
//! [`discovery`] for resources and [`trust`] for bundles and entries.

pub mod admin;
pub mod ads;
pub mod bundle;
pub mod discovery;
pub mod hbone;
pub mod hello;
pub mod limits;
pub mod malformed;
pub mod peering;
pub mod trust;
pub mod workload_api;

mod field;

#[expect(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::clone_on_ref_ptr,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "written by `cargo xtask gen` from ../proto, which holds the comments"
)]
#[path = "gen/protos.rs"]
mod protos;

pub use limits::MAX_MESSAGE;
pub use malformed::Malformed;

#[cfg(test)]
mod samples;

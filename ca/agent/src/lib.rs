//! The SPIFFE Workload API, X.509 profile, for the processes of one machine.
//!
//! [`Agent`] serves what the process's [`pelago_identity::Identity`] holds to callers that the
//! kernel attests: facts of the process at the other end of the Unix socket, matched against
//! registration entries. It issues nothing, stores nothing and believes nothing a caller says.
//! JWT-SVIDs are refused by name until they are issued.

mod attestation;
mod budget;
mod entitlement;
mod incoming;
#[cfg(test)]
mod mint;
mod server;
mod service;
mod told;
mod updates;

pub use server::{Agent, ServeError};

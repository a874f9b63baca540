//! Kubernetes-style YAML to the model: Kubernetes core, MCS API, Istio and
//! `pelago.dev`, one room per API group.
//!
//! Pure: text in, declarations and [`Finding`]s out. Nothing is dropped in
//! silence: a field that is not honoured is reported with its path, a wrong
//! value with what is allowed, an unknown kind by its name. A security resource
//! that is not fully honoured never permits more than it says. Start with
//! [`read()`].

mod config;
mod declaration;
mod document;
mod mcs;
mod metadata;
mod nearest;
mod networking;
mod node;
mod read;
mod registration;
mod schema;
mod security;
mod service;
mod status;

pub use config::Context;
pub use declaration::{
    Declaration, Object, ObjectKey, PolicyDecl, ServiceDecl, Target, WorkloadDecl,
};
pub use document::{MAX_DOCUMENT, MAX_DOCUMENTS};
pub use read::{Parsed, read};
pub use security::DUPLICATE;
pub use status::{Finding, Severity, one_line};

//! One process on one host: what every call of [`crate::MemoryNet`] starts from.

use std::sync::Arc;

use super::pipe::HostId;
use super::state::Shared;
use crate::facts::{Owner, ProcessFacts};

/// Who calls.
#[derive(Clone)]
pub(super) struct Process {
    pub(super) shared: Shared,
    pub(super) host: HostId,
    /// What its Unix peers see.
    pub(super) facts: Arc<ProcessFacts>,
    /// What is said of the TCP sockets it opens.
    pub(super) owner: Arc<Owner>,
}

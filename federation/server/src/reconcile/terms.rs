//! How peers are treated.

use std::time::Duration;

use pelago_federation_core::import::Limits;

/// How peers are treated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) limits: Limits,
    /// From demoted to withdrawn.
    pub(crate) withdrawal: Duration,
}

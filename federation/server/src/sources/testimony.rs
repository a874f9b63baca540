//! What one source says, in one value.

use std::collections::BTreeMap;

use pelago_federation_core::view::{Fact, FactKey};
use pelago_resources::Finding;

/// What a source says now.
#[derive(Debug, Default)]
pub(crate) struct Testimony {
    pub(crate) facts: BTreeMap<FactKey, Fact>,
    pub(crate) findings: Vec<Finding>,
    /// Whether each text of the source has been read well at least once, so
    /// that what is absent is really gone.
    pub(crate) settled: bool,
    /// Whether the source was asked at all.
    pub(crate) spoken: bool,
}

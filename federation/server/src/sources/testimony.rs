//! What one source says, in one value.

use std::collections::BTreeMap;
use std::sync::Arc;

use pelago_federation_core::repeat::Stated;
use pelago_federation_core::view::{Fact, FactKey};
use pelago_resources::Finding;

/// What a source says now.
#[derive(Debug, Default)]
pub(crate) struct Testimony {
    /// Everything but policies.
    pub(crate) facts: BTreeMap<FactKey, Fact>,
    /// Policies, each as often as it stands there.
    pub(crate) policies: Vec<Stated>,
    pub(crate) findings: Vec<Finding>,
    /// Its texts as they were when they were last whole.
    pub(crate) texts: BTreeMap<String, Arc<str>>,
    /// Whether the source could be read, so that a text that is absent is gone.
    pub(crate) readable: bool,
    /// Whether each text of the source has been read well at least once, so
    /// that what is absent is really gone.
    pub(crate) settled: bool,
    /// Whether the source was asked at all.
    pub(crate) spoken: bool,
}

//! What the loop answers to people.

use pelago_model::{ClusterId, ServicePattern, TrustDomain, Version};
use pelago_resources::Finding;

/// The state of the mesh as this controller sees it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) hash: Version,
    pub(crate) services: usize,
    pub(crate) workloads: usize,
    pub(crate) gateways: usize,
    pub(crate) policies: usize,
    pub(crate) peers: Vec<PeerReport>,
    pub(crate) findings: Vec<Finding>,
}

/// The state of one peer.
#[derive(Debug)]
pub(crate) struct PeerReport {
    pub(crate) cluster: ClusterId,
    pub(crate) trust_domain: TrustDomain,
    /// `connected`, `connecting`, `demoted` or `withdrawn`.
    pub(crate) state: &'static str,
    pub(crate) exports: Vec<ServicePattern>,
    pub(crate) merges: Vec<ServicePattern>,
    pub(crate) services: usize,
    pub(crate) endpoints: usize,
    pub(crate) refused: u64,
    /// Unix seconds.
    pub(crate) since: u64,
    pub(crate) ours: Version,
    pub(crate) theirs: Version,
    pub(crate) last_error: String,
}

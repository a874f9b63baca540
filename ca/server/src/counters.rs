//! What the CA counts and when its certificates end, for metrics.
//!
//! Counted whether or not anybody looks: [`Counters::show`] adds them to the
//! registry of the process. No labels, so that no caller can add series.

use pelago_runtime::telemetry::{Counter, Gauge, Metrics};

/// What the CA counted since it started.
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) issued: Counter,
    pub(crate) refused: Counter,
    pub(crate) bundles_refused: Counter,
    /// Trust sessions that are open.
    pub(crate) sessions: Gauge,
    /// The ends of our own certificates, Unix seconds.
    pub(crate) svid_ends: Gauge,
    pub(crate) intermediate_ends: Gauge,
    pub(crate) root_ends: Gauge,
}

impl Counters {
    /// Certificates signed for others.
    #[must_use]
    pub fn issued(&self) -> u64 {
        self.issued.get()
    }

    /// Requests for certificates, enrolments and joins refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// Bundles offered by peers and refused (a lower sequence, another domain).
    #[must_use]
    pub fn bundles_refused(&self) -> u64 {
        self.bundles_refused.get()
    }

    pub(crate) fn ends(gauge: &Gauge, not_after: u64) {
        gauge.set(i64::try_from(not_after).unwrap_or(i64::MAX));
    }

    pub(crate) fn show(&self, metrics: &Metrics) {
        metrics.adopt(
            "ca_issued",
            "certificates signed for nodes, gateways and workloads",
            &self.issued,
        );
        metrics.adopt(
            "ca_refused",
            "requests for certificates, enrolments and joins that were refused",
            &self.refused,
        );
        metrics.adopt(
            "ca_bundles_refused",
            "bundles that a peer offered and that were refused",
            &self.bundles_refused,
        );
        metrics.adopt(
            "ca_sessions",
            "trust sessions of nodes, gateways and peers that are open",
            &self.sessions,
        );
        metrics.adopt(
            "ca_svid_not_after_seconds",
            "when the SVID of the controller ends, in Unix seconds",
            &self.svid_ends,
        );
        metrics.adopt(
            "ca_intermediate_not_after_seconds",
            "when the intermediate that signs ends, in Unix seconds",
            &self.intermediate_ends,
        );
        metrics.adopt(
            "ca_root_not_after_seconds",
            "when the active root ends, in Unix seconds",
            &self.root_ends,
        );
    }
}

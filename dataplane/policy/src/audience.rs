//! The audience rule, asked before any policy: another cluster or trust domain
//! is admitted only to services exported to it. Joining opens nothing.

use pelago_model::{Audience, Service};

use crate::facts::{Caller, Home};

/// Whether the caller may reach the service as far as exports go. Callers of
/// our own cluster and domain always may; a caller without an issuing cluster
/// matches no export.
pub(crate) fn admits(home: &Home, caller: Caller<'_>, service: Option<&Service>) -> bool {
    if caller.is_of(home) {
        return true;
    }
    let Some((service, cluster)) = service.zip(caller.issuer_cluster) else {
        return false;
    };
    service.exported_to.contains(&Audience {
        cluster: cluster.clone(),
        trust_domain: caller.id.trust_domain().clone(),
    })
}

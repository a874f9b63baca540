//! What this worker has seen fail: endpoints put out for a while, gateways
//! that do not answer.
//!
//! It only ranks: an endpoint that is out is asked when nothing better is left.
//! After its time one request tries it; the others wait for that one. Time is
//! an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pelago_dataplane_policy::Observed;
use pelago_model::{GatewayId, WorkloadUid};
use tokio::time::Instant;

/// The failures of late.
#[derive(Debug, Default)]
pub(crate) struct Health {
    endpoints: BTreeMap<WorkloadUid, Ejection>,
    gateways: BTreeSet<GatewayId>,
}

#[derive(Debug)]
struct Ejection {
    failures: u32,
    /// Out until then; afterwards one request may try.
    until: Instant,
}

impl Health {
    /// What to rank by now.
    pub(crate) fn observed(&self, now: Instant) -> Observed {
        let out = self.endpoints.iter().filter(|(_, out)| now < out.until);
        Observed {
            ejected: out.map(|(uid, _)| uid.clone()).collect(),
            gateways_down: self.gateways.clone(),
        }
    }

    /// A request goes to that endpoint. If its time out is just over, this is
    /// the one that tries: it is out again for the others until the answer.
    pub(crate) fn begin(&mut self, uid: &WorkloadUid, now: Instant) {
        if let Some(out) = self.endpoints.get_mut(uid).filter(|out| out.until <= now) {
            out.until = now + TRIAL;
        }
    }

    /// The endpoint did not take a request.
    pub(crate) fn failed(&mut self, uid: &WorkloadUid, now: Instant) {
        self.endpoints.retain(|_, out| now < out.until + FORGOTTEN);
        if self.endpoints.len() >= MAX && !self.endpoints.contains_key(uid) {
            return;
        }
        let out = self.endpoints.entry(uid.clone()).or_insert(Ejection {
            failures: 0,
            until: now,
        });
        let doubled = 1_u32.checked_shl(out.failures).unwrap_or(u32::MAX);
        out.failures = out.failures.saturating_add(1);
        out.until = now + FIRST.saturating_mul(doubled).min(LONGEST);
    }

    /// The endpoint took one.
    pub(crate) fn succeeded(&mut self, uid: &WorkloadUid) {
        self.endpoints.remove(uid);
    }

    /// The gateway does not answer; whether that is news.
    pub(crate) fn gateway_down(&mut self, id: &GatewayId) -> bool {
        self.gateways.len() < MAX && self.gateways.insert(id.clone())
    }

    /// The gateway answers again; whether that is news.
    pub(crate) fn gateway_up(&mut self, id: &GatewayId) -> bool {
        self.gateways.remove(id)
    }
}

/// The first time out; doubled with each further failure.
const FIRST: Duration = Duration::from_secs(5);
/// The longest time out.
const LONGEST: Duration = Duration::from_secs(60);
/// How long the one request that tries keeps the others away.
const TRIAL: Duration = Duration::from_secs(5);
/// Failures this long past are forgotten.
const FORGOTTEN: Duration = Duration::from_secs(300);
/// The most endpoints and gateways remembered.
const MAX: usize = 10_000;

#[cfg(test)]
mod tests;
